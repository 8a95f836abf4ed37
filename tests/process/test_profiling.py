"""Is a stack without a profiler reported, while everything else is exported?"""

from pathlib import Path

import pytest

from tests.support.planting import FAKES, plant
from tests.support.summaries import save
from tests.support.tensorboard import export, good


def test_a_stack_without_a_profiler_is_reported(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    plant(tmp_path / "stacks", "Eager")
    (tmp_path / "models").mkdir()
    (tmp_path / "models" / "toy.py").write_text((FAKES / "toy.py").read_text())
    more = ["--compilers-from", str(tmp_path / "stacks"), "--models-from", str(tmp_path / "models")]
    store = ["--bakeoff-storage", str(tmp_path / "store")]
    save(tmp_path, 1, [], trials=good())
    assert export(tmp_path, tmp_path / "board", "--profile", "toy-eager-inference", *more, *store) == 1
    out = capsys.readouterr().out
    assert "toy-eager-inference: no profile: unsupported: Eager has no profiler" in out
    assert (tmp_path / "board" / "0001-000000000").is_dir()  # the saved run is there all the same
    assert not (tmp_path / "board" / "profiles").exists()
