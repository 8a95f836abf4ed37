"""Which tables does a run have? The matrix, single operations, workers, and those of each task. Pure functions."""

from collections.abc import Mapping, Sequence
from typing import Any

from bakeoff import tasks
from bakeoff.analysis.pace import Pace
from bakeoff.analysis.ratios import BAND
from bakeoff.archive.saved_runs import SavedRun
from bakeoff.records.neighbours import Neighbours
from bakeoff.records.trial import OneTimeCost, Trial
from bakeoff.views import kernel_table, scaling_table
from bakeoff.views.matrix import Matrix

Records = Mapping[str, Sequence[Any]]  # name of a task → its records


def records_of(run: SavedRun) -> dict[str, list[Any]]:
    """The records of each task in a saved run, without those of unknown tasks."""
    found: dict[str, list[Any]] = {
        task.name: run.of(task.name, task.record) for task in tasks.every() if task.name in run.tasks
    }
    return found


def matrix(
    trials: Sequence[Trial],
    one_time_costs: Sequence[OneTimeCost],
    neighbours: Neighbours | None = None,
    *,
    band: float = BAND,
) -> Matrix:
    """The matrix of a run."""
    return Matrix.of(_not_exported(trials), one_time_costs, neighbours=neighbours, band=band, pace=Pace(trials))


def terminal(
    trials: Sequence[Trial],
    one_time_costs: Sequence[OneTimeCost],
    records: Records,
    width: int,
    neighbours: Neighbours | None = None,
    *,
    verbose: bool = False,
    band: float = BAND,
) -> str:
    """All tables as text for a terminal of `width` columns. Empty tables are left out. `verbose`: all about each cell."""
    in_matrix = _not_exported(trials)
    matrix = Matrix.of(in_matrix, one_time_costs, neighbours=neighbours, band=band, pace=Pace(trials))
    parts = [matrix.terminal(width, verbose=verbose)] if in_matrix or one_time_costs else []
    if in_matrix:
        parts += [kernel_table.terminal(matrix.ratios, width), scaling_table.terminal(in_matrix, width)]
    parts += [task.table(records[task.name], trials, width) for task in tasks.every() if records.get(task.name)]
    return "".join(parts)


def markdown(
    trials: Sequence[Trial],
    one_time_costs: Sequence[OneTimeCost],
    records: Records,
    neighbours: Neighbours | None = None,
    *,
    band: float = BAND,
) -> str:
    """All tables as Markdown, except those that have no Markdown form."""
    in_matrix = _not_exported(trials)
    matrix = Matrix.of(in_matrix, one_time_costs, neighbours=neighbours, band=band, pace=Pace(trials))
    parts = [matrix.markdown()] if in_matrix or one_time_costs else []
    parts += [kernel_table.markdown(matrix.ratios)] if in_matrix else []
    found = [task.markdown(records[task.name], trials) for task in tasks.every() if records.get(task.name)]
    return "\n".join([*parts, *filter(None, found)])


def _not_exported(trials: Sequence[Trial]) -> list[Trial]:
    """The trials that do not serve an exported program: those have a table of their own."""
    return [trial for trial in trials if trial.exported_by is None]
