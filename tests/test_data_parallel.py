"""Do workers that share a batch learn what one learns from the whole, and is it told when they do not?"""

import os
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import psutil
import pytest

from harness import discover, scaling_table
from harness.cell import Cell, Mode
from harness.discover import ROOT, load
from harness.errors import Unsupported, UsageError
from harness.model import Draw
from harness.plan import Plan
from harness.session import Session
from harness.store import Store
from harness.summary import CellResult, by_cell
from harness.trial import Status, Trial
from tests import builders
from tests.conftest import FAKES, settings

needs_two = pytest.mark.skipif(len(os.sched_getaffinity(0)) < 2, reason="needs two CPUs")
needs_torch = [pytest.mark.torch, needs_two, pytest.mark.skipif(not find_spec("torch"), reason="needs torch")]
needs_tensorflow = [
    pytest.mark.tensorflow,
    needs_two,
    pytest.mark.skipif(not find_spec("tensorflow"), reason="needs tensorflow"),
]
RAN = (Status.OK, Status.UNSTEADY)  # a shared machine's noise is no fault of a stack
Measure = Callable[..., CellResult]


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("parallel")


@pytest.fixture(scope="module")
def measure(home: Path) -> Measure:
    def one(stack: str, mode: Mode = Mode.TRAINING, **changes: object) -> CellResult:
        stacks = discover.stacks([FAKES / "parallel"])
        framework = stacks[stack].framework
        plan = Plan(
            settings=settings(timeout_s=120.0, **changes),
            models=[discover.models()["article_net"]],
            stacks=[stacks[stack]],
            modes=[mode],
            # what the other framework's eager says has a test of its own
            all_stacks=[] if changes else [s for s in stacks if s.eager and s.framework == framework],
            warm=False,
            verify=False,
            diagnose=False,
        )
        session = Session(plan, Store(home), say=lambda line: None)
        session.run()
        (result,) = by_cell(session.trials).values()
        return result

    return one


@pytest.mark.slow
@pytest.mark.parametrize(
    "stack", [pytest.param("torch_ddp_2", marks=needs_torch), pytest.param("tf_mirrored_2", marks=needs_tensorflow)]
)
def test_two_workers_learn_what_one_learns_from_the_whole_batch(measure: Measure, stack: str) -> None:
    result = measure(stack)
    assert result.status in RAN, result.reason
    measurement = result.measurements[0]
    assert measurement.parity is not None
    kinds = {check.output.partition(".")[0] for check in measurement.parity.checks if check.when in ("first", "unseen")}
    assert kinds == {"loss", "gradient", "parameter"}
    assert result.trials[0].workers == 2
    assert measurement.threads.requested == measurement.threads.affinity == 2
    assert result.cpu_share == 1.0
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
def test_a_worker_that_goes_its_own_way_is_wrong(measure: Measure, stack: str, what: str) -> None:
    result = measure(stack)
    assert result.status is Status.WRONG, result.reason
    parity = result.measurements[0].parity
    assert parity is not None
    assert any(check.output.startswith(what) for check in parity.failed)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("stack", "status", "said"),
    [
        pytest.param("torch_dies", Status.ERROR, "worker 1 of 2 ended by SIGKILL", marks=needs_torch),
        pytest.param("torch_leaves", Status.CRASH, "SIGSEGV in phase", marks=needs_torch),
    ],
)
def test_a_worker_that_dies_is_a_row_and_takes_the_others_along(
    measure: Measure, home: Path, stack: str, status: Status, said: str
) -> None:
    result = measure(stack)
    assert result.status is status, result.reason
    assert said in result.reason
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
def test_what_it_cannot_do_is_a_row(measure: Measure, stack: str) -> None:
    odd = measure(stack, batch_size=33)
    assert (odd.status, odd.reason) == (
        Status.UNSUPPORTED,
        "a batch of 33 does not split evenly over 2 workers: another --batch-size",
    )
    inference = measure(stack, Mode.INFERENCE, batch_size=32)
    assert (inference.status, inference.reason) == (Status.UNSUPPORTED, "data-parallel training only: --modes training")


def test_more_workers_than_cpus_is_a_row(measure: Measure) -> None:
    cpus = len(os.sched_getaffinity(0))
    (stack,) = discover.stacks().pick("torch_ddp_2")
    result = measure(stack.name, threads=cpus)
    if result.reason.startswith("torch is not installed"):
        pytest.skip("needs torch")
    assert result.status is Status.UNAVAILABLE
    assert f"takes {2 * cpus} CPUs, as many for each worker as --threads, and there are {cpus}" in result.reason


def test_a_batch_is_split_along_its_items() -> None:
    for source in discover.models():
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
        assert discover.stacks([tmp_path])["mine"].workers == told
    (tmp_path / "mine.py").write_text('FRAMEWORK = "numpy"\nWORKERS = 0\nSTACK = 1\n')
    with pytest.raises(UsageError, match="WORKERS must be a whole number above 0, literally"):
        discover.check(discover.stacks([tmp_path])["mine"], "STACK")


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
    shares = [by_cell([replace(builders.trial(waited), workers=workers)]).popitem()[1].cpu_share for workers in (None, 1, 2)]
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
