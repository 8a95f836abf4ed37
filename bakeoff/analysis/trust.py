"""How far can the numbers of one cell be trusted? The findings, in plain sentences, and what follows from them. Pure.

Every view and every verdict reads this, so that a doubt is known wherever the number is shown.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

from bakeoff.analysis.steady import TOLERANCE, TOLERANCE_UNVERIFIED, Steadiness
from bakeoff.records.measurement import Measurement
from bakeoff.records.trial import Trial

LEAST_CPU_SHARE = 0.9  # of the timed wall time; below it other work ran on the same CPUs


class Doubt(StrEnum):
    """Why a number may be wrong."""

    CONTENTION = "contention"
    NOISE = "noise"
    UNVERIFIED = "steady state not verified"
    NO_REFERENCE = "no float64 reference"


@dataclass(frozen=True, slots=True)
class TrustFinding:
    """One doubt about a cell's numbers."""

    doubt: Doubt
    text: str  # a sentence


@dataclass(frozen=True, slots=True, kw_only=True)
class Trust:
    """What is known about the quality of one cell's measurements. The defaults are those of a cell beyond doubt."""

    cpu_share: float = 1.0  # of the timed wall time, in the worst trial
    noise: float = 0.0  # slowest window of a process over its fastest − 1, where that is the machine's doing
    verified: bool = True  # was the steady state verified over enough trials?
    reference: bool = True  # were the outputs compared with a float64 reference?

    @property
    def findings(self) -> tuple[TrustFinding, ...]:
        """All doubts; empty if there are none."""
        found = []
        if not self.speed_can_be_compared:
            found.append(TrustFinding(Doubt.CONTENTION, f"it had a CPU for only {self.cpu_share:.0%} of the time it was timed"))
        if self.noise:
            found.append(TrustFinding(Doubt.NOISE, f"its step time varies by ±{self.noise / 2:.0%}: the machine is noisy"))
        if not self.verified:
            found.append(TrustFinding(Doubt.UNVERIFIED, "its steady state is not verified: that takes two trials"))
        if not self.reference:
            found.append(TrustFinding(Doubt.NO_REFERENCE, "its outputs were not compared with a float64 reference"))
        return tuple(found)

    @property
    def speed_can_be_compared(self) -> bool:
        """May a verdict rest on its times? Not if other work took its CPUs."""
        return self.cpu_share >= LEAST_CPU_SHARE

    @property
    def step_tolerance(self) -> float:
        """By how much its step time may have varied without being noticed, as a ratio − 1."""
        return max(self.noise, TOLERANCE if self.verified else TOLERANCE_UNVERIFIED)

    def says(self, doubt: Doubt) -> bool:
        """Is that among the findings?"""
        return any(finding.doubt is doubt for finding in self.findings)


def of(trials: Sequence[Trial], measurements: Sequence[Measurement], steadiness: Steadiness | None) -> Trust:
    """From a cell's cold trials. `steadiness` is None for a cell without measurements, which has no numbers to doubt."""
    if steadiness is None:
        return Trust()
    return Trust(
        cpu_share=_cpu_share(trials, measurements),
        noise=steadiness.noise,
        verified=steadiness.verified,
        reference=all(m.parity is not None and m.parity.checks for m in measurements),
    )


def _cpu_share(trials: Sequence[Trial], measurements: Sequence[Measurement]) -> float:
    """For how much of the timed wall time the worst trial had a CPU; 1 where waiting for a GPU or another worker is normal."""
    if not trials or trials[0].settings.device != "cpu" or (trials[0].workers or 1) > 1:
        return 1.0
    spent = [m.contention for m in measurements]
    return min((min(1.0, s.cpu_s / s.wall_s) for s in spent if s.wall_s), default=1.0)
