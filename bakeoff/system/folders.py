"""Where are Bakeoff's own files, if no option says so? In a checkout beside the code; installed, in the user's data folder."""

import os
from pathlib import Path

from bakeoff.authoring.discovery import INSTALLED, ROOT


def data() -> Path:
    """The user's data folder, by the XDG base directory specification: a relative XDG_DATA_HOME does not count."""
    named = Path(os.environ.get("XDG_DATA_HOME") or "")
    return (named if named.is_absolute() else Path.home() / ".local" / "share") / "bakeoff"


def saved_runs() -> Path:
    """Of saved runs: --benchmark-storage."""
    return data() / "benchmarks" if INSTALLED else ROOT / ".benchmarks"


def work() -> Path:
    """Of runs while they go on, and of what a machine pays once: --bakeoff-storage."""
    return data() / "work" if INSTALLED else ROOT / ".bakeoff"
