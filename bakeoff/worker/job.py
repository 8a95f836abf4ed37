"""What does a job in the child receive? A job is a module with a function `run(job)` that returns records or plain values."""

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
    """One request and its sandbox.

    `found`: the sandbox's files at the start, path → bytes. `enter` reports a phase. `loaded`: the cell's stack, if a fork
    server has loaded it.
    """

    request: Request
    sandbox: Sandbox
    found: dict[str, int]
    enter: Callable[[Phase], None]
    loaded: Stack[Any] | None = None

    def load_stack(self) -> Stack[Any]:
        """The cell's stack, with its framework imported."""
        return load_stack(Path(self.request.stack_path)) if self.loaded is None else self.loaded
