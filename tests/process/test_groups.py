"""Is a group split where memory does not hold all its children, and is every cell measured all the same? With fake stacks."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import psutil
import pytest

from bakeoff.analysis.ratios import Ratios
from bakeoff.analysis.results import by_cell
from bakeoff.records.cell import Cell, Mode
from bakeoff.records.trial import TIMED, Status, Trial
from bakeoff.runner.plan import Plan
from bakeoff.runner.session import Session
from bakeoff.runner.store import Store
from bakeoff.system import procfs
from bakeoff.tasks import tables
from tests.support.planting import TOY, planted, settings
from tests.support.sessions import session_of

GIB = 2**30


@pytest.fixture
def fits(monkeypatch: pytest.MonkeyPatch) -> Callable[[int], None]:
    """Make the machine's memory hold so many children at once, which have a GiB each."""

    def alive() -> int:
        return sum("measure-" in " ".join(p.cmdline()) for p in psutil.Process().children())

    def holds(children: int) -> None:
        monkeypatch.setattr(procfs, "available_bytes", lambda: int((children + 0.5 - alive()) * GIB))

    return holds


def measured(folder: Path, *stacks: str, **changes: object) -> tuple[Session, list[str]]:
    """A session, and what it said."""
    said: list[str] = []
    short = settings(timed_s=0.05, memory_limit_bytes=GIB)
    plan = Plan(settings=short, models=[TOY], stacks=planted(folder / "s", *stacks), modes=[Mode.INFERENCE], **changes)
    session = session_of(plan, Store(folder / "store"), say=said.append, left_out=["machine_peak"])
    session.run()
    return session, said


def members(trials: list[Trial]) -> dict[str | None, list[str]]:
    """Group → its members."""
    found: dict[str | None, list[str]] = {}
    for trial in trials:
        found.setdefault(trial.group, []).append(trial.cell.stack + " control" * trial.control)
    return found


def test_too_little_memory_splits_a_group_in_parts_that_have_the_eager_stack_each(
    tmp_path: Path, fits: Callable[[int], None]
) -> None:
    fits(2)
    session, said = measured(tmp_path, "Compiler", "Eager", "Knob", "ReusesItsBuffer")
    assert members(session.trials) == {
        "0": ["compiler", "eager"],
        "0 part 2": ["eager", "knob"],
        "0 part 3": ["eager", "reusesitsbuffer"],
    }
    ratios, eager = Ratios.of(session.trials), Cell("toy", "eager", Mode.INFERENCE)
    assert all(ratios.between(Cell("toy", stack, Mode.INFERENCE), eager) for stack in ("compiler", "knob", "reusesitsbuffer"))
    assert "toy: too little memory for all children, so the group is split" in said
    assert "so the groups were split: toy" in tables.markdown(session.trials, [], {})


def test_with_memory_for_one_child_each_cell_is_measured_alone(tmp_path: Path, fits: Callable[[int], None]) -> None:
    fits(1)
    session, _ = measured(tmp_path, "Eager", "Compiler", "Knob")
    assert {result.status for result in by_cell(session.trials).values()} <= set(TIMED)
    assert members(session.trials) == {
        "0": ["eager"],
        "0 part 2": ["eager"],  # nothing fits beside it: it is not tried again
        "0 part 3": ["compiler"],
        "0 part 4": ["knob"],
    }


def test_a_child_that_ran_out_of_memory_beside_others_gets_another_chance(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TRIED", str(tmp_path / "tried"))
    session, _ = measured(tmp_path, "Eager", "RaisesMemoryErrorOnce", "RaisesMemoryError", control=True)
    assert members(session.trials) == {
        "0": ["eager", "eager control"],
        "0 part 2": ["raisesmemoryerror", "eager", "raisesmemoryerroronce"],
    }
    statuses = {cell.stack: result.status for cell, result in by_cell(session.trials).items()}
    assert statuses["raisesmemoryerror"] is Status.OUT_OF_MEMORY
    assert statuses["raisesmemoryerroronce"] in TIMED


def test_a_group_whose_eager_stack_has_failed_is_split_without_it(tmp_path: Path, fits: Callable[[int], None]) -> None:
    """In the second group, in which a stack that has failed has no place."""
    fits(1)
    (failing,) = planted(tmp_path / "e", "RaisesInCompile")
    short = settings(timed_s=0.05, memory_limit_bytes=GIB)
    stacks = [replace(failing, eager=True), *planted(tmp_path / "s", "Compiler", "Knob")]
    reference = planted(tmp_path / "r", "Eager")
    plan = Plan(settings=short, models=[TOY], stacks=stacks, modes=[Mode.INFERENCE], trials=2, all_stacks=reference)
    session = session_of(plan, Store(tmp_path / "store"), left_out=["machine_peak"])
    session.run()
    assert members(session.trials) == {
        "0": ["raisesincompile", "compiler"],
        "0 part 2": ["knob"],
        "1": ["compiler"],
        "1 part 2": ["knob"],
    }
