"""What a program reads of its tensors (`.item()`, `if x.mean() > 0`) where tensors are fake: read off the step run eagerly.

Between two graphs Python goes on with a value, and a GPU that is not there has none. The CPU has: the step's own inputs go
through the bare module there, once and only if something is read, and what it reads is answered in the same order.
"""

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import torch
from torch._subclasses.fake_tensor import FakeTensorMode
from torch.utils._python_dispatch import TorchDispatchMode

from bakeoff.compilers import _torch_private as private

READS = torch.ops.aten._local_scalar_dense.default  # what every reading of one value comes down to


class Recorder(TorchDispatchMode):
    """Keeps each value that is read."""

    def __init__(self) -> None:
        super().__init__()
        self.found: list[Any] = []

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        output = func(*args, **(kwargs or {}))
        if func is READS:
            self.found.append(output)
        return output


class ValuesMode(FakeTensorMode):
    """Fake tensors, whose values are those of the step that was announced last."""

    def __init__(self) -> None:
        super().__init__(allow_non_fake_inputs=True)
        self.answered = 0
        self._eagerly: Callable[[], object] | None = None
        self._left: Iterator[Any] = iter(())

    def begin(self, eagerly: Callable[[], object]) -> None:
        """The next step is what `eagerly` does with data."""
        self._eagerly, self._left = eagerly, iter(())

    @torch.compiler.disable  # Dynamo sees every Python function that a compiled one calls, this one, too
    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        if func is not READS or private.tracing():
            return super().__torch_dispatch__(func, types, args, kwargs or {})
        if self._eagerly is not None:
            self._left, self._eagerly = iter(_read_by(self._eagerly)), None
        for value in self._left:
            self.answered += 1
            return value
        return super().__torch_dispatch__(func, types, args, kwargs or {})  # which says that there is no data


def _read_by(step: Callable[[], object]) -> list[Any]:
    """In a thread of its own: modes, dispatch keys and Dynamo's callback are a thread's, and this one is amid a dispatch."""

    def recorded() -> list[Any]:
        with torch.no_grad(), Recorder() as recorder:
            step()
        return recorder.found

    with ThreadPoolExecutor(max_workers=1) as pool:
        return pool.submit(recorded).result()
