"""What may be written to a stream: colours, a line that is written over, how wide a table. By text alone everything is said."""

import os
import shutil
from typing import TYPE_CHECKING, TextIO

if TYPE_CHECKING:
    from rich.console import Console

FILE_WIDTH = 100  # of a pipe, a file, a CI log: the table of the six main stacks


def live(stream: TextIO | None) -> bool:
    """May a line be written over? Only on a terminal that can, which somebody looks at: not in a CI log."""
    if stream is None or not stream.isatty() or os.environ.get("TERM", "") in ("dumb", "unknown"):
        return False
    return os.environ.get("CI", "").lower() in ("", "0", "false")


def colours(stream: TextIO | None) -> bool:
    """May it be coloured? Where a line may be written over, and nobody has set NO_COLOR (no-color.org)."""
    return live(stream) and not os.environ.get("NO_COLOR")


def columns(stream: TextIO) -> int:
    """Of the terminal, if it is one, or what the user has put into COLUMNS."""
    return shutil.get_terminal_size((FILE_WIDTH, 0)).columns if stream.isatty() or "COLUMNS" in os.environ else FILE_WIDTH


def plain(width: int) -> "Console":
    """For text without any escape codes, whatever the environment says of colours."""
    from rich.console import Console  # collecting tests needs none

    return Console(width=width, highlight=False, force_terminal=False, color_system=None)


def coloured(stream: TextIO, width: int) -> "Console":
    """For text with colours where the stream takes them."""
    from rich.console import Console

    may = colours(stream)
    return Console(width=width, highlight=False, force_terminal=may, color_system="auto" if may else None)
