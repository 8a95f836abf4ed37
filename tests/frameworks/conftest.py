"""What tests with real frameworks share."""

from collections.abc import Callable
from pathlib import Path

import pytest


@pytest.fixture(scope="session")
def storage(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Callable[[Path], Path]:
    """Make a folder a run's storage in which no test pays again what a machine pays once, whichever worker paid it."""
    base = tmp_path_factory.getbasetemp()
    machine = (base.parent if hasattr(request.config, "workerinput") else base) / "machine"
    machine.mkdir(exist_ok=True)

    def linked(folder: Path) -> Path:
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "machine").symlink_to(machine)
        return folder

    return linked
