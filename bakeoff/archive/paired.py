"""What does a saved run of `bakeoff ab` hold, beside the trials of the candidate?

The candidate's trials are the trials of the run. The trials of the baseline, and of both arms of the A/A control, are here. Two
trials with the same cell and index are a pair.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field

from bakeoff.analysis.summary import CellSummary
from bakeoff.records.trial import Trial


@dataclass(frozen=True, slots=True, kw_only=True)
class Arm:
    """What one arm measured: a commit, or other interpreters or environment variables."""

    label: str
    commit: str | None = None
    interpreters: Mapping[str, str] = field(default_factory=dict)
    variables: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Ab:
    """The key `ab` of a saved run that compares two arms."""

    baseline: Arm
    candidate: Arm
    metrics: tuple[str, ...]
    interim_analyses: tuple[int, ...]  # numbers of pairs after which verdicts are computed
    planned: int  # number of cells
    finished: bool = False
    alternated: int = 0  # number of pairs whose two children took turns; the others ran one after the other
    trials: list[Trial] = field(default_factory=list)  # of the baseline
    summaries: list[CellSummary] = field(default_factory=list)  # of the baseline
    control: tuple[list[CellSummary], list[CellSummary]] = ((), ())  # type: ignore[assignment]  # both are the baseline
    control_trials: list[Trial] = field(default_factory=list)
