"""Writes and runs scripts that reproduce one cell in the bare framework."""

from bakeoff.authoring import discovery
from bakeoff.cli import repro

MODELS = discovery.models()

STACKS = discovery.stacks()


def text(model: str, stack: str, **changes: object) -> str:
    return repro.script(MODELS[model], STACKS[stack], STACKS, **({"size": "small", "batch_size": None} | changes))
