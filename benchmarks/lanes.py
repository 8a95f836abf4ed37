"""How do many commands run in parallel within a time limit? In lanes, each with its own CPUs.

A lane takes the next unit when its last one has ended. A unit that fails does not stop the others. Units that still run when
the time is up are interrupted, and have GRACE_S seconds to save what they have.
"""

import contextlib
import os
import signal
import subprocess
import sys
import time
from collections import deque
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from bakeoff.authoring.discovery import ROOT
from bakeoff.runner.processes import started_on

GRACE_S = 20.0  # time for an interrupted session to end its child, print its tables and save its run
POLL_S = 0.05
CPUS_A_LANE, MOST_LANES = 2, 8


@dataclass(frozen=True)
class Unit:
    """The arguments after `python -m`. {lane} and {cpus} in them become the lane's number and its number of CPUs."""

    title: str
    words: tuple[str, ...]

    @property
    def name(self) -> str:
        """A name for files."""
        return "".join(c if c.isalnum() else "_" for c in self.title)


@dataclass(frozen=True)
class Outcome:
    """How a unit ended; `exit` is None if it was not started."""

    unit: Unit
    exit: int | None = None
    wall_s: float = 0.0
    cut: bool = False

    @property
    def ok(self) -> bool:
        return self.exit == 0 and not self.cut

    def __str__(self) -> str:
        if self.exit is None:
            return f"{self.unit.title}: not begun"
        saved = "killed, and nothing saved" if self.exit < 0 else "what it had measured is saved"
        ended = f"cut off: {saved}" if self.cut else "ok" if self.ok else f"exit code {self.exit}"
        return f"{self.unit.title}: {ended}, {self.wall_s:.0f} s"


def cpu_sets(lanes: int | None, cpus: Sequence[int]) -> list[set[int]]:
    """A disjoint set of CPUs for each lane, all of one size. By default a lane for every two CPUs, at most eight."""
    wanted = max(1, min(MOST_LANES, len(cpus) // CPUS_A_LANE)) if lanes is None else max(1, min(lanes, len(cpus)))
    each = len(cpus) // wanted
    return [set(cpus[k * each : (k + 1) * each]) for k in range(wanted)]


@dataclass
class _Running:
    """A unit that has been started."""

    unit: Unit
    process: "subprocess.Popen[bytes]"
    started: float

    def ended(self, *, cut: bool = False) -> Outcome:
        return Outcome(self.unit, self.process.wait(), time.monotonic() - self.started, cut)


@dataclass
class Lanes:
    """Runs waves of units. A wave starts when all units of the one before have ended."""

    cpus: Sequence[set[int]]
    folder: Path  # of logs
    variables: Mapping[str, str] = field(default_factory=dict)
    grace_s: float = GRACE_S
    outcomes: list[Outcome] = field(default_factory=list)
    _running: dict[int, _Running] = field(default_factory=dict)

    def work(self, waves: Iterable[Sequence[Unit]], total_s: float) -> list[Outcome]:
        """How each unit ended, in the order of their ends, then those that were not started. Ctrl-C ends early."""
        until = time.monotonic() + total_s - self.grace_s
        self.folder.mkdir(parents=True, exist_ok=True)
        asked: list[Unit] = []
        for wave in waves:  # a lazy iterable: a wave may depend on what the one before has saved
            asked += wave
            try:
                self._wave(deque(wave), until)
            except KeyboardInterrupt:
                print("interrupted", flush=True)
                until = 0.0
            finally:
                self._cut()
        begun = {outcome.unit for outcome in self.outcomes}
        self.outcomes += [Outcome(unit) for unit in asked if unit not in begun]
        return self.outcomes

    def log(self, unit: Unit) -> Path:
        """The file with the output of a unit."""
        return self.folder / f"{unit.name}.log"

    def _wave(self, waiting: deque[Unit], until: float) -> None:
        while (waiting or self._running) and time.monotonic() < until:
            for lane in range(len(self.cpus)):
                if lane in self._running and self._running[lane].process.poll() is not None:
                    self._add(self._running.pop(lane).ended())
                if lane not in self._running and waiting:
                    self._running[lane] = self._begun(waiting.popleft(), lane)
            time.sleep(POLL_S)

    def _begun(self, unit: Unit, lane: int) -> _Running:
        words = [word.replace("{lane}", str(lane)).replace("{cpus}", str(len(self.cpus[lane]))) for word in unit.words]
        with self.log(unit).open("wb") as log, started_on(self.cpus[lane]):
            process = subprocess.Popen(
                [sys.executable, "-m", *words],
                cwd=ROOT,
                env={**os.environ, **self.variables},
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
        return _Running(unit, process, time.monotonic())

    def _cut(self) -> None:
        """Interrupt all running units, wait for one grace period together, and kill those that still run."""
        running = [(unit, unit.process.poll() is None) for unit in self._running.values()]
        for unit, _ in running:
            unit.process.send_signal(signal.SIGINT)
        until = time.monotonic() + self.grace_s
        try:
            for unit, _ in running:
                with contextlib.suppress(subprocess.TimeoutExpired):
                    unit.process.wait(max(0.0, until - time.monotonic()))
        except KeyboardInterrupt:
            print("interrupted again: running units are killed without saving", flush=True)
        for unit, cut in running:
            unit.process.kill()
            self._add(unit.ended(cut=cut))
        self._running.clear()

    def _add(self, outcome: Outcome) -> None:
        self.outcomes.append(outcome)
        print(outcome, flush=True)
