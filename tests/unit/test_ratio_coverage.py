"""How often is a ratio called faster or slower where it is not, and does its interval contain the truth? By simulated runs."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
import pytest

from bakeoff.analysis import ratios
from bakeoff.analysis.ratios import Ratio, Ratios, SpeedVerdict
from bakeoff.records.cell import Cell, Mode

GROUPS, MOST_GROUPS = 2, 4
EAGER, *STACKS = (
    Cell("toy", name, Mode.INFERENCE) for name in ("tf_eager", "tf_function", "tf_xla", "torch_inductor", "torch_script")
)


@dataclass(frozen=True)
class Simulated(Ratios):
    """A run of which only the logarithms of the ratios over eager are known, one per group that a cell was in."""

    logs: Mapping[Cell, Sequence[float]] = field(default_factory=dict)
    copies: Sequence[float] = ()  # of the A/A control

    def eager(self, cell: Cell) -> Cell:
        return EAGER

    def _pairs(self, cell: Cell, other: Cell) -> list[ratios._GroupRatio]:
        return [ratios._GroupRatio(log, 0.0) for log in self.logs[cell]]

    @property
    def _control_pairs(self) -> list[ratios._GroupRatio]:
        return [ratios._GroupRatio(log, 0.0) for log in self.copies]


def measured(processes: np.ndarray) -> list[Ratio]:
    """The ratios of a simulated run with the main stacks, measured as in a session: further groups where a question is open.

    `processes`: logarithms of the speeds; a row per group; the columns are both eager stacks, a copy of one, and STACKS.
    """
    eager = dict(zip(STACKS, (0, 0, 1, 1), strict=True))
    logs = {each: [row[3 + i] - row[eager[each]] for row in processes] for i, each in enumerate(STACKS)}
    counts = dict.fromkeys(STACKS, GROUPS)
    while True:
        known, copies = {each: logs[each][: counts[each]] for each in STACKS}, processes[: max(counts.values())]
        run = Simulated(dict.fromkeys(STACKS), logs=known, copies=[row[2] - row[0] for row in copies])
        found = {each: run.over_eager(each) for each in STACKS}
        again = [each for each in STACKS if found[each].may_be_decided(MOST_GROUPS)]
        if not again:
            return list(found.values())
        counts |= {each: counts[each] + 1 for each in again}


@pytest.mark.parametrize("noise", [0.002, 0.005, 0.01], ids=str)
def test_an_interval_that_is_read_after_each_group_misses_no_more_often_than_it_says(noise: float) -> None:
    """2,400 ratios of equal programs whose processes differ: `noise` is the standard deviation of a ratio of two of them."""
    rng = np.random.default_rng(1)
    found = [ratio for _ in range(600) for ratio in measured(rng.normal(0, noise / math.sqrt(2), (MOST_GROUPS, 7)))]
    wrong = sum(ratio.verdict in (SpeedVerdict.FASTER, SpeedVerdict.SLOWER) for ratio in found) / len(found)
    covered = sum(ratio.low <= 1 <= ratio.high for ratio in found) / len(found)
    assert wrong <= 0.05
    assert covered >= 0.95


def test_a_true_difference_is_found() -> None:
    """5 %, in nearly all of 400 ratios of processes that differ by 0.5 %."""
    rng = np.random.default_rng(1)
    shift = np.array([0.0, 0.0, 0.0, 0.05, -0.05, 0.05, -0.05])
    found = [measured(shift + rng.normal(0, 0.005 / math.sqrt(2), (MOST_GROUPS, 7))) for _ in range(100)]
    right = [SpeedVerdict.FASTER, SpeedVerdict.SLOWER] * 2
    assert sum([ratio.verdict for ratio in run] == right for run in found) >= 95
