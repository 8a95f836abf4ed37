"""Known gaps and expected graph breaks: data in git, strict in both directions.

A gap that starts to work fails until its row is removed; a row that matches no cell is an error; a failure of another kind
than `raises` says is one, too.
"""

from collections.abc import Iterable, Sequence
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Literal, TypeVar

import msgspec

from harness import errors
from harness.cell import Cell
from harness.diagnostics import GraphBreak
from harness.errors import UsageError

T = TypeVar("T")
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


class ExpectedBreak(msgspec.Struct, frozen=True, forbid_unknown_fields=True, order=True):
    """One row of graph_breaks.toml."""

    cell: str
    where: str
    reason: str
    kind: str = "graph_break"
    count: int = 1

    @classmethod
    def of(cls, cell: Cell, seen: GraphBreak) -> "ExpectedBreak":
        return cls(cell=str(cell), where=seen.where, reason=seen.reason, kind=seen.kind, count=seen.count)

    @property
    def toml(self) -> str:
        """The row as it stands in the file."""
        values = {name: getattr(self, name) for name in self.__struct_fields__}
        return "[[break]]\n" + "".join(f"{name} = {msgspec.json.encode(value).decode()}\n" for name, value in values.items())


class ExpectedBreaks(msgspec.Struct, frozen=True, forbid_unknown_fields=True, rename={"breaks": "break"}):
    """graph_breaks.toml: cells without a row are expected to have none."""

    breaks: list[ExpectedBreak] = []

    def of(self, cell: str) -> list[ExpectedBreak]:
        return sorted(row for row in self.breaks if row.cell == cell)


def read_gaps(path: Path, cells: Sequence[Cell], questions: Iterable[str]) -> list[Gap]:
    """The rows of known_gaps.toml. UsageError for a broken file, a row that matches nothing, or an unknown `raises`."""
    gaps = _read(path, Gaps).gap
    questions = list(questions)
    for gap in gaps:
        if gap.raises not in RAISES:
            raise UsageError(f"{path.name}: {gap.cells} raises {gap.raises!r}; there are: {', '.join(sorted(RAISES))}")
        if not any(gap.covers(cell, question) for cell in cells for question in questions):
            raise UsageError(f"{path.name}: no cell and question match {gap.cells!r} × {gap.question!r}; remove the row")
    return gaps


def read_breaks(path: Path, cells: Sequence[Cell]) -> ExpectedBreaks:
    """The rows of graph_breaks.toml. UsageError for a broken file or a row of no cell."""
    expected = _read(path, ExpectedBreaks)
    known = {str(cell) for cell in cells}
    for row in expected.breaks:
        if row.cell not in known:
            raise UsageError(f"{path.name}: there is no cell {row.cell!r}; remove the row")
    return expected


def _read(path: Path, record: type[T]) -> T:
    if not path.exists():
        return record()
    try:
        return msgspec.toml.decode(path.read_bytes(), type=record)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise UsageError(f"{path.name}: {error}") from None
