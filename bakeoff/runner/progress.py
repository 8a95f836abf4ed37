"""Which cell, which phase, how many are left, how long it may take: a line per child, and on a terminal a live one.

The live one is written over, with no colours. A pipe, a dumb terminal and a CI log get the lines alone, without escape codes.
"""

import shutil
import sys
import time
from collections.abc import Callable
from statistics import median

from bakeoff.analysis.formatting import seconds
from bakeoff.records.trial import Phase, Start, Trial
from bakeoff.system import terminal

PATIENCE_S = 30.0  # without a live line: after so long in one phase the next one is printed


class Progress:
    """Told by the session what happens; tells the user."""

    def __init__(self, say: Callable[[str], None]) -> None:
        self.say = say
        self._live = terminal.live(sys.__stderr__)
        self._left = self._total = 0
        self._cold, self._wall_s = 0, 0.0  # cold trials so far, and what they took, with their warm ones
        self._now, self._since = "", 0.0  # the child that runs; when something was last said

    def expect(self, cells: int) -> None:
        """How many cold trials are to come."""
        self._left = self._total = cells

    def begin(self, cell: str, start: Start, index: int) -> None:
        """A child starts."""
        number = f"[{self._total - self._left + (start is Start.COLD)}/{self._total}]"
        self._now = f"{number} {cell}" + (" warm" if start is Start.WARM else "") + (f" #{index + 1}" if index else "")
        self._since = time.monotonic()
        self.phase(Phase.START)

    def phase(self, phase: Phase) -> None:
        """The child has entered a phase."""
        if not self._now:
            return
        text = f"{self._now}: {phase} · {self._left} left{self._eta()}"
        if self._live:
            self._write(text)
        elif time.monotonic() - self._since >= PATIENCE_S:
            self._say(text)

    def note(self, text: str) -> None:
        """Something that is no cell."""
        self._now = ""
        if self._live:
            self._write(text)

    def done(self, trial: Trial) -> None:
        """A trial is on disk."""
        if trial.start is Start.COLD:
            self._left -= 1
            self._cold += 1
        self._wall_s += trial.wall_s
        now = self._now or f"[{self._total - self._left}/{self._total}] {trial.cell}"
        self._say(f"{now}: {formatted(trial)} · {trial.wall_s:.1f} s · {self._left} left{self._eta()}")
        self._now = ""

    def expect_more(self, children: int) -> None:
        """How many children of another kind of job are to come."""
        self._left = self._total = children
        self._now = ""

    def another(self, line: str, wall_s: float) -> None:
        """One of them has ended."""
        self._left -= 1
        self._say(f"[{self._total - self._left}/{self._total}] {line} · {wall_s:.1f} s · {self._left} left")

    def _eta(self) -> str:
        if not self._wall_s or not self._left:
            return ""
        # every cold trial, with its share of warm ones
        seconds = self._wall_s / max(1, self._cold) * self._left
        return f", about {seconds / 60:.0f} min" if seconds > 90 else f", about {seconds:.0f} s"

    def _say(self, line: str) -> None:
        """A line that stays, and nothing of the live one beside it."""
        if self._live:
            self._write("")
        self.say(line)
        self._since = time.monotonic()

    def _write(self, text: str) -> None:
        assert sys.__stderr__ is not None
        room = shutil.get_terminal_size().columns - 1  # of a line that wraps only the last part would be written over
        sys.__stderr__.write(f"\r\x1b[K{text[:room]}")
        sys.__stderr__.flush()


def formatted(trial: Trial) -> str:
    """A trial in a few words."""
    if trial.failure is not None:
        phase = "" if trial.failure.phase is Phase.START else f" in {trial.failure.phase}"
        return f"{trial.failure.status}{phase} ({trial.failure.message.splitlines()[0][:120]})"
    if trial.compile_only is not None:
        made = trial.compile_only
        return f"compiled for {made.target} in {seconds(made.first_call_s)}, {len(made.kernels)} kernels"
    measurement = trial.measurement
    assert measurement is not None
    beside = " at once" * measurement.compiled_at_once  # on the same CPUs: about twice what one alone takes
    return f"compile {seconds(measurement.compile_s)}{beside}, step {seconds(median(measurement.step_s))}"
