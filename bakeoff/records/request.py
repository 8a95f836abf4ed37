"""What does the parent ask of a child? One JSON file in, one JSON file out. Standard library only: both sides read it."""

import dataclasses
import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from bakeoff.records.cell import Cell, Mode
from bakeoff.records.trial import Settings, Start


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """One child's whole task."""

    child: str  # the module whose `run` does it: bakeoff.worker.measure, bakeoff.tasks.shapes.child, ...
    cell: Cell
    stack_path: str
    model_path: str  # empty where a deployment format is served: that child has nothing of the model's file
    framework: str
    settings: Settings
    start: Start
    sandbox: str  # bakeoff.system.sandbox.Sandbox.root
    result: str  # where the child writes its JSON
    reference: str | None = None  # float64 outputs: written by the reference's child, read by one that measures
    artifact: str | None = None  # an exported program (worker/shipped.py): written by its child, served by one that measures
    extra: str = ""  # our extra that installs the framework, where it has another name
    options: dict[str, Any] = field(default_factory=dict)  # what this kind of job needs beside; JSON values

    def write(self, path: Path) -> None:
        """As JSON."""
        path.write_text(json.dumps(dataclasses.asdict(self)))


def read(path: Path) -> Request:
    """What `Request.write` wrote."""
    raw: dict[str, Any] = json.loads(path.read_text())
    cell = Cell(raw["cell"]["model"], raw["cell"]["stack"], Mode(raw["cell"]["mode"]))
    settings = Settings(**{**raw["settings"], "shape": tuple(raw["settings"]["shape"])})
    return Request(**{**raw, "cell": cell, "settings": settings, "start": Start(raw["start"])})
