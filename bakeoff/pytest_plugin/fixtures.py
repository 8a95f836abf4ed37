"""Which fixtures can an experiment use? A cell's result, its diagnostics, and what is expected of it.

A fixture raises where a cell has no result, so that the test has the status ERROR (see plugin.py).
"""

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, NoReturn, Protocol

import pytest

from bakeoff import tasks
from bakeoff.analysis.ratios import Ratio, Ratios
from bakeoff.analysis.rerun import command
from bakeoff.analysis.results import CellResult
from bakeoff.authoring.discovery import PACKAGE
from bakeoff.authoring.errors import of_status
from bakeoff.expectations.compiled_code import ExpectedCode
from bakeoff.expectations.graph_breaks import ExpectedEverywhere
from bakeoff.records.cell import Cell, Mode
from bakeoff.records.diagnostics import Diagnostics
from bakeoff.records.trial import Status
from bakeoff.runner.session import Session
from bakeoff.runner.task import AddsToTrials, Task
from bakeoff.views import kernel_table, scaling_table

PLUGIN_NAME = "bakeoff-matrix"
CELL_FIXTURES = ("model", "stack", "mode")


def cell_of(item: pytest.Item) -> Cell | None:
    """The cell that a test item is about."""
    parameters = getattr(getattr(item, "callspec", None), "params", {})
    if not set(CELL_FIXTURES) <= set(parameters):
        return None
    return Cell(parameters["model"], parameters["stack"], Mode(parameters["mode"]))


class MatrixState(Protocol):
    """The part of the plugin that the fixtures use."""

    results: dict[Cell, CellResult]
    ratios: Ratios
    session: Session | None
    expected_breaks: ExpectedEverywhere | None


def _matrix(request: pytest.FixtureRequest) -> MatrixState:
    plugin: MatrixState | None = request.config.pluginmanager.get_plugin(PLUGIN_NAME)
    assert plugin is not None  # registered in pytest_configure
    return plugin


@pytest.fixture
def ran(request: pytest.FixtureRequest, model: str, stack: str, mode: str) -> CellResult:
    """The cell's result, if all its children finished. Outputs may be wrong, and step times unsteady."""
    plugin = _matrix(request)
    result = plugin.results[Cell(model, stack, Mode(mode))]
    if not result.measurements or any(trial.measurement is None for trial in result.trials):
        if result.status is Status.UNAVAILABLE:
            _unavailable(request, result.cell, result.reason)
        failure = result.trials[0].failure
        if failure is not None and failure.no_implementation and request.node.get_closest_marker("xfail") is None:
            pytest.skip(f"unsupported: {result.reason}")  # a gap in known_gaps.toml is judged by its own row
        raise of_status(result.status)(_failure_text(result))
    return result


@pytest.fixture
def compile_only(request: pytest.FixtureRequest, model: str, stack: str, mode: str, expected_code: ExpectedCode) -> CellResult:
    """The cell's result, if it was compiled for the target (for `--target interpreter`: if its output is right)."""
    result = _matrix(request).results[Cell(model, stack, Mode(mode))]
    if result.status is Status.UNAVAILABLE:
        _unavailable(request, result.cell, result.reason)
    if result.status is Status.UNSUPPORTED and not expected_code.knows(result):  # otherwise it was compiled before: an error
        pytest.skip(f"unsupported: {result.reason}")
    if result.status is not Status.COMPILED:
        raise of_status(result.status)(_failure_text(result))
    return result


@pytest.fixture
def measured(request: pytest.FixtureRequest, ran: CellResult) -> CellResult:
    """The cell's result, if its status is ok, so that its numbers may be quoted."""
    if ran.status is Status.UNSTEADY and request.config.getoption("allow_unsteady"):
        pytest.skip(f"unsteady: {ran.reason}")
    if ran.status is not Status.OK:
        raise of_status(ran.status)(_failure_text(ran))
    return ran


@pytest.fixture
def diagnostics(request: pytest.FixtureRequest, ran: CellResult) -> Diagnostics:
    """The cell's diagnostics record, joined from the timed and the diagnosing child."""
    for task in tasks.every():
        if isinstance(task, AddsToTrials) and (why := task.left_out(request.config.getoption)):
            pytest.skip(why)  # the user left it out by an option, which the reason names
    if ran.diagnostics is None:
        raise of_status(Status.ERROR)(f"{ran.cell} has no diagnostics record")
    return ran.diagnostics


@pytest.fixture
def beside(request: pytest.FixtureRequest, measured: CellResult) -> Callable[[Mode], Ratio | None]:
    """A function that gives the ratio of another mode's speed to this cell's, of the same model and stack; None if unknown."""
    ratios, cell = _matrix(request).ratios, measured.cell
    return lambda mode: ratios.between(Cell(cell.model, cell.stack, mode), cell)


@pytest.fixture
def rates(measured: CellResult) -> dict[str, float]:
    """Bytes and flops per second of a single operation."""
    return kernel_table.rates(measured)


@pytest.fixture
def scaling(request: pytest.FixtureRequest, measured: CellResult) -> dict[str, float]:
    """The number of workers of a data-parallel cell, and its scaling efficiency if one worker was measured too."""
    of = scaling_table.of(measured, _matrix(request).ratios)
    return {"workers": of.workers} | ({} if of.efficiency is None else {"scaling_efficiency": of.efficiency.value})


@pytest.fixture
def numerics(request: pytest.FixtureRequest) -> Callable[[str], list[dict[str, Any]]]:
    """A function that checks a kernel over many shapes in a child: in Triton's interpreter, or on the GPU of --device."""
    interpreter = next(
        (p.partition("=")[2] for p in request.config.getoption("interpreter") if p.startswith("torch=")), sys.executable
    )
    variables = {"TRITON_INTERPRET": "1"} if request.config.getoption("device") == "cpu" else {}

    def check(kernel: str) -> list[dict[str, Any]]:
        done = subprocess.run(
            [interpreter, "-m", "bakeoff.compilers.kernels.numerics", kernel],
            env={**os.environ, **variables},
            cwd=PACKAGE.parent,
            capture_output=True,
            text=True,
            timeout=request.config.getoption("timeout_s"),
            check=False,
        )
        if "No module named 'torch'" in done.stderr or "No module named 'triton'" in done.stderr:
            _absent(request, "PyTorch and Triton are not installed: pip install '.[torch]'")
        assert done.stdout, f"the child died: {done.stderr[-2000:]}"
        return [json.loads(line) for line in done.stdout.splitlines()]

    return check


@pytest.fixture(scope="session")
def expected_code(request: pytest.FixtureRequest) -> ExpectedCode:
    """The expected generated code, experiments/compiled.toml."""
    path = Path(request.config.rootpath, "experiments", "compiled.toml")
    return ExpectedCode(path, accept=request.config.getoption("accept_code"))


@pytest.fixture(scope="session")
def expected_breaks(request: pytest.FixtureRequest) -> ExpectedEverywhere:
    """The expected graph breaks, experiments/graph_breaks.toml."""
    found = _matrix(request).expected_breaks
    assert found is not None  # read when the experiments were collected
    return found


def of_task(task: Task[Any]) -> Any:
    """The fixture of a task: the record of the test's cell."""

    def record(request: pytest.FixtureRequest, model: str, stack: str, mode: str) -> Any:
        cell, session = Cell(model, stack, Mode(mode)), _matrix(request).session
        assert session is not None  # the test was collected, so its cell was part of the session
        found = task.find(session, cell)
        if found is None:
            _unavailable(request, cell, task.missing(session, cell))
        failure = task.failure(found)
        if failure is not None:
            if failure.status is Status.UNAVAILABLE:
                _unavailable(request, cell, failure.message)
            raise of_status(failure.status)(f"{cell}: {failure.message}\n{failure.traceback}")
        return found

    record.__doc__ = task.__doc__
    return pytest.fixture(name=task.fixture)(record)


def _unavailable(request: pytest.FixtureRequest, cell: Cell, why: str) -> NoReturn:
    """Something is missing on this machine: skip the test, or fail with --require-all."""
    _absent(request, why, f"{cell} is ")


def _absent(request: pytest.FixtureRequest, why: str, what: str = "") -> NoReturn:
    if request.config.getoption("require_all"):
        pytest.fail(f"{what}unavailable: {why}", pytrace=False)
    pytest.skip(f"unavailable: {why}")


def _failure_text(result: CellResult) -> str:
    """The failure as the child reported it, and the command that runs the cell again."""
    failures = [t.failure for t in (*result.trials, *result.warm) if t.failure is not None]
    text = f"{result.cell} is {result.status}: {result.reason}\nagain: {command(result.cell, result.trials[0].settings)}"
    return f"{text}\n{failures[0].traceback}" if failures and failures[0].traceback else text
