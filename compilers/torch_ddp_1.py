"""torch DistributedDataParallel with one worker: what its scaling is measured from."""

from bakeoff.compilers._torch_ddp import TorchDdp

FRAMEWORK = "torch"
DEFAULT = False
WORKERS = 1

STACK = TorchDdp(WORKERS)
