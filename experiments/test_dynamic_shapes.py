"""How often does one compiled program compile again for a series of batch sizes, and what does each size cost?

Measured on stacks with and without their options for dynamic shapes. `--shapes` and `--shape-axis` choose another series,
`--shape-models` and `--stacks` other cells.
"""

import pytest

from bakeoff.pytest_plugin.replay import child_clock, replay

SIZES = (8, 9, 10, 16, 33, 64)

# the sizes of SIZES that compile again, along batch_size; a stack without a row is reported and not checked
RECOMPILED = {
    "torch_script": [],  # one plan serves all shapes
    "torch_inductor": [9],  # the second size makes the dimension symbolic
    "torch_inductor_static": [9, 10, 16, 33, 64],
    "torch_inductor_dynamic": [],
    "torch_inductor_marked": [],
    "tf_function": [9, 10, 16, 33, 64],
    "tf_function_relaxed": [9],
    "tf_function_signature": [],
    "tf_xla": [9, 10, 16, 33, 64],
    "tf_xla_signature": [9, 10, 16, 33, 64],  # one trace, but XLA compiles each concrete shape
}


@pytest.mark.cells(models="mlp", stacks=",".join(RECOMPILED))
@pytest.mark.benchmark(group="step time after new shapes", timer=child_clock)
def test_dynamic_shapes(shape_series, benchmark):
    steps = shape_series.steps
    benchmark.extra_info["cell"] = str(shape_series.cell)
    benchmark.extra_info[shape_series.axis] = [step.size for step in steps]
    benchmark.extra_info["compile_s"] = [step.compile_s for step in steps]
    replay(benchmark, steps[-1].step_s)
    assert not shape_series.wrong, f"the output is wrong for {shape_series.axis} {shape_series.wrong}"
    expected = RECOMPILED.get(shape_series.cell.stack)
    if expected is not None and shape_series.axis == "batch_size" and tuple(s.size for s in steps) == SIZES:
        assert shape_series.recompiled == expected, "to accept these sizes, change RECOMPILED in this file"
