"""In the child: what every kind of job is given. A job is a module with `run(job)`, which returns records or plain values."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bakeoff.authoring.discovery import load_stack
from bakeoff.authoring.stack import Stack
from bakeoff.records.request import Request
from bakeoff.records.trial import Phase
from bakeoff.system.sandbox import Sandbox


@dataclass(frozen=True, slots=True)
class Job:
    """`enter` tells the parent which phase has begun; `found` are the files of the caches at the start, path → bytes."""

    request: Request
    sandbox: Sandbox
    found: dict[str, int]
    enter: Callable[[Phase], None]

    def load_stack(self) -> Stack[Any]:
        """The cell's stack, with its framework imported."""
        return load_stack(Path(self.request.stack_path))
