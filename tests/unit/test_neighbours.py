"""Is it found which CPUs share a core, said in words, and shown with each run? On invented machines."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import msgspec
import pytest

from bakeoff.__main__ import main
from bakeoff.archive import saved_runs, saving
from bakeoff.authoring.errors import UsageError
from bakeoff.machine import neighbours
from bakeoff.machine.neighbours import EACH_S, MOST_OTHERS, MOST_S, NotMeasured, cpu_list, measured
from bakeoff.records.cell import Mode
from bakeoff.records.neighbours import Neighbour, Neighbours, named
from bakeoff.runner.plan import Plan
from bakeoff.runner.store import Store
from bakeoff.system.environment import child_cpus
from bakeoff.views.matrix import Matrix
from tests.support.builders import matrix, measurement, save, trial
from tests.support.planting import TOY, planted, settings
from tests.support.sessions import session_of


class Machine:
    """A machine whose CPUs share cores as `cores` says. It has a clock, and knows which children run and work."""

    def __init__(self, *cores: set[int], slow: float = 1.9, drift: float = 1.0) -> None:
        self.cores, self.slow, self.drift = cores, slow, drift
        self.now = 0.0
        self.running: set[int] = set()
        self.working: set[int] = set()
        self.fails_after = 10**9  # loops
        self.error: BaseException = NotMeasured("a child ended early")

    def clock(self) -> float:
        return self.now

    def start(self, cpu: int, deadline: float) -> "FakeChild":
        self.running.add(cpu)
        return FakeChild(self, cpu)

    def measured(self, cpus: tuple[int, ...], siblings: Callable[[int], tuple[int, ...]] = lambda cpu: (cpu,)) -> Any:
        usable = sorted(set().union(*self.cores))
        return measured(cpus, usable, start=self.start, clock=self.clock, siblings=siblings)


class FakeChild:
    def __init__(self, machine: Machine, cpu: int) -> None:
        self.machine, self.cpu = machine, cpu

    def loop_s(self) -> float:
        machine = self.machine
        machine.fails_after -= 1
        if machine.fails_after < 0:
            raise machine.error
        core = next(core for core in machine.cores if self.cpu in core)
        took = 0.004 * machine.drift**machine.now * (machine.slow if core & machine.working else 1.0)
        machine.now += took
        return took

    def work(self) -> None:
        self.machine.working.add(self.cpu)

    def rest(self) -> None:
        self.machine.working.remove(self.cpu)

    def close(self) -> None:
        self.machine.running.remove(self.cpu)


def record(*ratios: float, cpu: int = 0, alone: tuple[float, ...] | None = None, **changes: Any) -> Neighbours:
    """CPU 1 and one other: the loop took `ratios` times as long beside it as alone."""
    times = alone or (0.004,) * len(ratios)
    beside = tuple(ratio * s for ratio, s in zip(ratios, times, strict=True))
    other = Neighbour(cpu=cpu, before_s=times, beside_s=beside, after_s=times)
    return replace(Neighbours(cpu=1, others=(other,), threads_per_core=1), **changes)


def test_a_cpu_of_the_same_core_is_found() -> None:
    machine = Machine({0, 1}, {2, 3})
    found = machine.measured((1, 2, 3))
    assert [(other.cpu, round(other.slowdown, 2), other.slowed) for other in found.others] == [
        (0, 1.9, 1.0),
        (2, 1.0, 0.0),
        (3, 1.0, 0.0),
    ]
    assert [other.cpu for other in found.shared] == [0]
    assert found.alone_s == pytest.approx((0.004, 0.004))
    assert found.problem() == ""
    assert machine.running == machine.working == set()
    assert machine.now == pytest.approx(MOST_S, abs=0.1)


def test_a_machine_that_gets_slower_or_faster_shares_nothing() -> None:
    for drift in (3.0, 1 / 3):  # by so much within a second
        assert Machine({0}, {1}, drift=drift).measured((1,)).shared == []


def test_a_change_of_speed_between_two_loops_is_no_slowdown() -> None:
    before, beside, after = (0.004, 0.004, 0.008), (0.004, 0.008, 0.008), (0.004, 0.008, 0.008)
    assert Neighbour(cpu=0, before_s=before, beside_s=beside, after_s=after).ratios == [1, 1, 1]


def test_two_cpus_take_less_than_a_second() -> None:
    machine = Machine({0, 1})
    assert len(machine.measured((1,)).others[0].beside_s) > 50
    assert EACH_S <= machine.now < 1


def test_of_many_cpus_those_of_the_kernels_core_come_first() -> None:
    machine = Machine({7, 63}, set(range(7)), set(range(8, 63)))
    found = machine.measured(tuple(range(7, 64)), siblings=lambda cpu: (7, 63))
    tried = [other.cpu for other in found.others]
    assert tried == [*range(7), 63]  # then those that the children do not use
    assert len(tried) == MOST_OTHERS
    assert found.left_out == tuple(range(8, 63))
    assert [other.cpu for other in found.shared] == [63]
    assert found.threads_per_core == 2


def test_a_single_cpu_has_no_neighbours() -> None:
    assert Machine({0}).measured((0,)) is None


@pytest.mark.parametrize("error", [NotMeasured("a child ended early"), KeyboardInterrupt()])
def test_the_children_end_in_every_case(error: BaseException) -> None:
    machine = Machine({0, 1}, {2})
    machine.fails_after, machine.error = 10, error
    with pytest.raises(type(error)):
        machine.measured((1,))
    assert machine.running == set()


def test_a_machine_on_which_a_loop_takes_long_has_no_result() -> None:
    with pytest.raises(NotMeasured, match="only 1 rounds"):
        Machine({0, 1}, slow=1000.0).measured((1,))


def test_a_failure_is_said_and_raises_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    def failing(*_: Any) -> None:
        raise OSError("no process can be started")

    monkeypatch.setattr(neighbours, "measured", failing)
    neighbours._once.cache_clear()
    reasons: list[str] = []
    try:
        assert neighbours.of_this_machine([1], reasons.append) is None
    finally:
        neighbours._once.cache_clear()
    assert reasons == ["what the other CPUs do to the children's CPU was not measured: no process can be started"]


def test_the_kernels_lists_of_cpus() -> None:
    assert cpu_list("0\n") == (0,)
    assert cpu_list("0-1,32-33\n") == (0, 1, 32, 33)
    assert cpu_list("") == ()
    with pytest.raises(ValueError, match="invalid literal"):
        cpu_list("all")
    assert neighbours.siblings_of(10**9) == ()
    assert [named([1]), named([1, 0]), named([4, 0, 2])] == ["CPU 1", "CPUs 0 and 1", "CPUs 0, 2 and 4"]


def test_a_sentence_for_each_cpu_on_the_core() -> None:
    assert record(*[1.9] * 10).sentences() == [
        "CPU 1 shares a core with CPU 0: a loop on CPU 1 takes 1.9 times as long while CPU 0 is busy "
        "(the kernel says 1 thread per core)"
    ]
    (some,) = record(*[1.8] * 4, *[1.0] * 6, threads_per_core=2).sentences()
    assert some.startswith("CPU 1 shares a core with CPU 0 in 40% of 10 rounds: a loop on CPU 1 takes 1.8 times as long")
    assert some.endswith("(the kernel says 2 threads per core)")
    assert record(*[1.9] * 10, threads_per_core=None).kernel == "the kernel says nothing about cores"


def test_few_slow_rounds_are_no_shared_core() -> None:
    assert record(*[1.9] * 2, *[1.0] * 8).shared == []
    assert record(*[1.9] * 4, *[1.0] * 96).shared == []
    assert record(*[1.2] * 50).shared == []  # as from a lower frequency
    assert record(*[1.9] * 3, *[1.0] * 7).shared != []


def test_the_note_is_below_the_table_only_if_a_core_is_shared() -> None:
    note = "CPUs 0 and 1 share a core (a loop takes 1.9 times as long beside a busy one; the kernel says 1 thread per core): "
    note += "a busy neighbour slows all cells; ratios are not affected, seconds are"
    trials = [trial(measurement())]
    shared, apart = record(*[1.9] * 10), record(*[1.0] * 10)
    assert note in Matrix.of(trials, neighbours=shared).notes_on_successes()
    assert f"- {note}\n" in Matrix.of(trials, neighbours=shared).markdown()
    assert Matrix.of(trials, neighbours=apart).notes() == Matrix.of(trials).notes()


def test_a_saved_run_has_the_neighbours_and_an_older_one_has_none(runs: Path, capsys: pytest.CaptureFixture[str]) -> None:
    made = record(*[1.9] * 10, left_out=(2, 3), measured_at="2026-01-01T00:00:00+00:00")
    new, old = save(runs, 1, matrix(), neighbours=saved_runs.to_json(made)), save(runs, 2, matrix())
    assert saved_runs.read(new).neighbours == made
    assert saved_runs.read(old).neighbours is None
    for path, shown in ((new, True), (old, False)):
        for form in ([], ["--markdown"]):
            assert main(["show", str(path), *form]) == 0
            assert ("CPUs 0 and 1 share a core" in capsys.readouterr().out.replace("\n  ", " ")) is shown


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"others": []}, "without another CPU"),
        ({"beside_s": [0.004] * 9}, "incomplete rounds"),
        ({"before_s": [], "beside_s": [], "after_s": []}, "incomplete rounds"),
        ({"before_s": [0.0] * 10}, "take no time"),
    ],
)
def test_impossible_neighbours_are_refused(runs: Path, changes: dict[str, Any], says: str) -> None:
    document = msgspec.to_builtins(record(*[1.9] * 10))
    if "others" in changes:
        document |= changes
    else:
        document["others"][0].update(changes)
    with pytest.raises(UsageError, match=says):
        saved_runs.read(save(runs, 1, matrix(), neighbours=document))


@pytest.mark.parametrize(
    ("changes", "left_out", "measures"),
    [({}, [], True), ({"target": "interpreter"}, [], False), ({"device": "cuda"}, [], False), ({}, ["timing"], False)],
)
def test_a_session_measures_if_cells_are_timed_on_the_cpu(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, changes: dict[str, Any], left_out: list[str], measures: bool
) -> None:
    made, asked = record(*[1.9] * 10), []

    def measure(cpus: list[int], say: Callable[[str], None]) -> Neighbours:
        asked.append(cpus)
        return made

    monkeypatch.setattr(neighbours, "of_this_machine", measure)
    stacks = planted(tmp_path / "stacks", "Eager")
    plan = Plan(settings=settings(**changes), models=[TOY], stacks=stacks, modes=[Mode.INFERENCE])
    session = session_of(plan, Store(tmp_path / "store"), left_out=left_out)
    session.tasks = []  # nothing is run
    session.run()
    assert asked == [child_cpus(1)] * measures
    saved = saving.parts(session, "bakeoff run")["neighbours"]
    assert saved == (saved_runs.to_json(made) if measures else None)
