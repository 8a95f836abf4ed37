"""Is it still the same function? Outputs of timed steps and of unseen batches against a float64 eager reference.

In training: loss, gradients, how far the parameters moved, and batch norm's statistics, of a first step on three batches, and
the curve of ten losses where the model is well-conditioned.
"""


def test_parity(ran):
    for measurement in ran.measurements:
        parity = measurement.parity
        assert parity is not None, "there is no float64 reference"
        assert {check.when for check in parity.checks} >= {"timed", "held-out"}
        for check in parity.failed:
            allowed = parity.tolerance if check.tolerance is None else check.tolerance
            off = f"{check.output} of {check.when} batch {check.batch} is off by {check.error}; it may be by {allowed}"
            raise AssertionError(off)  # by which known_gaps.toml calls it
