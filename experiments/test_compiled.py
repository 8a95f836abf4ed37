"""What does a compiler make of the model for a GPU that is not here, and does its code compute the right thing?

Asked with `--target cuda:sm_90` (or sm_80, sm_100), which compiles down to the binary and runs nothing, or with
`--target interpreter`, which runs Inductor's Triton code on the CPU, statement by statement, and compares with float64.
"""

import pytest


def test_compiled(compile_only, expected_code):
    nothing = expected_code.check(compile_only)
    if nothing:
        pytest.skip(f"compiled, but {nothing}")
