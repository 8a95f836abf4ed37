"""Do workers that share a batch learn what one learns from the whole, and is it told when they do not?"""

import os
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from functools import cache
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import psutil
import pytest

from bakeoff.analysis.results import CellResult, by_cell
from bakeoff.authoring import discovery
from bakeoff.authoring.discovery import ROOT, StackSource, load
from bakeoff.authoring.errors import Unsupported, UsageError
from bakeoff.authoring.model import Draw
from bakeoff.records.cell import Cell, Mode
from bakeoff.records.trial import Status, Trial
from bakeoff.runner.plan import Plan
from bakeoff.runner.session import Session
from bakeoff.runner.store import Store
from bakeoff.views import scaling_table
from tests import builders
from tests.conftest import FAKES, settings

needs_two = [pytest.mark.two_cpus, pytest.mark.skipif(len(os.sched_getaffinity(0)) < 2, reason="needs two CPUs")]
needs_torch = [pytest.mark.torch, *needs_two, pytest.mark.skipif(not find_spec("torch"), reason="needs torch")]
needs_tensorflow = [
    pytest.mark.tensorflow,
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
        # whether the frameworks agree is test_port.py's question; a cell that is refused needs no reference
        all_stacks=[] if changes else [s for s in ROOM if s.eager and s.framework == stacks[0].framework],
        verify=False,
        diagnose=False,
    )
    session = Session(plan, Store(home), say=lambda line: None)
    session.run()
    return by_cell(session.trials)


@pytest.fixture(scope="module")
def result(home: Path) -> Results:
    """All stacks of a framework in one session."""

    @cache
    def of(framework: str) -> dict[Cell, CellResult]:
        return measured(home, [ROOM[name] for name in STACKS if ROOM[name].framework == framework], [Mode.TRAINING])

    return lambda stack: of(ROOM[stack].framework)[Cell("article_net", stack, Mode.TRAINING)]


@pytest.mark.slow
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


@pytest.mark.slow
@pytest.mark.parametrize(
    ("stack", "what"),
    [
        pytest.param("torch_alone", "gradient.", marks=needs_torch),
        pytest.param("torch_apart", "parameter.", marks=needs_torch),
        pytest.param("tf_alone", "gradient.", marks=needs_tensorflow),
    ],
)
def test_a_worker_that_goes_its_own_way_is_wrong(result: Results, stack: str, what: str) -> None:
    found = result(stack)
    assert found.status is Status.WRONG, found.reason
    parity = found.measurements[0].parity
    assert parity is not None
    assert any(check.output.startswith(what) for check in parity.failed)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("stack", "status", "said"),
    [
        pytest.param("torch_dies", Status.ERROR, "worker 1 of 2 ended by SIGKILL", marks=needs_torch),
        pytest.param("torch_leaves", Status.CRASH, "SIGSEGV in phase", marks=needs_torch),
        pytest.param("torch_says", Status.ERROR, "worker 1: LookupError: planted in worker 1", marks=needs_torch),
    ],
)
def test_a_worker_that_dies_is_a_row_and_takes_the_others_along(
    result: Results, home: Path, stack: str, status: Status, said: str
) -> None:
    found = result(stack)
    assert found.status is status, found.reason
    assert said in found.reason
    assert not [p for p in psutil.process_iter() if _started_in(home, p)]


def _started_in(home: Path, process: psutil.Process) -> bool:
    try:
        return process.environ().get("TMPDIR", "").startswith(str(home))
    except psutil.Error:
        return False


@pytest.mark.slow
@pytest.mark.parametrize(
    "stack", [pytest.param("torch_ddp_2", marks=needs_torch), pytest.param("tf_mirrored_2", marks=needs_tensorflow)]
)
def test_what_it_cannot_do_is_a_row(home: Path, stack: str) -> None:
    found = measured(home, [ROOM[stack]], [Mode.INFERENCE, Mode.TRAINING], batch_size=33)
    assert [(r.status, r.reason) for r in found.values()] == [
        (Status.UNSUPPORTED, "data-parallel training only: --modes training"),
        (Status.UNSUPPORTED, "a batch of 33 does not split evenly over 2 workers: another --batch-size"),
    ]


@pytest.mark.skipif(not find_spec("torch"), reason="needs torch")
@pytest.mark.torch
def test_more_workers_than_cpus_is_a_row(home: Path) -> None:
    cpus = len(os.sched_getaffinity(0))
    (found,) = measured(home, [ROOM["torch_ddp_2"]], [Mode.TRAINING], threads=cpus).values()
    assert found.status is Status.UNAVAILABLE
    assert f"takes {2 * cpus} CPUs, as many for each worker as --threads, and there are {cpus}" in found.reason


def test_a_batch_is_split_along_its_items() -> None:
    for source in discovery.models():
        if source.in_gallery or source.is_kernel:
            continue
        model = load(source.path, "MODEL").at("small")
        batch = model.batch(Draw(0), 0)
        parts = [model.shard(batch, index, 2) for index in range(2)]
        axes = model.batch_axes or (0,) * len(batch.inputs)
        for i, axis in enumerate(axes):
            assert batch.inputs[i].shape[axis] == model.batch_size
            np.testing.assert_array_equal(np.concatenate([p.inputs[i] for p in parts], axis), batch.inputs[i])
        np.testing.assert_array_equal(np.concatenate([p.target for p in parts]), batch.target)
        with pytest.raises(Unsupported, match="does not split evenly over 3 workers"):
            replace(model, batch_size=64).shard(batch, 0, 3)


def test_workers_are_a_number_in_the_file(tmp_path: Path) -> None:
    for said, told in (("WORKERS = 3", 3), ("", None)):
        (tmp_path / "mine.py").write_text(f'FRAMEWORK = "numpy"\n{said}\nSTACK = 1\n')
        assert discovery.stacks([tmp_path])["mine"].workers == told
    (tmp_path / "mine.py").write_text('FRAMEWORK = "numpy"\nWORKERS = 0\nSTACK = 1\n')
    with pytest.raises(UsageError, match="WORKERS must be a whole number above 0, literally"):
        discovery.check(discovery.stacks([tmp_path])["mine"], "STACK")


def _trial(stack: str, workers: int | None, step_s: float) -> Trial:
    found = builders.measurement((step_s,) * 100)
    return replace(builders.trial(found, stack=stack), cell=Cell("toy", stack, Mode.TRAINING), workers=workers)


def test_scaling_efficiency_is_of_the_same_stack_with_one_worker() -> None:
    trials = [_trial("eager", None, 0.001), _trial("a_1", 1, 0.004), _trial("b_1", 1, 0.002), _trial("b_2", 2, 0.00125)]
    rows = {row.result.cell.stack: row for row in scaling_table.rows(trials)}
    assert list(rows) == ["a_1", "b_1", "b_2"]
    assert rows["a_1"].efficiency == rows["b_1"].efficiency == 1.0
    assert rows["b_2"].efficiency == pytest.approx(0.8)
    assert scaling_table.rows(trials[3:])[0].efficiency is None  # nothing to compare with
    text = scaling_table.terminal(trials, 100)
    assert "0.80" in text
    assert "3,200 samples" in text
    assert scaling_table.terminal(trials[:1], 100) == ""


def test_waiting_for_another_worker_is_no_contention() -> None:
    waited = replace(builders.measurement(), contention=replace(builders.measurement().contention, cpu_s=0.5))
    shares = [
        by_cell([replace(builders.trial(waited), workers=workers)]).popitem()[1].trust.cpu_share for workers in (None, 1, 2)
    ]
    assert shares == [0.5, 0.5, 1.0]


@pytest.mark.parametrize(
    ("chosen", "cells"),
    [
        (["--modes=training"], ["mlp-tf_mirrored_1", "mlp-tf_mirrored_2", "mlp-torch_ddp_1", "mlp-torch_ddp_2"]),
        (["--modes=training,inference", "--models=lstm", "--stacks=torch_eager,torch_ddp_2"], ["lstm-torch_ddp_2"]),
        (["--modes=training", "--models=lstm", "--stacks=torch_eager"], []),
        ([], []),
    ],
)
def test_only_training_is_asked_about(chosen: list[str], cells: list[str]) -> None:
    asked = [sys.executable, "-m", "pytest", "experiments/test_data_parallel.py", "--collect-only", "-q", *chosen]
    text = subprocess.run([*asked, "-o", "addopts="], capture_output=True, text=True, cwd=ROOT, timeout=60, check=False).stdout
    found = [line.partition("[")[2].removesuffix("-training]") for line in text.splitlines() if "[" in line]
    assert sorted(found) == cells
