"""How long does each deployment format take to write, to load and to run without the model's code, and is its output correct?

One child, which has the model's code, exports the eager program of its framework. A second child, which does not have that
code, loads the files and is timed like any cell. The model is mlp unless `--models` names others; the stacks are those whose
HEADER has the key exported_by.
"""

import pytest

from bakeoff.pytest_plugin.replay import child_clock, replay
from bakeoff.tasks.export.table import first_output_s, load_s


@pytest.mark.cells(models="mlp")
@pytest.mark.benchmark(group="step time of deployment formats", timer=child_clock)
def test_deploy(measured, export, benchmark):
    benchmark.extra_info["cell"] = str(measured.cell)
    benchmark.extra_info["export_s"] = export.export_s
    benchmark.extra_info["artifact_bytes"] = export.artifact_bytes
    benchmark.extra_info["load_s"] = load_s(measured)
    benchmark.extra_info["first_output_s"] = first_output_s(measured)
    benchmark.extra_info["parity_error"] = measured.parity_error
    replay(benchmark, measured.steady_step_s)
