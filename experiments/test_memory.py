"""How much memory is used at the peak, and does memory grow while steps are timed?"""

from bakeoff.analysis.steady import leaked_bytes


def test_memory(ran, record_property):
    compile_peak, steady_peak = ran.peak_bytes
    record_property("compile_peak_bytes", compile_peak)
    record_property("steady_peak_bytes", steady_peak)
    for measurement in ran.measurements:
        assert leaked_bytes(measurement) == 0, f"memory while timed, in bytes: {measurement.memory.timed_bytes}"
        # less than the weights alone would mean that memory is not measured correctly
        assert measurement.memory.steady_peak_bytes >= measurement.memory.weights_bytes
