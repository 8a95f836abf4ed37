"""Writes saved runs where the units of `make gpu` save them."""

from pathlib import Path

from bakeoff.records.trial import Trial
from benchmarks import gpu
from benchmarks.lanes import Unit
from tests.support.builders import save


def keep_as(folder: Path, unit: Unit, trials: list[Trial]) -> Path:
    """Save them where the pytest process of the unit would."""
    path = save(folder, 1, trials)
    gpu.saved_by(folder, unit).mkdir(parents=True)
    return path.parent.rename(gpu.saved_by(folder, unit) / path.parent.name) / path.name
