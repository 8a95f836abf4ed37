"""Does `bakeoff task` save its run as `bakeoff run` does?"""

import shlex
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from bakeoff.__main__ import main
from bakeoff.archive import saving
from bakeoff.cli import task
from bakeoff.runner.session import Session


def test_a_task_saves_its_whole_command(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    saved: list[dict[str, Any]] = []
    monkeypatch.setattr(Session, "run", lambda session: session.folder.close())
    monkeypatch.setattr(Session, "of", lambda session, task: [SimpleNamespace(failure=None)])
    monkeypatch.setattr(saving, "save", lambda folder, name, parts: saved.append({"name": name, **parts}) or folder / name)
    words = ["task", "shapes", "--shapes", "8,9", "--models", "mlp"]
    where = ["--benchmark-storage", str(tmp_path), "--bakeoff-storage", str(tmp_path / "work")]
    assert main([*words, *where]) == 0
    (run,) = saved
    assert run["command"] == shlex.join(["bakeoff", *words, *where])
    assert run["name"] == "task_shapes"
    reported = capsys.readouterr()
    assert reported.out == ""
    assert f"saved: {tmp_path / 'task_shapes'}" in reported.err


def test_a_task_without_anything_to_do_saves_no_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(Session, "run", lambda session: session.folder.close())
    where = ["--benchmark-storage", str(tmp_path / "saved"), "--bakeoff-storage", str(tmp_path / "work")]
    assert main(["task", "export", "--models", "mlp", "--stacks", "torch_eager", *where]) == 2
    assert "nothing to do for any of the selected cells" in capsys.readouterr().err
    assert not list(tmp_path.glob("saved/**/*.json"))


def test_a_task_without_records_still_saves_what_was_timed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    saved: list[str] = []
    monkeypatch.setattr(Session, "run", lambda session: session.folder.close())
    monkeypatch.setattr(Session, "trials", property(lambda session: ["a trial"]))
    monkeypatch.setattr(saving, "parts", lambda session, command: {})
    monkeypatch.setattr(saving, "save", lambda folder, name, parts: saved.append(name) or folder / name)
    monkeypatch.setattr(task, "table", lambda *asked: "")
    where = ["--benchmark-storage", str(tmp_path / "saved"), "--bakeoff-storage", str(tmp_path / "work")]
    assert main(["task", "export", "--models", "mlp", "--stacks", "torch_eager", *where]) == 0
    assert saved == ["task_export"]


def test_a_task_measures_nothing_that_cannot_be_saved(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(Session, "run", lambda session: pytest.fail("it was measured"))
    assert main(["task", "machine_peak", "--benchmark-storage", "/dev/null/x"]) == 2
    assert "cannot write to /dev/null/x" in capsys.readouterr().err
