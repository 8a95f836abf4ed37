"""Are our Triton kernels right, and how near do they, Inductor's own and eager come to what this device can do?

Times are the matrix's: one cell per operation and stack. A share is of what the device was measured to reach in the same run:
a copy's bytes per second (kernel_copy), or the library's flops per second (kernel_matmul), both by eager PyTorch. Without a GPU
the kernels are checked by Triton's interpreter, a cell's time is `unavailable`, and registers, spills, shared memory and
occupancy are what `--target cuda:sm_90` compiles.
"""

import pytest

from bakeoff.pytest_plugin.replay import child_clock, replay


def test_right(kernel, numerics):
    checked = numerics(kernel)
    assert checked
    assert {row["kernel"]: row["wrong"] for row in checked if row["wrong"]} == {}


@pytest.mark.kernels(stacks="torch_eager,torch_inductor,torch_triton")
@pytest.mark.benchmark(group="kernels", timer=child_clock)
def test_kernel(measured, shares, benchmark):
    benchmark.extra_info["cell"] = str(measured.cell)
    benchmark.extra_info.update(shares)
    replay(benchmark, measured.steady_step_s)


@pytest.mark.kernels(stacks="torch_inductor,torch_triton")
def test_kernel_compiles(compile_only, expected_code):
    nothing = expected_code.check(compile_only)
    if nothing:
        pytest.skip(f"compiled, but {nothing}")
