"""Which names does the file of a model or a stack import? Those below, and nothing else of this package.

In a checkout `bakeoff.models`, `bakeoff.compilers` and `bakeoff.experiments` are the folders beside this one; in an installed
package they lie inside it (setup.py, package_dir).
"""

from pathlib import Path

_BESIDE = Path(__file__).parent.parent
if (_BESIDE / "compilers").is_dir() and (_BESIDE / "models").is_dir():  # a checkout, or an arm of `bakeoff ab`
    __path__.insert(0, str(_BESIDE))

from bakeoff.authoring.discovery import is_users, raised_at, where  # noqa: E402  # the path comes first
from bakeoff.authoring.errors import MissingImplementation, Unavailable, Unsupported  # noqa: E402
from bakeoff.authoring.laps import Laps  # noqa: E402
from bakeoff.authoring.model import Array, Arrays, Batch, Draw, Model, Sizes, Weights  # noqa: E402
from bakeoff.authoring.protocols import (  # noqa: E402
    CrossCompiles,
    Diagnosable,
    Exportable,
    PaysOneTimeCost,
    Profilable,
    RunsWithoutCompiler,
    Trainable,
)
from bakeoff.authoring.stack import BuildConfig, Stack, Step, StepMarker  # noqa: E402
from bakeoff.records.cell import Cell, Mode  # noqa: E402
from bakeoff.records.diagnostics import (  # noqa: E402
    Compiled,
    CompilePhase,
    Diagnostics,
    GraphBreak,
    Kind,
    Recompile,
    merged,
)

__all__ = [
    "Array",
    "Arrays",
    "Batch",
    "BuildConfig",
    "Cell",
    "CompilePhase",
    "Compiled",
    "CrossCompiles",
    "Diagnosable",
    "Diagnostics",
    "Draw",
    "Exportable",
    "GraphBreak",
    "Kind",
    "Laps",
    "MissingImplementation",
    "Mode",
    "Model",
    "PaysOneTimeCost",
    "Profilable",
    "Recompile",
    "RunsWithoutCompiler",
    "Sizes",
    "Stack",
    "Step",
    "StepMarker",
    "Trainable",
    "Unavailable",
    "Unsupported",
    "Weights",
    "is_users",
    "merged",
    "raised_at",
    "where",
]
