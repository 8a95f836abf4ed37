"""What does TensorBoard show of a cell? Curves, metrics, texts, hyperparameters. Pure: numbers come from bakeoff.analysis."""

import datetime
import math
from collections.abc import Iterable, Iterator, Mapping

from bakeoff.analysis.metrics import METRICS
from bakeoff.analysis.results import CellResult
from bakeoff.analysis.settings import SETTINGS
from bakeoff.compare.report import escaped
from bakeoff.records.trial import Environment, Settings, Start, Status, Trial
from bakeoff.report.event_files import Hyperparameters, Note, Scalar, Text
from bakeoff.system.terminal import clean


def scalars(result: CellResult) -> dict[str, float]:
    """Tag → number, of every metric that the cell has. A cell that is not ok has no speed."""
    found = {metric.tensorboard_tag: metric.value(result) for metric in METRICS.values()}
    return {tag: float(value) for tag, value in found.items() if value is not None and math.isfinite(value)}


def cell(result: CellResult, at: int) -> Iterator[Note]:
    """Everything of one cell of one run, with its metrics at x = `at`."""
    ok = result.status is Status.OK
    settings = result.trials[0].settings
    tags = tuple(metric.tensorboard_tag for metric in METRICS.values() if metric.hyperparameters)
    yield Hyperparameters(_given(result, settings), tags, failed=not ok)
    yield from _texts(result, settings, at)
    for tag, value in scalars(result).items():
        yield Scalar(tag, value, at)
    for trial in (*result.trials, *result.warm):
        if ok:
            yield from _steps(trial)
        if trial.measurement is not None:
            yield from _curve(trial, trial.measurement.losses)


def references(result: CellResult) -> list[Scalar]:
    """The float64 reference's losses, under the tags of the cell's losses: as a further run they share its charts."""
    trials = [t for t in (*result.trials, *result.warm) if t.measurement is not None]
    return [point for t in trials for point in _curve(t, t.measurement.reference_losses if t.measurement else ())]


def status(result: CellResult) -> str:
    """In Markdown."""
    return f"**{result.status}**" + (f": {escaped(result.reason)}" if result.reason else "")


def settings_table(settings: Settings) -> str:
    """All settings of the run."""
    return _table({setting.title: setting.shown(settings) for setting in SETTINGS})


def environment_table(environment: Environment | None) -> str:
    """Where and with what the child ran."""
    if environment is None:
        return "unknown: no child reported it"
    rows = {name: getattr(environment, name) for name in environment.__slots__ if name not in ("versions", "variables")}
    return _table({**rows, **environment.versions, **environment.variables})


def seconds_since_1970(time: str) -> float:
    """Of a time in ISO format; 0 for anything else, which a file may hold."""
    try:
        return max(0.0, datetime.datetime.fromisoformat(time).timestamp())
    except (ValueError, OverflowError, OSError):
        return 0.0


def _given(result: CellResult, settings: Settings) -> dict[str, str]:
    """The same names for every cell, as TensorBoard takes the first cell's for all."""
    given = {
        "model": result.cell.model,
        "stack": result.cell.stack,
        "mode": str(result.cell.mode),
        "framework": result.framework,
        **{setting.name: setting.shown(settings) for setting in SETTINGS if setting.forbids},
    }
    return {name: clean(value) for name, value in given.items()}


def _texts(result: CellResult, settings: Settings, at: int) -> Iterator[Text]:
    yield Text("cell/status", status(result), at)
    yield Text("cell/settings", settings_table(settings), at)
    environment = next((t.environment for t in result.trials if t.environment is not None), None)
    yield Text("cell/environment", environment_table(environment), at)
    breaks = result.diagnostics.breaks if result.diagnostics else ()
    if breaks:
        lines = (f"{b.kind} ×{b.count} at {b.where}: {b.reason}" + (f" ({b.hint})" if b.hint else "") for b in breaks)
        yield Text("cell/breaks", _list(lines), at)
    notes = dict.fromkeys(note for m in result.measurements for note in m.notes)
    if notes:
        yield Text("cell/fairness", _list(notes), at)


def _steps(trial: Trial) -> Iterator[Scalar]:
    """Each step as it was timed; x counts steps since the first call, which is step 0 and has a metric of its own.

    A sample that is the mean of several steps is placed at the first of them.
    """
    measured, wall_s = trial.measurement, seconds_since_1970(trial.finished_at)
    if measured is None:
        return
    for step, seconds in enumerate(measured.warmup_s, start=1):
        yield Scalar(_tag("step_s", trial), seconds, step, wall_s)
    for sample, seconds in enumerate(measured.step_s):
        step = 1 + len(measured.warmup_s) + sample * measured.steps_per_sample
        yield Scalar(_tag("step_s", trial), seconds, step, wall_s)


def _curve(trial: Trial, losses: Iterable[float | None]) -> Iterator[Scalar]:
    """Losses by step, the first call's at 0. One that was not finite leaves a gap."""
    wall_s = seconds_since_1970(trial.finished_at)
    for step, loss in enumerate(losses):
        if loss is not None:
            yield Scalar(_tag("loss", trial), loss, step, wall_s)


def _tag(what: str, trial: Trial) -> str:
    return f"{what}/trial_{trial.index}" + "_warm" * (trial.start is Start.WARM)


def _table(rows: Mapping[str, object]) -> str:
    lines = [f"| {escaped(str(name))} | {escaped(str(value))} |" for name, value in rows.items() if value not in (None, "")]
    return "\n".join(["| | |", "|---|---|", *lines])


def _list(items: Iterable[str]) -> str:
    return "\n".join(f"- {escaped(item)}" for item in items)
