"""Is each known breakage found where it was planted, and called what it is? Diagnosed only: nothing here is timed."""


def test_breakage(diagnosis, expected_breaks):
    expected_breaks.check(diagnosis.cell, diagnosis.diagnostics)
