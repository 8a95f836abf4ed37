"""What unit tests share."""

from pathlib import Path

import pytest

BUDGETS = "alarm = 0.005\n[saved]\nstep = 0.05\n[ab]\nstep = 0.015\n"


@pytest.fixture
def runs(tmp_path: Path) -> Path:
    (tmp_path / "budgets.toml").write_text(BUDGETS)
    return tmp_path
