"""What is saved of two arms that were measured in one session, beside the candidate's trials?

The candidate's trials are the run's own; the baseline's, and two sets of the control's, stand here. Trials of equal cell and
index are a pair.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field

from bakeoff.analysis.summary import CellSummary
from bakeoff.records.trial import Trial


@dataclass(frozen=True, slots=True, kw_only=True)
class Arm:
    """What was measured on one side."""

    label: str
    commit: str | None = None
    interpreters: Mapping[str, str] = field(default_factory=dict)
    variables: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Ab:
    """Of a saved run that compared two arms: all but the candidate's trials, which are the run's."""

    baseline: Arm
    candidate: Arm
    metrics: tuple[str, ...]
    interim_analyses: tuple[int, ...]  # numbers of pairs after which verdicts are read
    planned: int  # cells
    finished: bool = False
    alternated: int = 0  # pairs whose steps took turns; the others ran one process after the other
    trials: list[Trial] = field(default_factory=list)
    summaries: list[CellSummary] = field(default_factory=list)
    control: tuple[list[CellSummary], list[CellSummary]] = ((), ())  # type: ignore[assignment]  # the baseline against itself
    control_trials: list[Trial] = field(default_factory=list)
