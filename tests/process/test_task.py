"""Does `bakeoff task` run one kind of job alone, print its table and save its records?"""

from pathlib import Path

import pytest

from bakeoff.__main__ import main
from bakeoff.archive import saved_runs
from bakeoff.tasks.import_time.record import ImportTime
from tests.support.planting import plant


def test_importing_is_timed_cold_and_warm_and_saved(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    plant(tmp_path / "stacks", "Eager")
    where = [f"--{name}-storage={tmp_path / name}" for name in ("benchmark", "bakeoff")]
    words = ["task", "import_time", "--stacks=eager", f"--compilers-from={tmp_path / 'stacks'}", "--threads=1", *where]
    assert main(words) == 0
    table = capsys.readouterr().out
    assert table.count("numpy") == 2
    run = saved_runs.read(saved_runs.find(None, tmp_path / "benchmark"))
    assert run.trials == []
    cold, warm = run.of("import_time", ImportTime)
    assert (cold.cold, warm.cold) == (True, False)
    for record in (cold, warm):
        assert record.found is not None, record.failure
        assert 0 < record.found.import_s < record.wall_s
        assert record.found.modules > 50
    assert main(["show", "--benchmark-storage", str(tmp_path / "benchmark")]) == 0
    assert "page cache" in capsys.readouterr().out


def test_a_framework_that_is_not_installed_is_reported(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "stacks").mkdir()
    (tmp_path / "stacks" / "mine.py").write_text('HEADER = {"framework": "no_such_framework"}\nSTACK = None\n')
    where = [f"--{name}-storage={tmp_path / name}" for name in ("benchmark", "bakeoff")]
    words = ["task", "import_time", "--stacks=mine", f"--compilers-from={tmp_path / 'stacks'}", "--threads=1", *where]
    assert main(words) == 1
    assert "unavailable: no_such_framework is not installed" in capsys.readouterr().out
