"""Did the compiler capture the whole program, except for the breaks in graph_breaks.toml?"""


def test_graph_breaks(ran, diagnostics, expected_breaks):
    expected_breaks.check(ran.cell, diagnostics)
