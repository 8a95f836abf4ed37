"""Which cells are known to fail? Data in git (known_gaps.toml), strict in both directions.

A cell that has a row and works fails a test, until the row is removed. A row that matches no cell is an error, and so is a
failure of another kind than the row's `raises`.
"""

from collections.abc import Iterable, Sequence
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Literal

import msgspec

from bakeoff.authoring import errors
from bakeoff.authoring.errors import UsageError
from bakeoff.records.cell import Cell
from bakeoff.system.toml import read_toml

RAISES: dict[str, type[BaseException]] = {
    **{cls.__name__.removeprefix("Cell"): cls for cls in errors.BY_STATUS.values()},
    "AssertionError": AssertionError,
}


class Gap(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One row of known_gaps.toml. `cells` and `question` are globs (`branchy-tf_*-inference`, `test_*_time`)."""

    cells: str
    kind: Literal["notimpl", "notyet", "never"]  # ours to do | upstream's to do, with its issue | it can't be, and why
    raises: str
    reason: str
    question: str = "*"

    def covers(self, cell: Cell, question: str) -> bool:
        return fnmatchcase(str(cell), self.cells) and fnmatchcase(question, self.question)

    @property
    def exception(self) -> type[BaseException]:
        return RAISES[self.raises]


class Gaps(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """known_gaps.toml."""

    gap: list[Gap] = []


def read_gaps(path: Path, cells: Sequence[Cell], questions: Iterable[str]) -> list[Gap]:
    """The rows of known_gaps.toml. UsageError for a broken file, a row that matches nothing, or an unknown `raises`."""
    gaps = read_toml(path, Gaps).gap
    questions, names = list(questions), [str(cell) for cell in cells]
    for gap in gaps:
        if gap.raises not in RAISES:
            raise UsageError(f"{path.name}: {gap.cells} raises {gap.raises!r}; there are: {', '.join(sorted(RAISES))}")
        named = any(fnmatchcase(name, gap.cells) for name in names) and any(fnmatchcase(q, gap.question) for q in questions)
        if not named:
            raise UsageError(f"{path.name}: no cell and question match {gap.cells!r} × {gap.question!r}; remove the row")
    return gaps
