"""Does the compiled program compute the same function as a float64 eager reference?

Inference: outputs of timed steps and of held-out batches. Training: loss, gradients, parameter updates and batch-norm
statistics of a first step on three batches, and the first ten losses where the model is well-conditioned.
"""


def test_parity(ran):
    for measurement in ran.measurements:
        parity = measurement.parity
        assert parity is not None, "there is no float64 reference"
        assert {check.when for check in parity.checks} >= {"timed", "held-out"}
        for check in parity.failed:
            allowed = parity.tolerance if check.tolerance is None else check.tolerance
            off = f"{check.output} of {check.when} batch {check.batch} is off by {check.error}; it may be by {allowed}"
            raise AssertionError(off)  # the exception that rows of known_gaps.toml name
