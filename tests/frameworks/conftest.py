"""Fixtures of the tests with real frameworks."""

from collections.abc import Callable
from pathlib import Path

import pytest


@pytest.fixture(scope="session")
def storage(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Callable[[Path], Path]:
    """Prepare a folder as a run's storage; the one-time costs of the machine are shared by all workers of pytest-xdist."""
    base = tmp_path_factory.getbasetemp()
    machine = (base.parent if hasattr(request.config, "workerinput") else base) / "machine"
    machine.mkdir(exist_ok=True)

    def linked(folder: Path) -> Path:
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "machine").symlink_to(machine)
        return folder

    return linked
