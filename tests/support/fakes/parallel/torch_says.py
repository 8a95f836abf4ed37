"""The second worker fails before it joins the others, with a message."""

import os
from collections.abc import Callable

from bakeoff.compilers._torch import TorchProgram
from bakeoff.compilers._torch_ddp import Task, TorchDdp

HEADER = {"framework": "torch", "workers": 2}


class Says(TorchDdp):
    def join(self, task: Task, ready: Callable[[], None]) -> TorchProgram:
        if task.rank:
            raise LookupError(f"planted in worker {task.rank}, process {os.getpid()}")
        return super().join(task, ready)


STACK = Says(workers=2)
