"""torch DistributedDataParallel with two workers, half of every batch each."""

from bakeoff.compilers._torch_ddp import TorchDdp

FRAMEWORK = "torch"
DEFAULT = False
WORKERS = 2

STACK = TorchDdp(WORKERS)
