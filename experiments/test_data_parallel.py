"""How much faster is training with a second worker, and does it give the same result?

Each step's batch is split over 1 or 2 workers, by PyTorch's DistributedDataParallel and TensorFlow's MirroredStrategy. The
model is mlp unless `--models` names others. Status ok means parity: loss, gradients and parameters after the first step equal
those of one float64 process with the whole batch.
"""

import pytest

from bakeoff.pytest_plugin.replay import child_clock, replay


@pytest.mark.cells(
    example="mlp", stacks="torch_ddp_1,torch_ddp_2,tf_mirrored_1,tf_mirrored_2", modes="training", when="training"
)
@pytest.mark.benchmark(group="data-parallel training", timer=child_clock)
def test_data_parallel(measured, scaling, benchmark):
    item = measured.measurements[0].item
    benchmark.extra_info["cell"] = str(measured.cell)
    benchmark.extra_info[f"{item}_per_second"] = measured.throughput
    benchmark.extra_info.update(scaling)
    replay(benchmark, measured.steady_step_s)
