"""Does the command line work as a process? Other interpreters, completion, pipes."""

import json
import os
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

from bakeoff.__main__ import main
from bakeoff.authoring.discovery import ROOT
from bakeoff.machine import available
from tests.support.needs import FRAMEWORKS


def interpreter(folder: Path, text: str) -> str:
    path = folder / "python"
    path.write_text(f"#!/bin/sh\n{text}\n")
    path.chmod(0o755)
    return str(path)


def test_another_interpreter_reports_its_own_versions(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """One that has no site-packages has none of the frameworks, and our own has what it has."""
    bare = interpreter(tmp_path, f'exec {sys.executable} -I -S "$@"')
    assert available.installed(bare, ["tensorflow", "json"]) == {"tensorflow": None, "json": "?"}
    assert main(["list", "--json", "--interpreter", f"tensorflow={bare}"]) == 0
    (row,) = [s for s in json.loads(capsys.readouterr().out)["stacks"] if s["name"] == "tf_eager"]
    assert row["lacks"] == [f"tensorflow is not installed: {bare} -m pip install tensorflow"]


def test_an_interpreter_without_output_is_reported_in_one_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    mute = interpreter(tmp_path, "echo no python >&2; exit 3")
    assert main(["list", "--interpreter", f"torch={mute}"]) == 2
    said = capsys.readouterr().err
    assert said == f"bakeoff: --interpreter: {mute} does not list its modules: no python\n"


def completed(line: str, folder: Path, *python: str) -> tuple[list[str], str]:
    """(what Tab offers at the end of a line, what went to stderr): as the shell's function asks."""
    answer = folder / "answer"
    asked = {"_ARGCOMPLETE": "1", "_ARGCOMPLETE_IFS": "\n", "COMP_LINE": line, "COMP_POINT": str(len(line))}
    where = {"_ARGCOMPLETE_STDOUT_FILENAME": str(answer), "_ARGCOMPLETE_SUPPRESS_SPACE": "1"}
    ran = subprocess.run(
        [sys.executable, *python, "-m", "bakeoff"],
        env={**os.environ, **asked, **where},
        capture_output=True,
        text=True,
        cwd=ROOT,
        timeout=60,
        check=True,
    )
    return answer.read_text().split("\n"), ran.stderr


def test_completing_imports_no_framework(tmp_path: Path) -> None:
    offered, output = completed("bakeoff run ml", tmp_path, "-X", "importtime")
    imported = {line.rpartition("|")[2].strip() for line in output.splitlines()}
    assert offered == ["mlp"]
    assert "bakeoff.cli.completion" in imported
    assert imported.isdisjoint({*FRAMEWORKS, "triton", "jax", "pytest"})


def test_a_closed_pipe_is_no_traceback() -> None:
    line = f"{shlex.quote(sys.executable)} -m bakeoff list | head -1"
    done = subprocess.run(["bash", "-c", line], capture_output=True, text=True, cwd=ROOT, timeout=60, check=False)
    assert done.stdout.startswith("models")
    assert done.stderr == ""
