"""One square of the matrix: three strings, so that it is a test id, a JSON object and a file name."""

from dataclasses import dataclass
from enum import StrEnum


class Mode(StrEnum):
    """What one step does: a forward pass as it is served; or a training step, whole, and what it is made of.

    Loss: forward in training form (batch norm by the batch's statistics) and the loss. Gradient: and backward. Training: and
    the optimizer. What differentiation costs is the difference of the second and the first.
    """

    INFERENCE = "inference"
    LOSS = "loss"
    GRADIENT = "gradient"
    TRAINING = "training"

    @property
    def differentiates(self) -> bool:
        """Does a step compute gradients?"""
        return self in (Mode.GRADIENT, Mode.TRAINING)


@dataclass(frozen=True, slots=True, order=True)
class Cell:
    """Model × stack × mode."""

    model: str
    stack: str
    mode: Mode

    def __str__(self) -> str:
        return f"{self.model}-{self.stack}-{self.mode}"
