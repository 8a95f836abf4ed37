"""The instrument. A model or a stack needs the names below and nothing else of it."""

from harness.cell import Cell, Mode
from harness.discover import where
from harness.errors import Unavailable, Unsupported
from harness.measurement import Diagnostics, GraphBreak
from harness.model import Array, Arrays, Batch, Draw, Model, Sizes, Weights
from harness.stack import Setup, Stack, Step

__all__ = [
    "Array",
    "Arrays",
    "Batch",
    "Cell",
    "Diagnostics",
    "Draw",
    "GraphBreak",
    "Mode",
    "Model",
    "Setup",
    "Sizes",
    "Stack",
    "Step",
    "Unavailable",
    "Unsupported",
    "Weights",
    "where",
]
