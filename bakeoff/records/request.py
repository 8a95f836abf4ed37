"""What the parent asks of a child: one JSON file in, one JSON file out. Standard library only, as both sides read it."""

import dataclasses
import json
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Any

from bakeoff.records.cell import Cell, Mode
from bakeoff.records.trial import Settings, Start

PROFILED_STEPS = 6  # three turns of the rotating batches: enough to see what repeats


class Job(StrEnum):
    """The kinds of children."""

    MEASURE = "measure"
    REFERENCE = "reference"  # float64 eager outputs, or in mode training what steps leave
    BASELINE = "baseline"  # peak memory of a process that only imported the framework
    DIAGNOSE = "diagnose"  # the same program with collectors on, untimed
    EXPORT = "export"  # the program of an eager stack, in a deployment format
    PROFILE = "profile"  # a few steps under the framework's own profiler, untimed
    SHAPES = "shapes"  # a series of shapes through one compiled program
    TOOLCHAIN = "one_time_cost"  # once-per-machine cost
    MACHINE_PEAK = "machine_peak"  # what the machine reaches at most


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """One child's whole task."""

    job: Job
    cell: Cell
    stack_path: str
    model_path: str
    framework: str
    settings: Settings
    start: Start
    private: str  # bakeoff.system.sandbox.Sandbox.root
    result: str  # where the child writes its JSON
    axis: str = "batch_size"  # of a series of shapes: the model's field that varies
    sizes: tuple[int, ...] = ()
    begins: tuple[bool, ...] = ()  # of a pair: does this child begin each round? Empty: it has no partner
    waits: bool = False  # of a pair: it warms up first
    at_once: bool = False  # of a pair: both compile at the same time
    arrays: str | None = None  # reference outputs: written by a reference job, read by a measuring one
    served_path: str = ""  # of an export job: the deployment format's file
    artifact: str | None = (
        None  # bakeoff.worker.shipped's folder: written by an export job; served by a measuring one, with no model_path
    )
    extra: str = ""  # our extra that installs the framework, where it has another name
    other: str | None = None  # of a reference job in training: another framework's reference, to compare with

    def write(self, path: Path) -> None:
        """As JSON."""
        path.write_text(json.dumps(dataclasses.asdict(self)))


def read(path: Path) -> Request:
    """What `Request.write` wrote."""
    raw: dict[str, Any] = json.loads(path.read_text())
    cell = Cell(raw["cell"]["model"], raw["cell"]["stack"], Mode(raw["cell"]["mode"]))
    rest = {
        "job": Job(raw["job"]),
        "cell": cell,
        "settings": Settings(**raw["settings"]),
        "start": Start(raw["start"]),
        "sizes": tuple(raw["sizes"]),
        "begins": tuple(raw["begins"]),
    }
    return Request(**{**raw, **rest})
