"""Do the tests keep to their tiers? No child process in a unit test, no test that imports another, markers by use."""

import ast
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace

import pytest

from tests.support import tiers

TESTS = tiers.TESTS


@pytest.mark.parametrize(
    "start",
    [
        lambda: subprocess.run([sys.executable, "-c", ""], check=False),
        lambda: os.system("true"),
        lambda: os.posix_spawn(sys.executable, [sys.executable, "-c", ""], {}),
        os.fork,
    ],
    ids=["subprocess", "system", "posix_spawn", "fork"],
)
def test_a_unit_test_that_starts_a_child_fails(no_child_process: list[str], start: Callable[[], object]) -> None:
    with pytest.raises(AssertionError, match="may start no child process"):
        start()
    assert len(no_child_process) == 1  # for which the fixture fails the test, although the error was caught
    no_child_process.clear()


def imported(path: Path) -> set[str]:
    """Modules that a file imports, and names that it imports from them, as full names."""
    found = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            package = path.relative_to(TESTS.parent).with_suffix("").parts[: -node.level] if node.level else ()
            module = ".".join([*package, *([node.module] if node.module else [])])
            found |= {module} | {f"{module}.{alias.name}" for alias in node.names}
    return found


def test_no_test_imports_another_and_no_helper_imports_a_test() -> None:
    wrong = {
        str(path.relative_to(TESTS)): sorted(name for name in imported(path) if _is_a_test(name))
        for path in TESTS.rglob("*.py")
        if any(map(_is_a_test, imported(path)))
    }
    assert wrong == {}


def _is_a_test(name: str) -> bool:
    """A module of tests/ that is no helper: a test file, or a conftest, whose fixtures pytest hands out."""
    parts = name.split(".")
    return parts[0] == "tests" and any(part.startswith("test_") or part == "conftest" for part in parts[1:])


@pytest.mark.parametrize(
    "line", ["from tests.unit.test_gate import save", "import tests.process.test_session", "from tests import conftest"]
)
def test_such_an_import_is_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, line: str) -> None:
    monkeypatch.setattr(sys.modules[__name__], "TESTS", tmp_path)
    (tmp_path / "test_a.py").write_text(f"def test() -> None:\n    {line}\n")
    assert any(map(_is_a_test, imported(tmp_path / "test_a.py")))


def test_every_test_file_is_in_a_tier() -> None:
    assert [str(path) for path in TESTS.rglob("test_*.py") if tiers.tier_of(path) is None] == []


def test_this_test_is_marked_by_its_folder(request: pytest.FixtureRequest) -> None:
    assert {mark.name for mark in request.node.iter_markers()} == {"unit"}


@pytest.mark.parametrize(
    ("parameter", "frameworks"),
    [
        ("torch_eager", {"torch"}),
        ("tf_xla", {"tensorflow"}),
        ("served_savedmodel", {"tensorflow"}),
        (("mlp-torch_ddp_2-training", "mlp-torch_eager-training"), {"torch"}),
        ("mlp-tf_function-inference", {"tensorflow"}),
        ("pytest ../my_models --stacks torch_eager,tf_eager", {"torch", "tensorflow"}),
    ],
)
def test_a_test_is_marked_by_the_stacks_in_its_parameters(parameter: object, frameworks: set[str]) -> None:
    item = SimpleNamespace(callspec=SimpleNamespace(params={"stack": parameter}))
    assert tiers.uses(item) == frameworks  # type: ignore[arg-type]  # asked of parameters only
