"""Runs sessions of deployment formats, fake and real."""

from pathlib import Path

from bakeoff.analysis.results import CellResult, by_cell
from bakeoff.authoring import discovery
from bakeoff.authoring.discovery import Source, StackSource
from bakeoff.records.cell import Mode
from bakeoff.runner.plan import Plan
from bakeoff.runner.session import Session
from bakeoff.runner.store import Store
from tests.support.planting import planted, settings
from tests.support.sessions import session_of


def serve(folder: Path, name: str) -> Path:
    """A file that makes a class of fakes/served.py a stack with the name of the class."""
    path = folder / f"{name.lower()}.py"
    header = 'HEADER = {"framework": "numpy", "default": False, "exported_by": "eager"}'
    path.write_text(f"{header}\nfrom tests.support.fakes import served\nSTACK = served.{name}()\n")
    return path


def run(folder: Path, model: Source, *stacks: StackSource, **changes: object) -> tuple[Session, dict[str, CellResult]]:
    every = [*planted(folder / "eager", "Eager"), *discovery.stacks()]
    options = {"settings": settings(), "modes": [Mode.INFERENCE], "all_stacks": every, **changes}
    session = session_of(Plan(models=[model], stacks=stacks, **options), Store(folder / "store"))
    session.run()
    return session, {cell.stack: result for cell, result in by_cell(session.trials).items()}
