"""What does the user see during a run? A line per child: the cell, its result, how many are left, an estimate of the time.

A terminal also has a live line with the current phase, which is overwritten. A pipe, a dumb terminal and a CI log get whole
lines only, without escape codes.
"""

import shutil
import sys
import time
from collections.abc import Callable
from statistics import median

from bakeoff.analysis.formatting import seconds
from bakeoff.records.trial import Phase, Start, Trial
from bakeoff.system import terminal

PATIENCE_S = 30.0  # without a live line, a phase is printed only if so many seconds have passed since the last line


class Progress:
    """The session calls these methods when something happens; they print it with `say`."""

    def __init__(self, say: Callable[[str], None]) -> None:
        self.say = say
        self._live = terminal.live(sys.__stderr__)
        self._left = self._total = 0
        self._begun = self._done = 0
        self._first = time.monotonic()  # when the first trial began
        self._now, self._since = "", 0.0  # the child that runs; time of the last line

    def expect(self, trials: int) -> None:
        """So many trials follow."""
        self._left = self._total = trials
        self._begun = self._done = 0
        self._first = time.monotonic()

    def expect_further(self, trials: int) -> None:
        """So many trials more than was expected."""
        self._left, self._total = self._left + trials, self._total + trials

    def begin(self, cell: str, start: Start, index: int) -> None:
        """A child starts."""
        self._begun += 1
        number = f"[{self._begun}/{max(self._begun, self._total)}]"
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
        """Work that belongs to no cell, such as a reference. Shown only on the live line."""
        self._now = ""
        if self._live:
            self._write(text)

    def done(self, trial: Trial) -> None:
        """A trial has ended and is on disk."""
        self._left = max(0, self._left - 1)
        self._done += 1
        kind = " warm" * (trial.start is Start.WARM) + " control" * trial.control + f" #{trial.index + 1}" * bool(trial.index)
        number = f"[{self._done}/{max(self._done, self._total)}]"
        self._say(f"{number} {trial.cell}{kind}: {formatted(trial)} · {trial.wall_s:.1f} s · {self._left} left{self._eta()}")
        self._now = ""

    def expect_more(self, children: int) -> None:
        """So many children of another task follow."""
        self._left = self._total = children
        self._now = ""

    def another(self, line: str, wall_s: float) -> None:
        """One of these children has ended."""
        self._left -= 1
        self._say(f"[{self._total - self._left}/{self._total}] {line} · {wall_s:.1f} s · {self._left} left")

    def _eta(self) -> str:
        if not self._done or not self._left:
            return ""
        seconds = (time.monotonic() - self._first) / self._done * self._left
        return f", about {seconds / 60:.0f} min" if seconds > 90 else f", about {seconds:.0f} s"

    def _say(self, line: str) -> None:
        """Print a line, and clear the live one first."""
        if self._live:
            self._write("")
        self.say(line)
        self._since = time.monotonic()

    def _write(self, text: str) -> None:
        assert sys.__stderr__ is not None
        width = shutil.get_terminal_size().columns - 1  # a wrapped line could not be overwritten as a whole
        sys.__stderr__.write(f"\r\x1b[K{text[:width]}")
        sys.__stderr__.flush()


def formatted(trial: Trial) -> str:
    """The result of a trial in a few words."""
    if trial.failure is not None:
        phase = "" if trial.failure.phase is Phase.START else f" in {trial.failure.phase}"
        return f"{trial.failure.status}{phase} ({trial.failure.message.splitlines()[0][:120]})"
    if trial.compile_only is not None:
        made = trial.compile_only
        return f"compiled for {made.target} in {seconds(made.first_call_s)}, {len(made.kernels)} kernels"
    measurement = trial.measurement
    assert measurement is not None
    # two children that compile at once on the same CPUs take about twice as long as one alone
    beside = " at once" * measurement.compiled_at_once
    return f"compile {seconds(measurement.compile_s)}{beside}, step {seconds(median(measurement.step_s))}"
