"""torch DistributedDataParallel with two workers, each with one half of every batch."""

from bakeoff.compilers._torch_ddp import TorchDdp

HEADER = {"framework": "torch", "default": False, "workers": 2}

STACK = TorchDdp(workers=2)
