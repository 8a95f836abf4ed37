"""Did the compiler see the whole program? Where not, is it where we know it?"""

from harness.gaps import ExpectedBreak


def test_graph_breaks(ran, expected_breaks):
    expected = expected_breaks.of(str(ran.cell))
    seen = sorted(ExpectedBreak.of(ran.cell, b) for b in ran.diagnostics.breaks)
    rows = "\n".join(row.toml for row in seen) or "no row at all"
    assert seen == expected, f"to accept what was seen, let experiments/graph_breaks.toml say of {ran.cell}:\n{rows}"
    assert not ran.diagnostics.remarks, ran.diagnostics.remarks
