"""What is a cell? A model, a stack and a mode: three strings, which also make a test id, a JSON object and a file name."""

from dataclasses import dataclass
from enum import StrEnum


class Mode(StrEnum):
    """What does one step do?

    - inference: the forward pass.
    - loss: the forward pass in training form (batch norm uses the batch's statistics), and the loss.
    - gradient: the same, and the backward pass.
    - training: the same, and the optimizer's update.

    The cost of differentiation is the step time of gradient minus that of loss.
    """

    INFERENCE = "inference"
    LOSS = "loss"
    GRADIENT = "gradient"
    TRAINING = "training"

    @property
    def differentiates(self) -> bool:
        """Whether a step computes gradients."""
        return self in (Mode.GRADIENT, Mode.TRAINING)


@dataclass(frozen=True, slots=True, order=True)
class Cell:
    """One model on one stack in one mode: the unit that is measured."""

    model: str
    stack: str
    mode: Mode

    def __str__(self) -> str:
        return f"{self.model}-{self.stack}-{self.mode}"
