"""Did the compiler see the whole program? Where not, is it where we know it?"""


def test_graph_breaks(ran, diagnostics, expected_breaks):
    expected_breaks.check(ran.cell, diagnostics)
