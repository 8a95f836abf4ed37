"""Is a task named only in its folder, and does everything else work if that folder is deleted?"""

import ast
import importlib
import pkgutil
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from _pytest.config.argparsing import Parser

from bakeoff import tasks
from bakeoff.authoring.discovery import PACKAGE, ROOT
from bakeoff.machine.available import Machine
from tests.support.builders import measurement, save, trial

HOME = PACKAGE / "tasks"
FOLDERS = sorted(path.parent.name for path in HOME.glob("*/__init__.py"))
REQUIRED = ("timing", "compile_only", "profile")  # see NAMED_ELSEWHERE
PHASE = "the phases of a child are part of the saved schema"
EXPORT_VERB = "`bakeoff export --profile` starts this task; it has no task.py, because no session runs it"
VERSION_1 = "the names of tasks in saved runs of version 1"
QUESTION = "the experiment that asks the task's question"
# file and task → why the file names the task
NAMED_ELSEWHERE = {
    ("bakeoff/records/trial.py", "timing"): PHASE,
    ("bakeoff/records/trial.py", "export"): PHASE,
    ("bakeoff/records/trial.py", "diagnose"): PHASE,
    ("bakeoff/records/trial.py", "profile"): PHASE,
    ("bakeoff/runner/session.py", "timing"): "a session runs this task first; its records are the trials that all others read",
    ("bakeoff/runner/cells.py", "compile_only"): "with --target this child makes the trial of a cell; it has no task.py",
    ("bakeoff/pytest_plugin/selection.py", "compile_only"): "with --target only tests with this fixture are collected",
    ("bakeoff/cli/export.py", "profile"): EXPORT_VERB,
    ("bakeoff/cli/completion.py", "profile"): EXPORT_VERB,
    ("bakeoff/cli/export.py", "export"): "the name of the command for TensorBoard, not of the task",
    ("bakeoff/archive/version1.py", "shapes"): VERSION_1,
    ("bakeoff/archive/version1.py", "diagnose"): VERSION_1,
    ("bakeoff/archive/version1.py", "export"): VERSION_1,
    ("bakeoff/archive/version1.py", "machine_peak"): VERSION_1,
    ("bakeoff/archive/version1.py", "compile_only"): VERSION_1,
    ("experiments/test_compiled.py", "compile_only"): QUESTION,
    ("experiments/test_kernels.py", "compile_only"): QUESTION,
    ("experiments/test_dynamic_shapes.py", "shapes"): QUESTION,
    ("experiments/test_gallery.py", "diagnose"): QUESTION,
    ("experiments/test_deploy.py", "export"): QUESTION,
}


def words(path: Path) -> Iterator[str]:
    """The modules that a file imports, its strings except docstrings, its attributes, and the parameters of an experiment."""
    tree = ast.parse(path.read_text())
    documented = (ast.Module, ast.ClassDef, ast.FunctionDef)
    bodies = [node.body for node in ast.walk(tree) if isinstance(node, documented) and node.body]
    docstrings = {id(body[0].value) for body in bodies if isinstance(body[0], ast.Expr)}
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom):
            yield from (str(node.module), *(f"{node.module}.{part.name}" for part in node.names))
        elif isinstance(node, ast.Import):
            yield from (part.name for part in node.names)
        elif isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in docstrings:
            yield node.value
        elif isinstance(node, ast.Attribute):
            yield f".{node.attr}"
        elif isinstance(node, ast.arg) and path.parent.name == "experiments":
            yield node.arg


def test_a_task_is_named_only_in_its_folder() -> None:
    """By its module, its name, its fixture or one of its options. Comments, docstrings and fields of records do not count."""
    options = {
        task.name: {
            text for flag, option in task.options.items() for text in (flag, option.name(flag), f".{option.name(flag)}")
        }
        for task in tasks.every()
    }
    fixtures = {task.name: {task.fixture} for task in tasks.every()}
    found = set()
    for path in (*PACKAGE.rglob("*.py"), *(ROOT / "experiments").rglob("*.py")):
        used = set(words(path))
        for name in FOLDERS:
            exact = {name, f"bakeoff.tasks.{name}"} | options.get(name, set()) | fixtures.get(name, set())
            if path.is_relative_to(HOME / name):
                continue
            if used & exact or any(word.startswith(f"bakeoff.tasks.{name}.") for word in used):
                found.add((path.relative_to(ROOT).as_posix(), name))
    assert found == set(NAMED_ELSEWHERE)


@pytest.fixture
def without(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    """Bakeoff, imported anew without the folder of one task."""
    name: str = request.param
    (tmp_path / "tasks").mkdir()
    for path in HOME.iterdir():
        if path.name not in (name, "__pycache__"):
            (tmp_path / "tasks" / path.name).symlink_to(path)
    before = {module: sys.modules.pop(module) for module in list(sys.modules) if module.split(".")[0] == "bakeoff"}
    try:
        importlib.import_module("bakeoff.tasks").__path__[:] = [str(tmp_path / "tasks")]
        yield name
    finally:
        for module in [module for module in sys.modules if module.split(".")[0] == "bakeoff"]:
            del sys.modules[module]
        sys.modules.update(before)


@pytest.mark.parametrize("without", [name for name in FOLDERS if name not in REQUIRED], indirect=True)
def test_a_task_is_removed_with_its_folder(
    without: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """All modules can be imported; commands, planning, pytest's options, tables and the report work."""
    for room in ("ab", "cli", "compare", "pytest_plugin", "report", "runner", "tasks"):
        package = importlib.import_module(f"bakeoff.{room}")
        for found in pkgutil.walk_packages(package.__path__, f"bakeoff.{room}."):
            importlib.import_module(found.name)
    fresh: dict[str, Any] = {name.removeprefix("bakeoff."): module for name, module in sys.modules.items() if "bakeoff" in name}
    main, left = importlib.import_module("bakeoff.__main__").main, fresh["tasks"].every()
    assert without not in {task.name for task in left}
    assert "timing" in {task.name for task in left}
    here = Machine(installed={sys.executable: {}}, compiler=None, gpu=False, cpus=1, interpreters={})
    monkeypatch.setattr(fresh["machine.available"], "this_machine", lambda stacks, others: here)
    assert main(["list"]) == 0
    for verb in ("run", "explain", "pick", "ab", "task"):
        with pytest.raises(SystemExit, match="0"):
            main([verb, "--help"])
    path = save(tmp_path, 1, [trial(measurement())])
    assert main(["show", str(path)]) == 0
    assert "toy" in capsys.readouterr().out
    fresh["report.sections"].of(run := fresh["archive.saved_runs"].read(path))
    assert (fresh["report.sections"].roofline(run) is None) == (without == "machine_peak")
    parser = Parser(_ispytest=True)
    fresh["pytest_plugin.plugin"].pytest_addoption(parser)
    asked = parser.parse([])
    plan = fresh["runner.options"].plan(lambda name: getattr(asked, name))
    for task in left:
        task.select(fresh["runner.task"].Question(plan=plan, option=lambda name: getattr(asked, name)))
    assert without not in fresh["tasks"].planned(plan, lambda name: getattr(asked, name)).tasks
