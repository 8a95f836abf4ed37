"""Does what refuses a cell in one place refuse it in all? One way from a cell to a trial, for sessions and for arms."""

import os
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from bakeoff.ab.arm_runner import ArmRunner
from bakeoff.authoring.discovery import Registry, StackSource
from bakeoff.machine import available
from bakeoff.machine.available import Machine
from bakeoff.records.cell import Cell, Mode
from bakeoff.records.trial import Failure, Phase, Status
from bakeoff.runner.cells import CellRunner
from bakeoff.runner.plan import Plan, PlannedCell
from bakeoff.runner.store import Store
from tests.support.planting import TOY, settings

STACK = StackSource(name="mine", path=Path("mine.py"), framework="numpy")
GONE = Failure(status=Status.UNAVAILABLE, phase=Phase.IMPORT, error="ModuleNotFoundError", message="not installed")


def runner(folder: Path, stack: StackSource, unavailable: Failure | None = None) -> CellRunner:
    """Of a plan with one cell; the child that would import the framework has already answered."""
    plan = Plan(settings=settings(), models=[TOY], stacks=[stack], modes=[Mode.INFERENCE])
    run = Store(folder / "store").begin(plan.settings, [], 1)
    run.close()
    cells = CellRunner.of(plan, run, folder / "machine", lambda line: None)
    cells.preparation._baselines["numpy"] = 2**20, unavailable
    return cells


@pytest.mark.parametrize(
    ("stack", "unavailable", "status", "says"),
    [
        (replace(STACK, devices=("cuda",)), None, Status.UNAVAILABLE, "mine runs on cuda, and this run is on cpu"),
        (replace(STACK, workers=1000), None, Status.UNAVAILABLE, "mine needs 1000 CPUs"),
        (STACK, GONE, Status.UNAVAILABLE, "not installed"),
    ],
)
def test_a_session_and_an_arm_refuse_the_same_cells(
    tmp_path: Path, stack: StackSource, unavailable: Failure | None, status: Status, says: str
) -> None:
    cells, cell = runner(tmp_path, stack, unavailable), Cell("toy", "mine", Mode.INFERENCE)
    ready = cells.ready(PlannedCell(cell, TOY, stack))
    assert ready.failure is not None
    assert (ready.failure.status, says in ready.failure.message) == (status, True)
    assert cells.trial(PlannedCell(cell, TOY, stack), 0, ready).failure == ready.failure  # and no child is started

    arm = ArmRunner(cells, Registry("model", [TOY]), Registry("stack", [stack]))
    assert arm.prepare(cell) == (PlannedCell(cell, TOY, stack), ready)


@pytest.mark.parametrize(("workers", "threads"), [(1, 1), (1, 10_000), (2, 5_000)])
def test_a_list_of_stacks_and_a_run_agree_on_the_cpus(tmp_path: Path, workers: int, threads: int) -> None:
    stack, cpus = replace(STACK, workers=workers), len(os.sched_getaffinity(0))
    there = Machine(installed={sys.executable: {"numpy": "2"}}, compiler=None, gpu=False, cpus=cpus, interpreters={})
    (listed,) = available.availabilities([stack], there, threads)
    preparation = runner(tmp_path, stack).preparation
    preparation.plan = replace(preparation.plan, settings=settings(threads=threads))
    refused = preparation.refused(stack)
    assert listed.available == (refused is None) == (threads == 1)
    assert (refused.message if refused else "") == "".join(f"mine {line}" for line in listed.missing)


def test_a_target_refuses_a_stack_that_does_not_compile_for_it(tmp_path: Path) -> None:
    cells = runner(tmp_path, STACK)
    cells.preparation.plan = replace(cells.plan, settings=settings(target="cuda:sm_90"))
    failure = cells.preparation.refused(STACK)
    assert failure is not None
    assert failure.status is Status.UNSUPPORTED
    assert "mine does not compile for cuda:sm_90" in failure.message
