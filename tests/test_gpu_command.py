"""`make gpu` without a GPU: does it keep its time, go on after what fails, and say so?"""

from pathlib import Path

import pytest

from benchmarks import gpu
from benchmarks.gpu import Outcome, Part, main, page, run
from harness.discover import ROOT
from harness.errors import UsageError
from tests.builders import matrix, save


@pytest.fixture
def module(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """A module that sleeps, or ends with the exit code that it is given; an interrupt ends it with 2, as it does pytest."""
    text = """
import sys, time
try:
    time.sleep(float(sys.argv[1]))
except KeyboardInterrupt:
    sys.exit(2)
sys.exit(int(sys.argv[2]))
"""
    (tmp_path / "part.py").write_text(text)
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    return "part"


def test_what_runs_over_is_interrupted_and_the_rest_goes_on(module: str) -> None:
    parts = [Part("long", (module, "600", "0"), 1), Part("failing", (module, "0", "1"), 1), Part("fine", (module, "0", "0"), 1)]
    outcomes = run(parts, 9.0, grace_s=1.0)
    assert [(o.exit, o.cut) for o in outcomes] == [(2, True), (1, False), (0, False)]
    assert outcomes[0].wall_s < 5
    assert str(outcomes[0]).startswith("long: cut off: what it had measured is saved, ")
    assert str(outcomes[1]).startswith("failing: exit code 1, ")


def test_its_parts_are_there() -> None:
    questions = {word for part in gpu.PARTS for word in part.words if word.endswith(".py")}
    assert all((ROOT / question).is_file() for question in questions)
    assert {"experiments/test_kernels.py", "experiments/test_step_time.py", "tests/test_gpu.py"} == questions


def test_the_page_has_every_table_and_survives_a_broken_run(tmp_path: Path) -> None:
    good, cut = save(tmp_path, 1, matrix()), tmp_path / "0002_cut.json"
    cut.write_text("{")
    text = page("H100", [Outcome(gpu.PARTS[0], 0, 12.0, False)], [good, cut])
    assert text.startswith("# H100\n")
    assert "- kernels, bfloat16: ok, 12 s" in text
    assert "## `pytest experiments --benchmark-autosave`" in text
    assert "is not a whole saved run" in text


def test_without_a_gpu_nothing_is_measured(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    def none() -> str:
        raise UsageError("PyTorch sees no GPU here")

    monkeypatch.setattr(gpu, "gpu", none)
    monkeypatch.setattr(gpu, "run", lambda *_: pytest.fail("it began all the same"))
    assert main([]) == 2
    assert capsys.readouterr().err == "PyTorch sees no GPU here\n"
