"""What may be an arm, and which of two arms' trials are kept?"""

from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import pytest

from bakeoff.ab.arm_runner import ArmRunner, control_cell, drop_incomplete_pairs
from bakeoff.ab.arms import checkout
from bakeoff.authoring.discovery import ROOT
from bakeoff.authoring.errors import UsageError
from bakeoff.records.measurement import Check, Parity
from bakeoff.records.trial import Trial
from tests.support.builders import measurement, trial


def test_an_arm_is_a_copy_of_what_it_names(tmp_path: Path) -> None:
    other = tmp_path / "other"
    for room in ("models", "compilers"):
        (other / room).mkdir(parents=True)
    (other / "models" / "mine.py").write_text("MODEL = 1\n")
    made = checkout(str(other), tmp_path / "arm", {"torch"})
    assert (made.root / "models" / "mine.py").read_text() == "MODEL = 1\n"
    assert (made.root / "bakeoff").resolve() == ROOT / "bakeoff"
    assert made.arm.commit is None
    (tmp_path / "venv" / "bin").mkdir(parents=True)
    (tmp_path / "venv" / "bin" / "python").write_text("")
    made = checkout(str(tmp_path / "venv"), tmp_path / "arm2", {"torch", "tensorflow"})
    assert made.arm.interpreters == dict.fromkeys(("tensorflow", "torch"), str(tmp_path / "venv" / "bin" / "python"))
    made = checkout("A=1 B='x y'", tmp_path / "arm3", set())
    assert made.arm.variables == {"A": "1", "B": "x y"}
    with pytest.raises(UsageError):
        checkout("--upload-pack=x", tmp_path / "arm4", set())


def test_a_model_or_stack_that_is_gone_is_a_vanished_cell(tmp_path: Path) -> None:
    from bakeoff.ab.session import DEFAULTS, vanished
    from bakeoff.runner import options

    for room, name in (("models", "retired"), ("compilers", "old_stack")):
        (tmp_path / "was" / room).mkdir(parents=True)
        (tmp_path / "was" / room / f"{name}.py").write_text("FRAMEWORK = 'numpy'\n")
    before = checkout(str(tmp_path / "was"), tmp_path / "arm", set())
    given = {k[2:].replace("-", "_"): v.get("default") for k, v in (options.MATRIX | options.RUN).items()} | DEFAULTS
    plan = options.plan(lambda name: given[name] if name != "stacks" else "torch_eager")
    lost = [str(cell) for cell in vanished(plan, before, models=True, stacks=False)]
    assert lost == ["retired-torch_eager-inference"]
    assert "mlp-old_stack-inference" in map(str, vanished(plan, before, models=True, stacks=True))
    assert vanished(plan, before, models=False, stacks=False) == []


def side(*trials: Trial) -> ArmRunner:
    """With what these two functions read."""
    stacks = {"eager": SimpleNamespace(eager=True), "compiler": SimpleNamespace(eager=False)}
    return ArmRunner(None, None, None, None, stacks, list(trials))  # type: ignore[arg-type]  # no child is launched


def test_a_trial_without_its_partner_is_dropped_and_that_of_a_cell_of_one_arm_kept() -> None:
    whole, half, gone = trial(None), trial(None, index=1), trial(None, model="retired")
    baseline, candidate = side(whole, half, gone), side(whole)
    drop_incomplete_pairs((baseline, candidate), [whole.cell])
    assert baseline.trials == [whole, gone]
    assert candidate.trials == [whole]


def test_the_canary_stays_with_its_cell_until_that_fails() -> None:
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
