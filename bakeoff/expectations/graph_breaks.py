"""Which graph breaks are expected? Data in git. More fail as well as fewer; the message names the command that accepts."""

from collections.abc import Iterable, Sequence
from itertools import product
from pathlib import Path

import msgspec

from bakeoff.authoring.discovery import ROOT, Source, StackSource, shown
from bakeoff.authoring.errors import UsageError
from bakeoff.records.cell import Cell, Mode
from bakeoff.records.diagnostics import Diagnostics, GraphBreak
from bakeoff.system.toml import read_toml


class ExpectedBreak(msgspec.Struct, frozen=True, forbid_unknown_fields=True, order=True):
    """One row of graph_breaks.toml."""

    cell: str
    where: str
    kind: str = "graph_break"
    count: int = 1
    code: str = ""  # the framework's own name for it

    @classmethod
    def of(cls, cell: Cell, seen: GraphBreak) -> "ExpectedBreak":
        return cls(cell=str(cell), where=seen.where, kind=seen.kind, count=seen.count, code=seen.code or "")

    @property
    def toml(self) -> str:
        """The row as it stands in the file."""
        values = {name: getattr(self, name) for name in self.__struct_fields__}
        shown_values = {name: value for name, value in values.items() if value or name != "code"}
        return "[[break]]\n" + "".join(
            f"{name} = {msgspec.json.encode(value).decode()}\n" for name, value in shown_values.items()
        )


class GraphBreaksFile(msgspec.Struct, frozen=True, forbid_unknown_fields=True, rename={"breaks": "break"}):
    """graph_breaks.toml: cells without a row are expected to have none."""

    breaks: list[ExpectedBreak] = []


class ExpectedBreaks:
    """What graph_breaks.toml says, and, with --accept-breaks, what it is made to say."""

    def __init__(self, path: Path, cells: Sequence[Cell], *, accept: bool = False) -> None:
        """UsageError for a broken file or a row of no cell; a file that is not there has no rows."""
        self._path, self._accept = path, accept
        self._rows = sorted(read_toml(path, GraphBreaksFile).breaks)
        known = {str(cell) for cell in cells}
        for row in self._rows:
            if row.cell not in known:
                raise UsageError(f"{path.name}: there is no cell {row.cell!r}; remove the row")

    def of(self, cell: Cell) -> list[ExpectedBreak]:
        return [row for row in self._rows if row.cell == str(cell)]

    def check(self, cell: Cell, found: Diagnostics) -> None:
        """Raises AssertionError where the record is not the expected one, or the children that made it do not agree."""
        # equal kinds on a line are one row, whatever their reasons
        counts: dict[ExpectedBreak, int] = {}
        for seen in found.breaks:
            row = msgspec.structs.replace(ExpectedBreak.of(cell, seen), count=1)
            counts[row] = counts.get(row, 0) + seen.count
        rows = sorted(msgspec.structs.replace(row, count=n) for row, n in counts.items())
        if found.remarks:  # before anything is accepted: an incomplete record must not be accepted
            raise AssertionError(f"{cell}: {'; '.join(found.remarks)}")
        if rows != self.of(cell):
            if not self._accept:
                raise AssertionError(self._difference(cell, rows, found))
            self._write(cell, rows)

    def _difference(self, cell: Cell, rows: list[ExpectedBreak], found: Diagnostics) -> str:
        reasons = "\n".join(f"  {b.where}: {b.kind} ×{b.count}: {b.reason} {b.code or ''}".rstrip() for b in found.breaks)
        expected = "\n".join(f"  {row.where}: {row.kind} ×{row.count} {row.code}".rstrip() for row in self.of(cell))
        return (
            f"{cell} was found to break as\n{reasons or '  (nowhere)'}\n"
            f"where {shown(self._path)} has\n{expected or '  (nothing)'}\n"
            "to accept what was found: "
            f"pytest experiments -k 'breaks or breakage' --models {cell.model} --stacks {cell.stack} --accept-breaks"
        )

    def _write(self, cell: Cell, rows: list[ExpectedBreak]) -> None:
        self._rows = sorted([*(row for row in self._rows if row.cell != str(cell)), *rows])
        lines = self._path.read_text().splitlines() if self._path.exists() else []
        head = [line for line in lines if line.startswith("#")]
        self._path.write_text("\n".join([*head, "", *(row.toml for row in self._rows)]))


class ExpectedEverywhere:
    """Each cell's expected breaks, from the file beside its model, or its stack, where those are the user's own; else ours."""

    def __init__(
        self,
        ours: Path,
        models: Iterable[Source],
        stacks: Iterable[StackSource],
        modes: Iterable[Mode],
        *,
        accept: bool = False,
    ) -> None:
        """UsageError as of ExpectedBreaks."""
        cells: dict[Path, list[Cell]] = {ours: []}
        self._home: dict[Cell, Path] = {}
        of_models = [(model.name, _outside(model.path, "models")) for model in models]
        of_stacks = [(stack.name, _outside(stack.path, "compilers")) for stack in stacks]
        for (model, its), (stack, own), mode in product(of_models, of_stacks, modes):
            folder = its or own
            cell, home = Cell(model, stack, mode), folder / ours.name if folder else ours
            self._home[cell] = home
            cells.setdefault(home, []).append(cell)
        self._files = {path: ExpectedBreaks(path, found, accept=accept) for path, found in cells.items()}

    def check(self, cell: Cell, found: Diagnostics) -> None:
        """As ExpectedBreaks.check."""
        self._files[self._home[cell]].check(cell, found)


def _outside(path: Path, ours: str) -> Path | None:
    """Its folder, where that is outside of Bakeoff's own folder `ours`."""
    return None if path.is_relative_to(ROOT / ours) else path.parent
