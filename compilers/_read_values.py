"""What does a program read of fake tensors (`.item()`, `if x.mean() > 0`)? The values of the same step, run eagerly on the CPU.

Between two graphs Python continues with a value, which a fake tensor does not have. So the module runs once on the CPU on the
step's own inputs, if anything is read at all, and the values that it reads are returned in the same order.
"""

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import torch
from torch._subclasses.fake_tensor import FakeTensorMode
from torch.utils._python_dispatch import TorchDispatchMode

from bakeoff.compilers import _torch_private as private

READS = torch.ops.aten._local_scalar_dense.default  # every read of one value calls this operator


class Recorder(TorchDispatchMode):
    """Records each value that is read."""

    def __init__(self) -> None:
        super().__init__()
        self.found: list[Any] = []

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        output = func(*args, **(kwargs or {}))
        if func is READS:
            self.found.append(output)
        return output


class ValuesMode(FakeTensorMode):
    """Fake tensors whose values are those of the step that `begin` was given last."""

    def __init__(self) -> None:
        super().__init__(allow_non_fake_inputs=True)
        self.answered = 0
        self._eagerly: Callable[[], object] | None = None
        self._left: Iterator[Any] = iter(())

    def begin(self, eagerly: Callable[[], object]) -> None:
        """The next step is the one that `eagerly` runs with data."""
        self._eagerly, self._left = eagerly, iter(())

    @torch.compiler.disable  # Dynamo would trace this function, too, when compiled code calls it
    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        if func is not READS or private.tracing():
            return super().__torch_dispatch__(func, types, args, kwargs or {})
        if self._eagerly is not None:
            self._left, self._eagerly = iter(_read_by(self._eagerly)), None
        for value in self._left:
            self.answered += 1
            return value
        return super().__torch_dispatch__(func, types, args, kwargs or {})  # raises, as there is no data


def _read_by(step: Callable[[], object]) -> list[Any]:
    """The values that a step reads. Run in another thread, as modes and Dynamo's callback are per thread."""

    def recorded() -> list[Any]:
        with torch.no_grad(), Recorder() as recorder:
            step()
        return recorder.found

    with ThreadPoolExecutor(max_workers=1) as pool:
        return pool.submit(recorded).result()
