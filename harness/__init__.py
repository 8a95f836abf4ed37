"""The instrument. A model or a stack needs the names below and nothing else of it."""

from harness.cell import Cell, Mode
from harness.clock import Laps
from harness.diagnostics import Compiled, CompilePhase, Diagnostics, GraphBreak, Kind, Recompile, merged
from harness.discover import is_users, raised_at, where
from harness.errors import MissingHalf, Unavailable, Unsupported
from harness.model import Array, Arrays, Batch, Draw, Model, Sizes, Weights
from harness.stack import Mark, Setup, Stack, Step

__all__ = [
    "Array",
    "Arrays",
    "Batch",
    "Cell",
    "CompilePhase",
    "Compiled",
    "Diagnostics",
    "Draw",
    "GraphBreak",
    "Kind",
    "Laps",
    "Mark",
    "MissingHalf",
    "Mode",
    "Model",
    "Recompile",
    "Setup",
    "Sizes",
    "Stack",
    "Step",
    "Unavailable",
    "Unsupported",
    "Weights",
    "is_users",
    "merged",
    "raised_at",
    "where",
]
