"""Do data-parallel workers learn the same as one process with the whole batch, and is it reported if they do not?"""

import os
from collections.abc import Callable
from functools import cache
from importlib.util import find_spec
from pathlib import Path

import psutil
import pytest

from bakeoff.analysis.results import CellResult, by_cell
from bakeoff.authoring import discovery
from bakeoff.authoring.discovery import StackSource
from bakeoff.records.cell import Cell, Mode
from bakeoff.records.trial import Status
from bakeoff.runner.plan import Plan
from bakeoff.runner.store import Store
from tests.support.planting import FAKES, settings
from tests.support.sessions import session_of

needs_two = [pytest.mark.two_cpus, pytest.mark.skipif(len(os.sched_getaffinity(0)) < 2, reason="needs two CPUs")]
needs_torch = [*needs_two, pytest.mark.skipif(not find_spec("torch"), reason="needs torch")]
needs_tensorflow = [
    *needs_two,
    pytest.mark.skipif(not find_spec("tensorflow"), reason="needs tensorflow"),
]
RAN = (Status.OK, Status.UNSTEADY)  # a shared machine's noise is no fault of a stack
STACKS = ("torch_ddp_2", "torch_alone", "torch_apart", "torch_dies", "torch_leaves", "torch_says", "tf_mirrored_2", "tf_alone")
ROOM = discovery.stacks([FAKES / "parallel"])
Results = Callable[[str], CellResult]


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("parallel")


def measured(home: Path, stacks: list[StackSource], modes: list[Mode], **changes: object) -> dict[Cell, CellResult]:
    plan = Plan(
        settings=settings(timeout_s=120.0, **changes),
        models=[discovery.models()["article_net"]],
        stacks=stacks,
        modes=modes,
        # test_implementations.py tests whether the frameworks agree; a cell that is refused needs no reference
        all_stacks=[] if changes else [s for s in ROOM if s.eager and s.framework == stacks[0].framework],
    )
    session = session_of(plan, Store(home), diagnose=False, left_out=["machine_peak"])
    session.run()
    return by_cell(session.trials)


@pytest.fixture(scope="module")
def result(home: Path) -> Results:
    """All stacks of a framework in one session."""

    @cache
    def of(framework: str) -> dict[Cell, CellResult]:
        return measured(home, [ROOM[name] for name in STACKS if ROOM[name].framework == framework], [Mode.TRAINING])

    return lambda stack: of(ROOM[stack].framework)[Cell("article_net", stack, Mode.TRAINING)]


@pytest.mark.parametrize(
    "stack", [pytest.param("torch_ddp_2", marks=needs_torch), pytest.param("tf_mirrored_2", marks=needs_tensorflow)]
)
def test_two_workers_learn_what_one_learns_from_the_whole_batch(result: Results, stack: str) -> None:
    found = result(stack)
    assert found.status in RAN, found.reason
    measurement = found.measurements[0]
    assert measurement.parity is not None
    kinds = {check.output.partition(".")[0] for check in measurement.parity.checks if check.when in ("first", "held-out")}
    assert kinds == {"loss", "gradient", "parameter"}
    assert found.trials[0].workers == 2
    assert measurement.threads.requested == measurement.threads.affinity == 2
    assert found.trust.cpu_share == 1.0
    assert measurement.items_per_step == 32  # of the whole batch


@pytest.mark.parametrize(
    ("stack", "what"),
    [
        pytest.param("torch_alone", "gradient.", marks=needs_torch),
        pytest.param("torch_apart", "parameter.", marks=needs_torch),
        pytest.param("tf_alone", "gradient.", marks=needs_tensorflow),
    ],
)
def test_a_worker_that_diverges_is_wrong(result: Results, stack: str, what: str) -> None:
    found = result(stack)
    assert found.status is Status.WRONG, found.reason
    parity = found.measurements[0].parity
    assert parity is not None
    assert any(check.output.startswith(what) for check in parity.failed)


@pytest.mark.parametrize(
    ("stack", "status", "text"),
    [
        pytest.param("torch_dies", Status.ERROR, "worker 1 of 2 ended by SIGKILL", marks=needs_torch),
        pytest.param("torch_leaves", Status.CRASH, "SIGSEGV in phase", marks=needs_torch),
        pytest.param("torch_says", Status.ERROR, "worker 1: LookupError: planted in worker 1", marks=needs_torch),
    ],
)
def test_a_worker_that_dies_is_reported_and_ends_the_others(
    result: Results, home: Path, stack: str, status: Status, text: str
) -> None:
    found = result(stack)
    assert found.status is status, found.reason
    assert text in found.reason
    assert not [p for p in psutil.process_iter() if _started_in(home, p)]


def _started_in(home: Path, process: psutil.Process) -> bool:
    try:
        return process.environ().get("TMPDIR", "").startswith(str(home))
    except psutil.Error:
        return False


@pytest.mark.parametrize(
    "stack", [pytest.param("torch_ddp_2", marks=needs_torch), pytest.param("tf_mirrored_2", marks=needs_tensorflow)]
)
def test_unsupported_cells_are_reported(home: Path, stack: str) -> None:
    found = measured(home, [ROOM[stack]], [Mode.INFERENCE, Mode.TRAINING], batch_size=33)
    assert [(r.status, r.reason) for r in found.values()] == [
        (Status.UNSUPPORTED, "data-parallel training only: --modes training"),
        (Status.UNSUPPORTED, "a batch of 33 does not split evenly over 2 workers; choose another --batch-size"),
    ]


@pytest.mark.skipif(not find_spec("torch"), reason="needs torch")
def test_more_workers_than_cpus_are_reported(home: Path) -> None:
    cpus = len(os.sched_getaffinity(0))
    (found,) = measured(home, [ROOM["torch_ddp_2"]], [Mode.TRAINING], threads=cpus).values()
    assert found.status is Status.UNAVAILABLE
    assert f"needs {2 * cpus} CPUs, --threads of them for each worker, and there are {cpus}" in found.reason
