"""Which tables does a run have? Matrix, single operations, workers, series of shapes, deployment formats. Pure."""

from collections.abc import Sequence

from bakeoff.analysis.results import by_cell
from bakeoff.records.trial import Export, OneTimeCost, ShapeSeries, Trial
from bakeoff.tasks.export import table as deploy_table
from bakeoff.tasks.shapes import table as shape_table
from bakeoff.views import kernel_table, scaling_table
from bakeoff.views.matrix import Matrix


def terminal(
    trials: Sequence[Trial],
    one_time_costs: Sequence[OneTimeCost],
    exports: Sequence[Export],
    series: Sequence[ShapeSeries],
    width: int,
) -> str:
    """As text; empty tables are left out."""
    rest = _without_exports(trials, exports)
    parts = [Matrix.of(rest, one_time_costs).terminal(width), kernel_table.terminal(by_cell(rest), width)] if rest else []
    parts += [scaling_table.terminal(rest, width)] if rest else []
    parts += [shape_table.terminal(series, width)] if series else []
    parts += [deploy_table.terminal(trials, exports, () if rest else one_time_costs, width)] if exports else []
    return "".join(parts)


def markdown(trials: Sequence[Trial], one_time_costs: Sequence[OneTimeCost], exports: Sequence[Export]) -> str:
    """The matrix, single operations and the deployment formats as Markdown."""
    rest = _without_exports(trials, exports)
    parts = [Matrix.of(rest, one_time_costs).markdown(), kernel_table.markdown(by_cell(rest))] if rest else []
    parts += [deploy_table.markdown(trials, exports, () if rest else one_time_costs)] if exports else []
    return "\n".join(parts)


def _without_exports(trials: Sequence[Trial], exports: Sequence[Export]) -> list[Trial]:
    """The trials of cells that are not deployment formats."""
    served = {made.cell for made in exports}
    return [trial for trial in trials if trial.cell not in served]
