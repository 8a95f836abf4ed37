"""Fixtures of the unit tests, none of which may start a child process."""

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

STARTS = ("subprocess.Popen", "os.fork", "os.forkpty", "os.posix_spawn", "os.spawn", "os.system", "pty.spawn")
STARTED: list[str] | None = None  # what the running test has started; None outside of tests


class ChildForbidden(AssertionError):
    """A unit test starts a child process."""


def _watch(event: str, arguments: tuple[Any, ...]) -> None:
    """An audit hook: Python calls it before it starts a process, whichever function is used for that."""
    if STARTED is not None and event in STARTS:
        STARTED.append(f"{event}{arguments[:2]}")
        raise ChildForbidden(f"a unit test may start no child process ({STARTED[-1]}); tests that do belong in tests/process")


sys.addaudithook(_watch)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_protocol(item: pytest.Item) -> Iterator[None]:
    global STARTED
    if Path(__file__).parent not in item.path.parents:  # pytest calls this hook of every conftest for every test
        return (yield)
    STARTED = []  # fixtures of a larger scope are set up before any fixture of a test
    try:
        return (yield)
    finally:
        STARTED = None


@pytest.fixture(autouse=True)
def no_child_process() -> Iterator[list[str]]:
    """Fails a test that has tried to start one, even if it caught the error."""
    assert STARTED is not None
    yield STARTED
    assert STARTED == [], "a unit test may start no child process; tests that do belong in tests/process"


BUDGETS = "family_wise_error_rate = 0.005\n[saved]\nstep = 0.05\n[ab]\nstep = 0.015\n"


@pytest.fixture
def runs(tmp_path: Path) -> Path:
    (tmp_path / "budgets.toml").write_text(BUDGETS)
    return tmp_path
