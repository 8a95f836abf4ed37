"""In the child: a cell's model, weights and batches on the device, as every job builds them."""

from functools import partial
from pathlib import Path
from typing import Any, cast

from bakeoff.authoring.discovery import load
from bakeoff.authoring.model import Arrays, Draw, Model, Weights
from bakeoff.authoring.stack import BuildConfig, Precision, Stack
from bakeoff.records.request import Request
from bakeoff.system import procfs
from bakeoff.worker.shipped import PROGRAM, Shipped

ROTATING = 2  # batches that the timed steps take in turn
WARM_UP_TURNS = 5  # of the rotating batches, in children that are not timed: as many steps as the shortest warm-up
HELD_OUT = 2  # batches that the program first sees after the clock has stopped


def fields(words: tuple[str, ...]) -> dict[str, int]:
    """Settings.shape as a model takes it."""
    return {name: int(value) for name, _, value in (word.partition("=") for word in words)}


def build(request: Request, stack: Stack[Any], precision: str, model: Model | None = None) -> tuple[Model, int, Any, list[Any]]:
    """(model, bytes of its weights, program, batches: those that take turns, then those held out)."""
    settings = request.settings
    model = model or load(Path(request.model_path), "MODEL").at(settings.size, settings.batch_size, fields(settings.shape))
    assert model is not None
    weights = Weights(partial(drawn, request, model))
    served = isinstance(model, Shipped)
    config = BuildConfig(
        mode=request.cell.mode,
        device=settings.device,
        precision=cast(Precision, precision),
        threads=settings.threads,
        artifact=str(Path(request.artifact, PROGRAM)) if served and request.artifact else None,
    )
    program = stack.build(model, weights, config)
    weights_bytes = model.weights_bytes if isinstance(model, Shipped) else sum(array.nbytes for array in weights.values())
    weights.release()
    procfs.trim()
    batches = [stack.to_device(program, model.batch(Draw(settings.seed, 1, i), i)) for i in range(ROTATING + HELD_OUT)]
    return model, weights_bytes, program, batches


def drawn(request: Request, model: Model) -> Arrays:
    """The weights that every cell of a model starts from."""
    return model.weights(Draw(request.settings.seed))
