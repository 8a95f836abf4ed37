"""Is it still the same function? Outputs of timed steps and of unseen batches against a float64 eager reference."""


def test_parity(ran):
    for measurement in ran.measurements:
        parity = measurement.parity
        assert parity is not None, "there is no float64 reference"
        assert {check.when for check in parity.checks} == {"timed", "unseen"}
        for check in parity.checks:
            assert check.holds(parity.tolerance), f"{check.when} batch {check.batch} is off by {check.error}"
