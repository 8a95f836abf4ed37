"""Which groups does a model get, who is in them, and which are repeated after an interrupt? Without children."""

import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from bakeoff.authoring.discovery import StackSource
from bakeoff.records.cell import Cell, Mode
from bakeoff.records.trial import Failure, Phase, Start, Status, Trial
from bakeoff.runner.cells import Ready
from bakeoff.runner.plan import Plan, PlannedCell
from bakeoff.runner.progress import Progress
from bakeoff.tasks.timing import task as timing
from tests.support.builders import measurement, trial
from tests.support.planting import TOY, settings


def failing(status: Status = Status.CRASH) -> dict[str, Any]:
    return {"found": None, "failure": Failure(status=status, phase=Phase.COMPILE, error="", message="planted")}


class FakeSession:
    """Its children end at once, each with a trial. `fails`: what becomes of (stack, group, control)."""

    def __init__(
        self, plan: Plan, fails: Callable[[str, str, bool], dict[str, Any]] = lambda stack, group, control: {}
    ) -> None:
        self.plan, self.started, self.trials = plan, 0.0, list[Trial]()
        self.said: list[str] = []
        self.progress = Progress(self.said.append)
        self.launcher = SimpleNamespace(cancelled=threading.Event())
        self.cells = self
        self.fork_servers: list[tuple[str, int]] = []
        self.preparation = SimpleNamespace(
            start_fork_server=lambda stack, number: self.fork_servers.append((stack.name, number))
        )
        self.fails = fails

    def ready(self, planned: PlannedCell) -> Ready:
        return Ready(baseline_bytes=1)

    @contextmanager
    def sandbox(self, planned: PlannedCell) -> Iterator[object]:
        yield object()

    def trial(self, planned: PlannedCell, index: int, ready: Ready, sandbox: object, *, group: str, **keys: Any) -> Trial:
        seat = keys.pop("seat")
        assert keys.pop("forked") is not keys["control"]
        seat.started()
        changes = {"found": measurement(), **self.fails(planned.cell.stack, group, keys["control"])}
        return trial(changes.pop("found"), "toy", planned.cell.stack, index=index, group=group, **keys, **changes)

    def forget(self, task: object, lost: Trial) -> None:
        self.trials.remove(lost)

    def run(self) -> list[str]:
        """Do what is not done yet. The trials that it adds."""
        before = list(self.trials)
        with ExitStack() as sandboxes:
            for made in timing._Groups(timing.TASK, self, self.plan.selected(), sandboxes, control=True).timed():  # type: ignore[arg-type]  # a fake session
                self.trials.append(made)
                self.progress.done(made)
        return sorted(name(t) for t in self.trials if not any(t is old for old in before))


def name(of: Trial) -> str:
    return f"{of.group} {of.cell.stack}" + " warm" * (of.start is Start.WARM) + " control" * of.control


def plan(*stacks: str, **changes: Any) -> Plan:
    sources = [
        StackSource(name=n, path=Path(f"{n}.py"), framework="numpy", eager=n == "eager", disk_cache=n.startswith("caches"))
        for n in stacks
    ]
    given = {"settings": settings(), "models": [TOY], "stacks": sources, "modes": [Mode.INFERENCE], "trials": 2}
    return Plan(**(given | changes))


@pytest.fixture(autouse=True)
def enough_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(timing.procfs, "available_bytes", lambda: 2**40)


def test_every_group_has_all_cells_and_a_control_of_eager(monkeypatch: pytest.MonkeyPatch) -> None:
    assert FakeSession(plan("compiler", "caches", "eager", trials=3)).run() == [
        "0 caches", "0 compiler", "0 eager", "0 eager control",
        "1 caches warm", "1 compiler", "1 eager", "1 eager control",
        "2 caches", "2 compiler", "2 eager", "2 eager control",
    ]  # fmt: skip


def test_each_group_has_fork_servers_of_its_own() -> None:
    """All children of one have the same memory layout, which a second group must not repeat."""
    session = FakeSession(plan("eager", "compiler"))
    session.run()
    assert session.fork_servers == [("eager", 0), ("compiler", 0), ("eager", 1), ("compiler", 1)]


def test_without_eager_another_cell_has_the_control() -> None:
    assert FakeSession(plan("compiler", "other", trials=1)).run() == ["0 compiler", "0 compiler control", "0 other"]


def test_a_cell_that_has_failed_is_in_no_further_group() -> None:
    session = FakeSession(plan("eager", "dies"), lambda stack, group, control: failing() if stack == "dies" else {})
    assert session.run() == ["0 dies", "0 eager", "0 eager control", "1 eager", "1 eager control"]
    assert "0 left" in session.said[-1]


def test_a_control_that_fails_is_not_held_against_its_cell() -> None:
    session = FakeSession(plan("eager", "compiler"), lambda stack, group, control: failing() if control else {})
    assert session.run() == [f"{n} {who}" for n in "01" for who in ("compiler", "eager", "eager control")]


def test_further_groups_have_the_cells_of_open_questions(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[int] = []

    def undecided(trials: list[Trial], cells: list[Cell], band: float, most: int) -> set[Cell]:
        asked.append(most)
        return {cell for cell in cells if cell.stack != "other"}

    monkeypatch.setattr(timing, "undecided_cells", undecided)
    session = FakeSession(plan("eager", "compiler", "other", trials=1, most_trials=4))
    assert session.run()[4:] == [f"{number} {who}" for number in "123" for who in ("compiler", "eager", "eager control")]
    assert asked == [4]  # nothing is read in between
    assert "[13/13]" in session.said[-1]


def test_no_further_group_begins_when_its_time_is_over(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(timing, "undecided_cells", lambda trials, cells, band, most: set(cells))
    assert len(FakeSession(plan("eager", trials=1, most_trials=4, further_within_s=0.0)).run()) == 2


@pytest.mark.parametrize("lost", ["1 caches warm", "1 compiler"])
def test_warm_starts_need_the_first_group_again(lost: str) -> None:
    session = FakeSession(plan("caches", "compiler", "dies"), lambda stack, group, c: failing() if stack == "dies" else {})
    every = session.run()
    session.trials = [t for t in session.trials if name(t) != lost]
    assert session.run() == [one for one in every if "dies" not in one]
    assert sorted(map(name, session.trials)) == every


@pytest.mark.parametrize("lost", ["0 compiler", "1 compiler"])
def test_without_caches_the_group_that_was_interrupted_is_repeated(lost: str) -> None:
    session = FakeSession(plan("eager", "compiler", "dies"), lambda stack, group, c: failing() if stack == "dies" else {})
    every = session.run()
    kept = [t for t in session.trials if name(t) != lost]
    session.trials = list(kept)
    assert session.run() == [one for one in every if one[0] == lost[0] and "dies" not in one]
    assert sorted(map(name, session.trials)) == every
    assert "0 left" in session.said[-1]


def test_a_run_that_is_complete_starts_no_child() -> None:
    session = FakeSession(plan("eager", "caches"))
    session.run()
    assert session.run() == []


def test_who_runs_out_of_memory_beside_others_and_alone_has_run_out_of_memory() -> None:
    session = FakeSession(
        plan("eager", "big", trials=1), lambda stack, *_: failing(Status.OUT_OF_MEMORY) if stack == "big" else {}
    )
    assert session.run() == ["0 eager", "0 eager control", "0 part 2 big", "0 part 2 eager"]
