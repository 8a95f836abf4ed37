"""Are our Triton kernels correct, and how fast are they beside Inductor's and eager PyTorch's?

Each operation and stack is one cell of the matrix. kernel_copy and kernel_matmul show which bytes and flops per second the
device reaches in the same run. Without a GPU, Triton's interpreter checks the kernels and their times are `unavailable`;
`--target cuda:sm_90` reports registers, spills, shared memory and occupancy.
"""

import pytest

from bakeoff.pytest_plugin.replay import child_clock, replay


def test_right(kernel, numerics):
    checked = numerics(kernel)
    assert checked
    assert {row["kernel"]: row["wrong"] for row in checked if row["wrong"]} == {}


@pytest.mark.kernels(stacks="torch_eager,torch_inductor,torch_triton")
@pytest.mark.benchmark(group="kernels", timer=child_clock)
def test_kernel(measured, rates, benchmark):
    benchmark.extra_info["cell"] = str(measured.cell)
    benchmark.extra_info.update(rates)
    replay(benchmark, measured.steady_step_s)


@pytest.mark.kernels(stacks="torch_inductor,torch_triton")
def test_kernel_compiles(compile_only, expected_code):
    nothing = expected_code.check(compile_only)
    if nothing:
        pytest.skip(f"compiled, but {nothing}")
