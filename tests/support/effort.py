"""How many random cases does a test run? All of them in `make test`, a quarter in `make quick`."""

import os


def cases(most: int) -> int:
    """The settings of a test with random cases, which are the same in every run."""
    return most // 4 if os.environ.get("BAKEOFF_TESTS") == "quick" else most
