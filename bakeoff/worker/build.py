"""How are a cell's model, weights and batches built on the device? In the child, in the same way for every job."""

from functools import partial
from pathlib import Path
from typing import Any, cast

from bakeoff.authoring.discovery import load
from bakeoff.authoring.model import Arrays, Draw, Model, Weights
from bakeoff.authoring.stack import BuildConfig, Precision, Stack
from bakeoff.records.request import Request
from bakeoff.system import procfs
from bakeoff.worker.shipped import PROGRAM, Shipped

ROTATING = 2  # batches between which the timed steps alternate
WARM_UP_TURNS = 5  # over the rotating batches, in children that time nothing: as many steps as the shortest timed warm-up
HELD_OUT = 2  # batches that the program first receives after timing


def fields(words: tuple[str, ...]) -> dict[str, int]:
    """The entries "name=value" of Settings.shape as a mapping."""
    return {name: int(value) for name, _, value in (word.partition("=") for word in words)}


def build(request: Request, stack: Stack[Any], precision: str, model: Model | None = None) -> tuple[Model, int, Any, list[Any]]:
    """(model, bytes of its weights, program, batches on the device).

    The first ROTATING batches are for timed steps, the other HELD_OUT are held out. `precision` is the dtype of the program.
    If `model` is not given, it is loaded from the request's file.
    """
    settings = request.settings
    model = model or load(Path(request.model_path), "MODEL").at(settings.size, settings.batch_size, fields(settings.shape))
    assert model is not None
    weights = Weights(partial(initial_weights, request, model))
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


def initial_weights(request: Request, model: Model) -> Arrays:
    """The weights with which every cell of `model` starts, drawn from the seed."""
    return model.weights(Draw(request.settings.seed))
