"""One square of the matrix: three strings, so that it is a test id, a JSON object and a file name."""

from dataclasses import dataclass
from enum import StrEnum


class Mode(StrEnum):
    """What one step does: a forward pass, or forward, loss, backward and optimizer."""

    INFERENCE = "inference"
    TRAINING = "training"


@dataclass(frozen=True, slots=True, order=True)
class Cell:
    """Model × stack × mode."""

    model: str
    stack: str
    mode: Mode

    def __str__(self) -> str:
        return f"{self.model}-{self.stack}-{self.mode}"
