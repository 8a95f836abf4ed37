"""Which command runs one cell again? Pure."""

import shlex

from bakeoff.records.cell import Cell, Mode
from bakeoff.records.trial import Settings
from bakeoff.system.environment import default_threads


def command(cell: Cell, settings: Settings, verb: str = "explain") -> str:
    """The command line of `verb` (explain, repro) for this cell with these settings."""
    explain = verb == "explain"
    words = ["bakeoff", verb, cell.model, cell.stack, *([cell.mode] if cell.mode is not Mode.INFERENCE else [])]
    if settings.size != "small":
        words += ["--size", settings.size]
    if settings.batch_size is not None:
        words += ["--batch-size", str(settings.batch_size)]
    if explain and settings.threads != default_threads():
        words += ["--threads", str(settings.threads)]
    words += [word for field in settings.shape for word in ("--shape", field)] if explain else []
    if explain and settings.target:
        words += ["--target", settings.target]
    if explain and settings.dtype != "float32":
        words += ["--dtype", settings.dtype]
    if explain and settings.device != "cpu":
        words += ["--device", settings.device]
    places = zip(settings.found_with[::2], settings.found_with[1::2], strict=True)
    words += [word for flag, value in places if explain or flag != "--interpreter" for word in (flag, value)]
    return shlex.join(words)
