"""Which command runs one cell again, or makes a run of a model? Pure."""

import shlex
from collections.abc import Sequence

from bakeoff.analysis.settings import flags_of_the_cell, flags_of_the_script, options
from bakeoff.records.cell import Cell, Mode
from bakeoff.records.trial import Settings


def command(cell: Cell, settings: Settings, verb: str = "explain") -> str:
    """The command line of `verb` (explain, repro) for this cell with these settings."""
    return command_line(verb, (cell.model, cell.stack), cell.mode, settings)


def command_line(verb: str, names: Sequence[str], mode: Mode, settings: Settings) -> str:
    """The command line of `verb` for these models and stacks with these settings."""
    flags = flags_of_the_script() if verb == "repro" else flags_of_the_cell()
    words = ["bakeoff", verb, *names, *([] if mode is Mode.INFERENCE else [str(mode)])]
    return shlex.join([*words, *options(settings, flags)])
