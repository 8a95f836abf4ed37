"""Builds the trials of groups in which each stack has a known speed."""

from collections.abc import Sequence
from typing import Any

from bakeoff.analysis.ratios import Ratios
from bakeoff.analysis.results import RecordedStatus, by_cell
from bakeoff.analysis.steady import Steadiness
from bakeoff.records.trial import Start, Status, Trial
from tests.support.builders import measurement, trial

STEADY = RecordedStatus(Status.OK, "", Steadiness(steady=True, start=0, verified=True))


def ratios_of(trials: Sequence[Trial]) -> Ratios:
    """The ratios of a run in which all cells are ok."""
    return Ratios.of(trials, results=by_cell(trials, dict.fromkeys((t.cell for t in trials), STEADY)))


def taken(
    stack: str, step_s: float | Sequence[float], compile_s: float, *, warm_s: float | None = None, **more: Any
) -> list[Trial]:
    """Trials of one stack: a member of two groups, or of one for each of `step_s`.

    `warm_s`: seconds of compiling in the second one, which starts from disk caches.
    """

    def one(index: int, step_s: float) -> Trial:
        warm = warm_s is not None and index == 1
        first_call_s = step_s + (warm_s if warm_s is not None and warm else compile_s)
        found = measurement((step_s,) * 100, first_call_s=first_call_s, held_out_step_s=(step_s,), warmup_s=(step_s,) * 20)
        start = Start.WARM if warm else Start.COLD
        return trial(found, "mlp", stack, **({"index": index, "start": start, "eager": stack.endswith("eager")} | more))

    steps = [step_s] * 2 if isinstance(step_s, float) else step_s
    return [one(index, step) for index, step in enumerate(steps)]
