"""How is a wide table laid out in a narrow terminal? As many columns side by side as fit, the others below them.

The tables of rich wrap or truncate cells that do not fit; rich cannot move whole columns into a further table.
"""

import textwrap
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import zip_longest

GAP = "  "  # between columns


@dataclass(frozen=True)
class Column:
    """A heading, which may have several lines, and the lines of each row."""

    name: str
    cells: Sequence[Sequence[str]]

    @property
    def width(self) -> int:
        return max(map(len, (*self.name.split("\n"), *(line for lines in self.cells for line in lines))))


def of_rows(names: Sequence[str], rows: Sequence[Sequence[str]]) -> list[Column]:
    """Columns whose cells have one line each."""
    return [Column(name, [[row[i]] for row in rows]) for i, name in enumerate(names)]


def across(columns: Sequence[Column]) -> int:
    """The width of the columns side by side."""
    return sum(column.width + len(GAP) for column in columns) - len(GAP)


def packed(columns: Sequence[Column], width: int) -> list[list[Column]]:
    """Tables, each with the first column and as many of the others as fit, but at least one."""
    label, *rest = columns
    tables: list[list[Column]] = []
    for column in rest:
        if not tables or across((*tables[-1], column)) > width:
            tables.append([label])
        tables[-1].append(column)
    return tables


def drawn(columns: Sequence[Column], *, apart: bool = True) -> Iterator[str]:
    """The lines of a table; `apart`: with an empty line below each row."""
    widths = [column.width for column in columns]
    rows = [[column.name.split("\n") for column in columns], *zip(*(column.cells for column in columns), strict=True)]
    for number, row in enumerate(rows):
        for lines in zip_longest(*row, fillvalue=""):
            yield GAP.join(text.ljust(width) for text, width in zip(lines, widths, strict=True)).rstrip()
        if number == 0 or apart:
            yield "" if number else "─" * across(columns)


def wrapped(text: str, width: int, indent: str = "") -> list[str]:
    """The lines of `text`, broken only between words, so that paths and names stay whole."""
    return textwrap.wrap(text, width, subsequent_indent=indent, break_long_words=False, break_on_hyphens=False) or [""]
