"""Do cells that are compiled for an absent GPU get the right status and checks, and are invalid options refused?"""

import tomllib
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from bakeoff.analysis.results import CellResult, by_cell
from bakeoff.analysis.summary import of_result
from bakeoff.authoring.discovery import ROOT
from bakeoff.authoring.errors import UsageError
from bakeoff.expectations.compiled_code import ExpectedCode
from bakeoff.records.measurement import Check, Parity
from bakeoff.records.trial import Failure, Phase, Status
from bakeoff.runner import options
from bakeoff.views.matrix import Matrix
from tests.support.builders import ENVIRONMENT, kernel, lowered, trial
from tests.support.planting import settings


def test_compiled_is_a_status_of_its_own() -> None:
    result = lowered((kernel(), kernel(registers=64, spill_bytes=8)))
    assert result.status is Status.COMPILED
    matrix = Matrix.of(result.trials)
    assert "64 reg, 8 B spilled" in matrix.terminal(128)
    assert "  status: compiled (not run)" in matrix.about(matrix.results[result.cell], 128)
    assert matrix.winners("toy", result.cell.mode) == []
    found = of_result(result)
    assert (found.values, found.counts["registers"], found.counts["spill_bytes"]) == ({}, 64, 8)


@pytest.mark.parametrize(
    ("parity", "status"),
    [
        (None, Status.ERROR),
        (Parity(tolerance=1e-5, checks=()), Status.ERROR),
        (Parity(tolerance=1e-5, checks=(Check(batch=0, when="interpreted", error=1e-3),)), Status.WRONG),
        (Parity(tolerance=1e-5, checks=(Check(batch=0, when="interpreted", error=1e-7),)), Status.COMPILED),
    ],
)
def test_interpreted_output_is_checked(parity: Parity | None, status: Status) -> None:
    assert lowered(parity=parity, target="interpreter").status is status


@pytest.mark.parametrize(
    ("changed", "says"),
    [
        ({"target": "cuda:sm_75"}, "there is no target cuda:sm_75; there are: cuda:sm_80"),
        ({"target": "cuda:sm_90", "device": "cuda"}, "compiles without the device"),
        ({"dtype": "int8"}, "there is no dtype int8; there are: float32"),
        ({"target": "interpreter", "dtype": "bfloat16"}, "checks float32 only"),
    ],
)
def test_bad_options(changed: dict[str, str], says: str) -> None:
    given = {k[2:].replace("-", "_"): v.get("default", []) for k, v in (options.MATRIX | options.RUN).items()}
    given |= {"models": None, "stacks": None, "batch_size": None, "threads": None, "keep_artifacts": None, "target": None}
    given |= {"no_diagnosis": False, "shape_models": None, **changed}
    with pytest.raises(UsageError, match=says):
        options.plan(lambda name: given[name])


def test_a_cell_that_was_compiled_before_may_not_become_a_skip(tmp_path: Path) -> None:
    path = tmp_path / "compiled.toml"
    path.write_text((ROOT / "experiments" / "compiled.toml").read_text())
    expected, target = ExpectedCode(path), replace(settings(), target="cuda:sm_90")

    def refused(versions: dict[str, str], stack: str = "torch_inductor", **changes: Any) -> CellResult:
        failure = Failure(status=Status.UNSUPPORTED, phase=Phase.COMPILE, error="Unsupported", message="no")
        here = replace(ENVIRONMENT, versions=versions)
        made = trial(None, "mlp", stack, failure=failure, environment=here, settings=replace(target, **changes))
        return next(iter(by_cell([made]).values()))

    ours = tomllib.loads(path.read_text())["versions"]
    assert expected.knows(refused(ours))
    assert not expected.knows(refused(ours, "torch_eager"))
    assert not expected.knows(refused(ours, size="full"))
    assert not expected.knows(refused(ours, target="interpreter"))
    assert not expected.knows(refused({**ours, "torch": "2.99.0"}))  # another compiler may refuse what it likes
