"""What does the parent ask of a child? One JSON file in, one JSON file out. Standard library only: both processes use it."""

import dataclasses
import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from bakeoff.records.cell import Cell, Mode
from bakeoff.records.trial import Settings, Start


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """Everything that a child needs to know about its job."""

    child: str  # the module whose `run` does it: bakeoff.worker.measure, bakeoff.tasks.shapes.child, ...
    cell: Cell
    stack_path: str
    model_path: str  # empty where an exported program is served: that child must not need the model's file
    framework: str
    settings: Settings
    start: Start
    sandbox: str  # bakeoff.system.sandbox.Sandbox.root
    result: str  # where the child writes its JSON
    reference: str | None = None  # file of float64 outputs, which the reference child writes and a measuring child reads
    artifact: str | None = None  # folder of an exported program (worker/shipped.py), written by the exporting child
    extra: str = ""  # the pip extra that installs the framework, where its name differs
    options: dict[str, Any] = field(default_factory=dict)  # what this kind of job needs besides; JSON values

    def write(self, path: Path) -> None:
        """Write the request to `path` as JSON."""
        path.write_text(json.dumps(dataclasses.asdict(self)))


def read(path: Path) -> Request:
    """The request that `Request.write` wrote to `path`."""
    raw: dict[str, Any] = json.loads(path.read_text())
    cell = Cell(raw["cell"]["model"], raw["cell"]["stack"], Mode(raw["cell"]["mode"]))
    settings = Settings(**{**raw["settings"], "shape": tuple(raw["settings"]["shape"])})
    return Request(**{**raw, "cell": cell, "settings": settings, "start": Start(raw["start"])})
