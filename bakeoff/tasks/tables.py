"""All tables of a run, saved or just measured: the matrix, single operations, workers, and those of each task. Pure."""

from collections.abc import Mapping, Sequence
from typing import Any

from bakeoff import tasks
from bakeoff.analysis.results import by_cell
from bakeoff.archive.saved_runs import SavedRun
from bakeoff.records.trial import OneTimeCost, Trial
from bakeoff.views import kernel_table, scaling_table
from bakeoff.views.matrix import Matrix

Records = Mapping[str, Sequence[Any]]  # by the name of their task


def records_of(run: SavedRun) -> dict[str, list[Any]]:
    """What a saved run holds of each task that there is."""
    found: dict[str, list[Any]] = {
        task.name: run.of(task.name, task.record) for task in tasks.every() if task.name in run.tasks
    }
    return found


def terminal(trials: Sequence[Trial], one_time_costs: Sequence[OneTimeCost], records: Records, width: int) -> str:
    """As text; a table of nothing is left out."""
    rest = _alone(trials)
    parts = []
    if rest or one_time_costs:
        parts += [Matrix.of(rest, one_time_costs).terminal(width)]
    if rest:
        parts += [kernel_table.terminal(by_cell(rest), width), scaling_table.terminal(rest, width)]
    parts += [task.table(records[task.name], trials, width) for task in tasks.every() if records.get(task.name)]
    return "".join(parts)


def markdown(trials: Sequence[Trial], one_time_costs: Sequence[OneTimeCost], records: Records) -> str:
    """The same as Markdown, as far as a table has that form."""
    rest = _alone(trials)
    parts = [Matrix.of(rest, one_time_costs).markdown()] if rest or one_time_costs else []
    parts += [kernel_table.markdown(by_cell(rest))] if rest else []
    found = [task.markdown(records[task.name], trials) for task in tasks.every() if records.get(task.name)]
    return "\n".join([*parts, *filter(None, found)])


def _alone(trials: Sequence[Trial]) -> list[Trial]:
    """The trials that are no deployment format's: those have a table of their own."""
    return [trial for trial in trials if trial.exported_by is None]
