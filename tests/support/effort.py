"""How many cases does a test have? All of them in `make test`, a part of them in `make quick`."""

import os
from collections.abc import Sequence
from typing import TypeVar

T = TypeVar("T")
QUICK = os.environ.get("BAKEOFF_TESTS") == "quick"


def cases(most: int) -> int:
    """The number of random cases, which are the same in every run."""
    return most // 8 if QUICK else most


def some(parameters: Sequence[T]) -> Sequence[T]:
    """Of parameters that differ little from each other."""
    return parameters[::4] if QUICK else parameters
