"""Does each compiler report each known graph break, at the planted line and with the right kind? Diagnosed only, not timed."""


def test_breakage(diagnosis, expected_breaks):
    expected_breaks.check(diagnosis.cell, diagnosis.diagnostics)
