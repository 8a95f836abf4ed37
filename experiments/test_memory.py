"""How much memory is used at the peak, and does memory grow while steps are timed?"""

from bakeoff.analysis.metrics import METRICS
from bakeoff.analysis.steady import leaked_bytes


def test_memory(ran, record_property):
    for name in ("compile_peak", "steady_peak"):
        record_property(f"{name}_bytes", METRICS[name].value(ran))
    for measurement in ran.measurements:
        assert leaked_bytes(measurement) == 0, f"memory while timed, in bytes: {measurement.memory.timed_bytes}"
        # less than the weights alone would mean that memory is not measured correctly
        assert measurement.memory.steady_peak_bytes >= measurement.memory.weights_bytes
