"""How long does one step take after warm-up, and how many items per second is that?"""

import pytest

from bakeoff.pytest_plugin.replay import child_clock, replay


@pytest.mark.benchmark(group="step time", timer=child_clock)
def test_step_time(measured, benchmark):
    item = measured.measurements[0].item
    benchmark.extra_info["cell"] = str(measured.cell)
    benchmark.extra_info[f"{item}_per_second"] = measured.throughput
    benchmark.extra_info["tenth_percentile_s"] = measured.value_s
    replay(benchmark, measured.steady_step_s)
