"""Which trials of an arm are kept, and which cell does the control measure?"""

from dataclasses import replace
from types import SimpleNamespace

from bakeoff.ab.arm_runner import ArmRunner, control_cell, drop_incomplete_pairs
from bakeoff.records.measurement import Check, Parity
from bakeoff.records.trial import Trial
from tests.support.builders import measurement, trial


def side(*trials: Trial) -> ArmRunner:
    """With what these two functions read."""
    stacks = {"eager": SimpleNamespace(eager=True), "compiler": SimpleNamespace(eager=False)}
    return ArmRunner(None, None, stacks, list(trials))  # type: ignore[arg-type]  # no child is launched


def test_a_trial_without_its_partner_is_dropped_and_that_of_a_cell_of_one_arm_kept() -> None:
    whole, half, gone = trial(None), trial(None, index=1), trial(None, model="retired")
    baseline, candidate = side(whole, half, gone), side(whole)
    drop_incomplete_pairs((baseline, candidate), [whole.cell])
    assert baseline.trials == [whole, gone]
    assert candidate.trials == [whole]


def test_the_control_keeps_its_cell_until_it_fails() -> None:
    good, eager = (trial(measurement(), stack=stack) for stack in ("compiler", "eager"))
    wrong = replace(measurement(), parity=Parity(tolerance=1e-5, checks=(Check(batch=0, when="timed", error=0.5),)))
    bad = trial(wrong, stack="eager")  # it has a measurement, and no speed
    cells = [good.cell, eager.cell]
    assert control_cell(cells, side(), (side(), side())) == eager.cell
    assert control_cell(cells, side(), (side(eager), side(bad))) == good.cell
    assert control_cell(cells, side(bad), (side(), side())) == good.cell
    assert control_cell(cells, side(bad), (side(eager), side(eager))) == eager.cell
    assert control_cell(cells, side(good), (side(good), side(good))) == good.cell
    assert control_cell([eager.cell], side(), (side(bad), side(eager))) is None
