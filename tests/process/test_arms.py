"""What may be an arm, is each measured as it is named, and which of two arms' trials are kept? With fake stacks, for real."""

import json
import sys
from pathlib import Path

import pytest

from tests.support.pairs import ab, run_of


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("no-such-revision",), "no-such-revision is none of: NAME=VALUE, a virtual environment"),
        (("HEAD", "--looks", "x"), "--looks x: write numbers of pairs"),
        (("HEAD", "--metrics", "speed"), "there is no speed in pairs; there are: step, compile_cold"),
        (("HEAD", "--stacks", "knobb"), "there is no stack knobb"),
        (("X='", "."), "write NAME=VALUE"),
    ],
)
def test_bad_arms_are_one_line(folder: Path, words: tuple[str, ...], said: str) -> None:
    done = ab(folder, *words) if "--stacks" not in words else ab(folder, "HEAD", stacks="knobb")
    assert done.returncode == 2
    assert said in done.stderr
    assert "Traceback" not in done.stderr
    assert not list((folder / "runs").glob("arms-*"))


def test_two_environments_are_measured_by_their_own_interpreters(folder: Path) -> None:
    for name, step in (("old", 1), ("new", 2)):
        python = folder / name / "bin" / "python"
        python.parent.mkdir(parents=True)
        python.write_text(f'#!/bin/sh\nKNOB_STEP={step} exec "{sys.executable}" "$@"\n')
        python.chmod(0o755)
    arms = (str(folder / "old"), str(folder / "new"), "--looks", "3", "--no-control", "--metrics", "step", "--json")
    done = ab(folder, *arms)
    (change,) = [c for c in json.loads(done.stdout)["changes"] if c["metric"] == "step"]
    assert change["ratio"] == pytest.approx(2, rel=0.35), done.stdout + done.stderr
    run = run_of(folder)
    assert run.ab is not None
    assert run.ab.alternated >= 2  # another test may have had the memory that two at once would need
    assert [arm.interpreters["numpy"] for arm in (run.ab.baseline, run.ab.candidate)] == [
        str(folder / name / "bin" / "python") for name in ("old", "new")
    ]
