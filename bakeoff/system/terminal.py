"""What may be written to a stream? Colours, lines that are overwritten, and the width of tables.

No information is in colours or overwritten lines alone.
"""

import os
import shutil
import sys
from typing import TYPE_CHECKING, TextIO

if TYPE_CHECKING:
    from rich.console import Console

FILE_WIDTH = 100  # of a pipe, a file or a CI log: enough for the table of the six main stacks


def live(stream: TextIO | None) -> bool:
    """Whether lines may be overwritten: only on a terminal that supports it, and not in a CI log."""
    if stream is None or not stream.isatty() or os.environ.get("TERM", "") in ("dumb", "unknown"):
        return False
    return os.environ.get("CI", "").lower() in ("", "0", "false")


def colours(stream: TextIO | None) -> bool:
    """Whether colours may be used: where lines may be overwritten, unless NO_COLOR is set (no-color.org)."""
    return live(stream) and not os.environ.get("NO_COLOR")


def columns(stream: TextIO) -> int:
    """The width in characters: of the terminal, or the value of COLUMNS, or else FILE_WIDTH."""
    return shutil.get_terminal_size((FILE_WIDTH, 0)).columns if stream.isatty() or "COLUMNS" in os.environ else FILE_WIDTH


def clean(text: str) -> str:
    """Without control characters, so that text from a file cannot control a terminal."""
    return "".join(c if c.isprintable() else " " for c in text)


def to_stderr(line: str) -> None:
    """Print a line of progress. Results go to stdout."""
    sys.stderr.write(f"{line}\n")
    sys.stderr.flush()


def plain(width: int) -> "Console":
    """A console that writes no escape codes, whatever the environment says about colours."""
    from rich.console import Console  # imported late: collecting tests does not need it

    return Console(width=width, highlight=False, force_terminal=False, color_system=None)


def coloured(stream: TextIO, width: int) -> "Console":
    """A console that writes colours where `stream` may have them."""
    from rich.console import Console

    allowed = colours(stream)
    return Console(width=width, highlight=False, force_terminal=allowed, color_system="auto" if allowed else None)
