"""How many cases a test draws: all of them in `make test`, a quarter in `make quick`."""

import os


def cases(most: int) -> int:
    """Of a test that draws its cases: each of them is the same in every run."""
    return most // 4 if os.environ.get("BAKEOFF_TESTS") == "quick" else most
