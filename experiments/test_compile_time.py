"""How long does the first call take, with empty caches and with the disk caches that an earlier process left?"""

import pytest

from bakeoff.pytest_plugin.replay import child_clock, replay


@pytest.mark.benchmark(group="compile time", timer=child_clock)
def test_compile_time(measured, start, benchmark):
    trials = measured.trials if start == "cold" else measured.warm
    benchmark.extra_info["cell"] = str(measured.cell)
    benchmark.extra_info["first_call_s"] = [t.measurement.first_call_s for t in trials]
    benchmark.extra_info["first_call_cpu_s"] = [t.measurement.first_call_cpu_s for t in trials]
    replay(benchmark, [t.measurement.compile_s for t in trials])
