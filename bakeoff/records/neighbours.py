"""How much does a busy CPU slow the children's first CPU? What a short loop took there, alone and beside each other CPU.

Standard library only, for the reason given in measurement.py.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import median, quantiles

SLOWED = 1.25  # a loop that takes so many times as long shares its core; lower frequencies under load stay well below that
# CPUs share a core if the loop was slowed in this share of the rounds, and in so many. It need not be most of them: the CPUs of
# a virtual machine can move between cores several times in a second (docs/methodology.md)
OFTEN, FEWEST_SLOWED = 0.05, 3
ALWAYS = 0.95  # from this share on, the share is not mentioned


@dataclass(frozen=True, slots=True, kw_only=True)
class Neighbour:
    """Another CPU. CPU seconds of the loop in each round: before that CPU was kept busy, meanwhile, and after it."""

    cpu: int
    before_s: tuple[float, ...]
    beside_s: tuple[float, ...]
    after_s: tuple[float, ...]

    @property
    def ratios(self) -> list[float]:
        """By round: how many times as long the loop took beside the busy CPU, over the longer one of before and after.

        A machine that changes its speed between two loops therefore gives no ratio above 1.
        """
        rounds = zip(self.before_s, self.beside_s, self.after_s, strict=True)
        return [beside / max(before, after) for before, beside, after in rounds]

    @property
    def slowed(self) -> float:
        """The share of the rounds in which the loop took SLOWED times as long, or longer."""
        return sum(ratio >= SLOWED for ratio in self.ratios) / len(self.beside_s)

    @property
    def shares(self) -> bool:
        """Does it share a core with the children's CPU, at least for some of the time?"""
        return self.slowed >= max(OFTEN, FEWEST_SLOWED / len(self.beside_s))

    @property
    def slowdown(self) -> float:
        """How many times as long the loop takes beside this CPU: the median of the slowed rounds; 1 if there are none."""
        return median([ratio for ratio in self.ratios if ratio >= SLOWED] or [1.0])


@dataclass(frozen=True, slots=True, kw_only=True)
class Neighbours:
    """What the other CPUs of a machine do to the first of the children's CPUs."""

    cpu: int  # on which the loop ran
    others: tuple[Neighbour, ...]
    left_out: tuple[int, ...] = ()  # CPUs that were not tried, because there are too many
    threads_per_core: int | None = None  # what the kernel says of `cpu`; in a virtual machine it may be wrong
    measured_at: str = ""  # UTC, ISO 8601

    @property
    def shared(self) -> list[Neighbour]:
        """The CPUs that share a core with `cpu`."""
        return [other for other in self.others if other.shares]

    @property
    def alone_s(self) -> tuple[float, float]:
        """What the loop took while no other CPU was kept busy for it: the 10th and the 90th percentile."""
        deciles = quantiles([s for other in self.others for s in (*other.before_s, *other.after_s)], n=10)
        return deciles[0], deciles[-1]

    @property
    def kernel(self) -> str:
        """What the kernel says about the core, in words."""
        if self.threads_per_core is None:
            return "the kernel says nothing about cores"
        return f"the kernel says {self.threads_per_core} thread{'s' * (self.threads_per_core != 1)} per core"

    def sentences(self) -> list[str]:
        """A sentence for each CPU that shares a core with `cpu`."""
        return [
            f"CPU {self.cpu} shares a core with CPU {other.cpu}{_in_rounds(other)}: a loop on CPU {self.cpu} takes "
            f"{other.slowdown:.1f} times as long while CPU {other.cpu} is busy ({self.kernel})"
            for other in self.shared
        ]

    def notes(self) -> list[str]:
        """A note below the table, if a CPU shares a core with `cpu`."""
        if not self.shared:
            return []
        cpus = named([self.cpu, *(other.cpu for other in self.shared)])
        worst = max(self.shared, key=lambda other: other.slowdown)
        what = f"a loop takes {worst.slowdown:.1f} times as long beside a busy one{_in_rounds(worst)}; {self.kernel}"
        return [f"{cpus} share a core ({what}): a busy neighbour slows all cells; ratios are not affected, seconds are"]

    def problem(self) -> str:
        """What no machine can have measured; empty if there is nothing such."""
        for other in self.others:
            times = (other.before_s, other.beside_s, other.after_s)
            if not other.beside_s or len({len(part) for part in times}) > 1:
                return f"neighbours: CPU {other.cpu} has incomplete rounds"
            if not all(0 < s < math.inf for part in times for s in part):
                return f"neighbours: CPU {other.cpu} has loops that take no time"
        return "" if self.others else "neighbours without another CPU"


def named(cpus: Sequence[int]) -> str:
    """CPUs in words, such as "CPU 1", or "CPUs 0, 1 and 2"."""
    *most, last = map(str, sorted(cpus))
    return f"CPUs {', '.join(most)} and {last}" if most else f"CPU {last}"


def _in_rounds(other: Neighbour) -> str:
    return "" if other.slowed >= ALWAYS else f" in {other.slowed:.0%} of {len(other.beside_s)} rounds"
