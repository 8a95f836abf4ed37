"""Does progress show the cell, its phase, what is done and the time left, on terminals, pipes and in logs?"""

import io
import sys

import pytest

from bakeoff.records.trial import Failure, Phase, Start, Status
from bakeoff.runner.progress import PATIENCE_S, Progress
from bakeoff.system import terminal
from tests.support.builders import measurement, trial


class Screen(io.StringIO):
    def isatty(self) -> bool:
        return True


@pytest.fixture
def screen(monkeypatch: pytest.MonkeyPatch) -> Screen:
    found = Screen()
    monkeypatch.setattr(sys, "__stderr__", found)
    for name in ("CI", "NO_COLOR"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("TERM", "xterm-256color")
    monkeypatch.setenv("COLUMNS", "100")
    return found


class Clock:
    now = 100.0


@pytest.fixture(autouse=True)
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    found = Clock()
    monkeypatch.setattr("time.monotonic", lambda: found.now)
    return found


def two_cells(output: list[str], clock: Clock) -> Progress:
    """The first of them takes three seconds."""
    progress = Progress(output.append)
    progress.expect(2)
    progress.begin("toy-compiler-inference", Start.COLD, 0)
    progress.phase(Phase.COMPILE)
    clock.now += 3
    progress.done(trial(measurement()))
    return progress


def test_a_terminal_shows_cell_phase_done_and_left(screen: Screen, clock: Clock) -> None:
    output: list[str] = []
    progress = two_cells(output, clock)
    assert "[1/2] toy-compiler-inference: compile · 2 left" in screen.getvalue()
    progress.begin("toy-other-inference", Start.COLD, 0)
    assert screen.getvalue().endswith("[2/2] toy-other-inference: start · 1 left, about 3 s")
    assert output == ["[1/2] toy-compiler-inference: compile 499 ms, step 1 ms · 3.0 s · 1 left, about 3 s"]


def test_a_live_line_has_no_colours_and_never_wraps(screen: Screen, clock: Clock, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NO_COLOR", "1")
    monkeypatch.setenv("COLUMNS", "40")
    two_cells([], clock)
    written = screen.getvalue().replace("\r\x1b[K", "\n")
    assert "\x1b" not in written
    assert "[1/2] toy-compiler" in written
    assert max(map(len, written.splitlines())) < 40


@pytest.mark.parametrize("variable", [("TERM", "dumb"), ("CI", "true")])
def test_logs_get_plain_lines(screen: Screen, clock: Clock, monkeypatch: pytest.MonkeyPatch, variable: tuple[str, str]) -> None:
    monkeypatch.setenv(*variable)
    output: list[str] = []
    two_cells(output, clock)
    assert screen.getvalue() == ""
    assert len(output) == 1
    assert "\x1b" not in output[0]


def test_a_pipe_gets_plain_lines(clock: Clock, monkeypatch: pytest.MonkeyPatch) -> None:
    pipe = io.StringIO()
    monkeypatch.setattr(sys, "__stderr__", pipe)
    output: list[str] = []
    two_cells(output, clock)
    assert (pipe.getvalue(), len(output)) == ("", 1)


def test_a_long_phase_is_reported_without_a_terminal(clock: Clock, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "__stderr__", io.StringIO())
    output: list[str] = []
    progress = Progress(output.append)
    progress.expect(1)
    progress.begin("toy-slow-inference", Start.COLD, 0)
    progress.phase(Phase.BUILD)
    clock.now += PATIENCE_S
    progress.phase(Phase.COMPILE)
    progress.phase(Phase.WARM_UP)
    assert output == ["[1/1] toy-slow-inference: compile · 1 left"]


def test_further_trials_take_as_long_as_those_before(screen: Screen, clock: Clock) -> None:
    """A further group, for questions that are open."""
    output: list[str] = []
    progress = two_cells(output, clock)
    clock.now += 1
    progress.done(trial(measurement()))
    progress.expect_further(3)
    progress.begin("toy-compiler-inference", Start.COLD, 2)
    assert screen.getvalue().endswith("[2/5] toy-compiler-inference #3: start · 3 left, about 6 s")


def test_members_that_are_alive_together_are_numbered_as_they_begin_and_as_they_end(screen: Screen) -> None:
    output: list[str] = []
    progress = Progress(output.append)
    progress.expect(3)
    progress.begin("toy-compiler-inference", Start.COLD, 0)
    progress.begin("toy-eager-inference", Start.COLD, 0)
    assert "[2/3] toy-eager-inference: start · 3 left" in screen.getvalue()
    progress.note("toy: round 1 of 100")
    assert screen.getvalue().endswith("\x1b[Ktoy: round 1 of 100")
    before = screen.getvalue()
    progress.phase(Phase.PARITY)  # of whichever has it: nobody is named
    assert screen.getvalue() == before
    progress.done(trial(measurement()))
    assert output[0].startswith("[1/3] toy-compiler-inference: ")


def test_a_warm_start_a_control_and_the_number_of_a_group_are_named(screen: Screen) -> None:
    output: list[str] = []
    progress = Progress(output.append)
    progress.expect(2)
    progress.done(trial(measurement(), start=Start.WARM, index=1))
    progress.done(trial(measurement(), control=True))
    assert [line.partition(": ")[0] for line in output] == [
        "[1/2] toy-compiler-inference warm #2",
        "[2/2] toy-compiler-inference control",
    ]


def test_a_failure_names_its_phase(screen: Screen) -> None:
    output: list[str] = []
    progress = Progress(output.append)
    progress.expect(1)
    failure = Failure(status=Status.TIMEOUT, phase=Phase.COMPILE, error="Timeout", message="stopped after 300 s")
    progress.done(trial(None, failure=failure))
    assert "timeout in compile (stopped after 300 s)" in output[0]


def test_a_line_that_stays_stands_alone(screen: Screen) -> None:
    progress = Progress(lambda line: screen.write(line + "\n") and None)
    progress.note("toy-compiler-inference: batch_size 8, 9")
    progress.expect_more(1)
    progress.another("toy-compiler-inference diagnosed: ", 1.0)
    assert "9\r\x1b[K[1/1] toy" in screen.getvalue().replace("\r\x1b[K\r", "\r")
    assert screen.getvalue().endswith("[1/1] toy-compiler-inference diagnosed:  · 1.0 s · 0 left\n")


def test_colours_depend_on_the_output(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("CI", "NO_COLOR"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("TERM", "xterm")
    assert terminal.colours(Screen())
    assert not terminal.colours(io.StringIO())
    monkeypatch.setenv("NO_COLOR", "1")
    assert terminal.live(Screen())
    assert not terminal.colours(Screen())
    monkeypatch.setenv("FORCE_COLOR", "1")
    console = terminal.plain(40)
    with console.capture() as capture:
        console.print("[bold red]text[/]")
    assert capture.get() == "text\n"
