"""Which cell, which phase, how many are left, how long it may take: a line per child, and on a terminal a live one."""

import sys
import time
from collections.abc import Callable
from statistics import mean, median

from harness.trial import Diagnosis, Phase, ShapeSeries, Start, Trial


class Progress:
    """Told by the session what happens; tells the user."""

    def __init__(self, say: Callable[[str], None]) -> None:
        self.say = say
        self._live = sys.__stderr__ is not None and sys.__stderr__.isatty()
        self._left = self._total = 0
        self._walls: list[float] = []
        self._now, self._since = "", 0.0

    def expect(self, cells: int) -> None:
        """How many cold trials are to come."""
        self._left = self._total = cells

    def begin(self, cell: str, start: Start, index: int) -> None:
        """A child starts."""
        number = f"[{self._total - self._left + (start is Start.COLD)}/{self._total}]"
        self._now, self._since = (
            f"{number} {cell}" + (" warm" if start is Start.WARM else "") + (f" #{index + 1}" if index else ""),
            time.monotonic(),
        )
        self.phase(Phase.START)

    def phase(self, phase: Phase) -> None:
        """The child has entered a phase."""
        if self._live and self._now:
            self._write(f"{self._now}: {phase} · {self._left} left{self._eta()}")

    def note(self, text: str) -> None:
        """Something that is no cell."""
        self._now = ""
        if self._live:
            self._write(text)

    def done(self, trial: Trial) -> None:
        """A trial is on disk."""
        if trial.start is Start.COLD:
            self._left -= 1
        if trial.wall_s:
            self._walls.append(trial.wall_s)
        if self._live:
            self._write("")
        now = self._now or f"[{self._total - self._left}/{self._total}] {trial.cell}"
        self.say(f"{now}: {told(trial)} · {trial.wall_s:.1f} s · {self._left} left{self._eta()}")
        self._now = ""

    def expect_diagnoses(self, cells: int) -> None:
        """How many diagnosing children are to come."""
        self._left = self._total = cells
        self._now = ""

    def diagnosed(self, diagnosis: Diagnosis) -> None:
        """A diagnosing child has ended."""
        self._left -= 1
        told = diagnosis.failure.message.splitlines()[0][:120] if diagnosis.failure else ""
        if diagnosis.diagnostics is not None:
            count = diagnosis.diagnostics.break_count
            told = f"{count} break{'s' * (count != 1)}"
        left = f"{self._total - self._left}/{self._total}"
        self.say(f"[{left}] {diagnosis.cell} diagnosed: {told} · {diagnosis.wall_s:.1f} s")

    def shaped(self, series: ShapeSeries) -> None:
        """A series of shapes has ended."""
        told = f"compiled again for {len(series.recompiled)} of {max(0, len(series.steps) - 1)} further shapes"
        if series.failure is not None:
            told = f"{series.failure.status} ({series.failure.message.splitlines()[0][:120]})"
        self.say(f"{series.cell} {series.axis}: {told} · {series.wall_s:.1f} s")

    def _eta(self) -> str:
        if not self._walls or not self._left:
            return ""
        # every cold trial, with its share of warm ones and references
        seconds = mean(self._walls) * self._left * len(self._walls) / max(1, self._total - self._left)
        return f", about {seconds / 60:.0f} min" if seconds > 90 else f", about {seconds:.0f} s"

    def _write(self, text: str) -> None:
        assert sys.__stderr__ is not None
        sys.__stderr__.write(f"\r\x1b[K{text}")
        sys.__stderr__.flush()


def told(trial: Trial) -> str:
    """A trial in a few words."""
    if trial.failure is not None:
        return f"{trial.failure.status} ({trial.failure.message.splitlines()[0][:120]})"
    if trial.lowering is not None:
        made = trial.lowering
        return f"compiled for {made.target} in {seconds(made.first_call_s)}, {len(made.kernels)} kernels"
    measurement = trial.measurement
    assert measurement is not None
    return f"compile {seconds(measurement.compile_s)}, step {seconds(median(measurement.step_s))}"


def seconds(value: float) -> str:
    """A duration with three digits and its unit."""
    for unit, factor in (("s", 1.0), ("ms", 1e3), ("µs", 1e6)):
        if value * factor >= 0.9995:
            return f"{value * factor:.3g} {unit}"
    return f"{value * 1e6:.2g} µs"
