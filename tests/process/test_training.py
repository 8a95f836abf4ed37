"""Is every planted fault in training detected?"""

from collections.abc import Callable

import pytest

from bakeoff.analysis.results import CellResult
from bakeoff.records.cell import Mode
from bakeoff.records.trial import Status
from tests.support.planting import planted

FAULTS = {
    "Compiler": (Status.OK, ""),
    "NeverUpdates": (Status.WRONG, ""),
    "WrongRate": (Status.WRONG, "parameter.w of"),
    "WrongGradient": (Status.WRONG, "of first batch 0"),
    "ForgetsMomentum": (Status.WRONG, "of curve batch"),
    "ForgetsItsStatistics": (Status.WRONG, "buffer.mean of"),
    "StopsLearning": (Status.WRONG, "parameter.w of held-out"),
    "WrongOnOtherBatches": (Status.WRONG, "of held-out"),
    "Diverges": (Status.WRONG, "finite loss of timed batch"),
    "KeepsNoState": (Status.UNSUPPORTED, "KeepsNoState does not train"),
}


@pytest.fixture(scope="module")
def results(
    measure_fakes: Callable[..., dict[str, CellResult]], tmp_path_factory: pytest.TempPathFactory
) -> dict[str, CellResult]:
    stacks = planted(tmp_path_factory.mktemp("stacks"), *FAULTS, room="lessons")
    return measure_fakes(*stacks, mode=Mode.TRAINING, room="lessons")


@pytest.mark.parametrize("fault", FAULTS)
def test_planted_fault_has_its_status(results: dict[str, CellResult], fault: str) -> None:
    status, words = FAULTS[fault]
    result = results[fault.lower()]
    if result.status is Status.UNSTEADY and status is Status.OK:
        pytest.skip("the machine is too noisy for this test")
    assert result.status is status, result.reason
    assert words in result.reason


def test_the_loss_curve_is_saved(results: dict[str, CellResult]) -> None:
    (found,) = results["compiler"].measurements
    assert len(found.losses) == len(found.reference_losses) == 10
    assert found.losses == pytest.approx(found.reference_losses, rel=1e-5)
    assert found.losses[9] < found.losses[0]
    assert found.parity is not None
    assert [(c.when, c.output) for c in found.parity.checks][:4] == [
        ("first", "loss"),
        ("first", "gradient.w"),
        ("first", "parameter.w"),
        ("first", "buffer.mean"),
    ]
