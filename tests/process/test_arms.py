"""What can be an arm of `bakeoff ab`, and is each arm measured with its own code and environment? With fake stacks."""

import json
import sys
from pathlib import Path

import pytest

from bakeoff.ab.arms import checkout
from bakeoff.authoring.discovery import ROOT
from bakeoff.authoring.errors import UsageError
from tests.support.pairs import ab, run_of


@pytest.mark.parametrize(
    ("words", "output"),
    [
        (("no-such-revision",), "no-such-revision is none of: NAME=VALUE, a virtual environment"),
        (("HEAD", "--interim-analyses", "x"), "--interim-analyses x: write numbers of pairs"),
        (("HEAD", "--metrics", "speed"), "there is no speed in pairs; there are: step, compile_cold"),
        (("HEAD", "--stacks", "knobb"), "there is no stack knobb"),
        (("X='", "."), "write NAME=VALUE"),
    ],
)
def test_bad_arms_are_reported_in_one_line(folder: Path, words: tuple[str, ...], output: str) -> None:
    done = ab(folder, *words) if "--stacks" not in words else ab(folder, "HEAD", stacks="knobb")
    assert done.returncode == 2
    assert output in done.stderr
    assert "Traceback" not in done.stderr
    assert not list((folder / "runs").glob("arms-*"))


def test_two_environments_are_measured_by_their_own_interpreters(folder: Path) -> None:
    for name, step in (("old", 1), ("new", 2)):
        python = folder / name / "bin" / "python"
        python.parent.mkdir(parents=True)
        python.write_text(f'#!/bin/sh\nKNOB_STEP={step} exec "{sys.executable}" "$@"\n')
        python.chmod(0o755)
    arms = (str(folder / "old"), str(folder / "new"), "--interim-analyses", "3", "--no-control", "--metrics", "step", "--json")
    done = ab(folder, *arms)
    (change,) = [c for c in json.loads(done.stdout)["changes"] if c["metric"] == "step"]
    assert change["ratio"] == pytest.approx(2, rel=0.35), done.stdout + done.stderr
    run = run_of(folder)
    assert run.ab is not None
    assert run.ab.alternated >= 2  # another test may have had the memory that two at once would need
    assert [arm.interpreters["numpy"] for arm in (run.ab.baseline, run.ab.candidate)] == [
        str(folder / name / "bin" / "python") for name in ("old", "new")
    ]


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
        (tmp_path / "was" / room / f"{name}.py").write_text("HEADER = {'framework': 'numpy'}\n")
    before = checkout(str(tmp_path / "was"), tmp_path / "arm", set())
    given = {k[2:].replace("-", "_"): v.get("default") for k, v in (options.MATRIX | options.RUN).items()} | DEFAULTS
    plan = options.plan(lambda name: given[name] if name != "stacks" else "torch_eager")
    lost = [str(cell) for cell in vanished(plan, before, models=True, stacks=False)]
    assert lost == ["retired-torch_eager-inference"]
    assert "mlp-old_stack-inference" in map(str, vanished(plan, before, models=True, stacks=True))
    assert vanished(plan, before, models=False, stacks=False) == []
