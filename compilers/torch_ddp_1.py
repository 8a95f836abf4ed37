"""torch DistributedDataParallel with one worker: the baseline of its scaling."""

from bakeoff.compilers._torch_ddp import TorchDdp

HEADER = {"framework": "torch", "default": False, "workers": 1}

STACK = TorchDdp(workers=1)
