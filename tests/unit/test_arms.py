"""Which trials of an arm are kept, which cell does the control measure, and what is saved?"""

from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

from bakeoff.ab.arm_runner import ArmRunner, control_cell, drop_incomplete_pairs
from bakeoff.ab.arms import Checkout
from bakeoff.ab.paired_session import PairedSession
from bakeoff.archive.paired import Arm
from bakeoff.archive.saved_runs import SCHEMA_VERSION
from bakeoff.authoring.discovery import ROOT
from bakeoff.compare.budgets import read_budgets
from bakeoff.records.measurement import Check, Parity
from bakeoff.records.trial import Trial
from bakeoff.runner import options
from bakeoff.runner.store import Store
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
    assert control_cell(cells, side(), side()) == eager.cell
    assert control_cell(cells, side(eager), side(bad)) == good.cell
    assert control_cell(cells, side(bad), side()) == good.cell
    assert control_cell(cells, side(eager), side(eager)) == eager.cell
    assert control_cell(cells, side(good), side(good)) == good.cell
    assert control_cell([eager.cell], side(eager), side(bad)) is None


def test_a_run_of_pairs_holds_its_command(tmp_path: Path) -> None:
    given = {k[2:].replace("-", "_"): v.get("default") for k, v in (options.MATRIX | options.RUN).items()}
    plan = options.plan((given | {"models": "mlp", "stacks": "torch_eager"}).__getitem__)
    arms = (Checkout(Arm(label="main"), ROOT), Checkout(Arm(label="working tree"), ROOT))
    budgets = read_budgets(ROOT / "experiments" / "budgets.toml")
    pairing = PairedSession(plan, arms, Store(tmp_path), budgets, metrics=["step"], control=False, say=print)
    for arm in (pairing.baseline, pairing.candidate):
        arm.folder.close()
    parts = pairing.parts("bakeoff ab main")
    assert parts["command"] == "bakeoff ab main"
    assert parts["schema_version"] == SCHEMA_VERSION
    assert parts["ab"]["baseline"]["label"] == "main"
