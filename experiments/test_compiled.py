"""What does a compiler generate for a GPU that this machine does not have, and is the generated code correct?

Needs `--target`. `--target cuda:sm_90` (or sm_80, sm_100) compiles to a binary and runs nothing. `--target interpreter` runs
Inductor's Triton code on the CPU, statement by statement, and compares the outputs with float64.
"""

import pytest


def test_compiled(compile_only, expected_code):
    nothing = expected_code.check(compile_only)
    if nothing:
        pytest.skip(f"compiled, but {nothing}")
