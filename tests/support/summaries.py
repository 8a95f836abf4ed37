"""Builds summaries of cells with known true values, saves runs of them, and runs the commands that compare them."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import msgspec
import numpy as np

from bakeoff.__main__ import main
from bakeoff.analysis.metric import Metric
from bakeoff.analysis.summary import CellSummary
from bakeoff.compare.verdicts import Change, Comparison, Rules, Verdict
from bakeoff.records.cell import Cell, Mode
from bakeoff.records.trial import Status
from tests.support.builders import ENVIRONMENT, SETTINGS


def found(model: str = "toy", step: list[float] | None = None, **changes: object) -> CellSummary:
    """The summary of one cell."""
    values = {} if step is None else {"step": step, "step_typical": step}
    base = CellSummary(
        cell=Cell(model, "compiler", Mode.INFERENCE),
        status=Status.OK,
        reason="",
        framework="numpy",
        settings=SETTINGS,
        environment=ENVIRONMENT,
        trials=len(step or [1]),
        values=values,
    )
    return replace(base, **changes)


def rules(budget: float = 0.05, **changes: object) -> Rules:
    def given(cell: Cell, metric: Metric) -> float:
        return budget

    return Rules(**({"budget": given} | changes))


def noise(seed: int, count: int = 12, sd: float = 0.01, level: float = 0.002) -> list[float]:
    return [float(v) for v in level * np.exp(np.random.default_rng(seed).normal(0, sd, count))]


def verdicts(comparison: Comparison) -> dict[tuple[str, str], Verdict]:
    return {(c.cell.model, c.metric): c.verdict for c in comparison.changes}


def only(comparison: Comparison, metric: str = "step") -> Change:
    return next(c for c in comparison.changes if c.metric == metric)


def save(folder: Path, number: int, summaries: list[CellSummary], **changes: Any) -> Path:
    """A saved run as the plugin writes it, without what nobody here reads."""
    home = folder / "saved" / "Linux-CPython-3.11-64bit"
    home.mkdir(parents=True, exist_ok=True)
    path = home / f"{number:04}_{'abcdef' * 3}_run.json"
    commit = {"id": f"{number:040x}", "dirty": False, "branch": "main"}
    document = {"benchmarks": [], "datetime": f"2026-01-01T00:{number % 60:02}:00+00:00", "commit_info": commit}
    path.write_bytes(msgspec.json.encode({**document, "schema_version": 2, "summaries": summaries, "trials": [], **changes}))
    return path


def matrix(*seeds: int, factor: float = 1.0, **changes: Any) -> list[CellSummary]:
    return [found(f"m{s}", [factor * v for v in noise(s + 100 * (factor != 1.0))], **changes) for s in seeds]


def call(folder: Path, *arguments: str) -> int:
    where = ["--benchmark-storage", str(folder / "saved")]
    if arguments[0] != "history":
        where += ["--budgets", str(folder / "budgets.toml")]
    return main([arguments[0], *arguments[1:], *where])
