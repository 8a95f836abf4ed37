"""Do expected graph breaks fail in both directions, and does the gallery break where it says?"""

from dataclasses import replace
from pathlib import Path

import pytest

from harness import discover
from harness.cell import Cell, Mode
from harness.diagnostics import Diagnostics
from harness.discover import GALLERY, ROOT
from harness.errors import UsageError
from harness.expected import ExpectedBreaks
from tests.test_diagnostics import BREAK, CELL


def test_expected_breaks_fail_both_ways_and_are_accepted_by_command(tmp_path: Path) -> None:
    path = tmp_path / "graph_breaks.toml"
    path.write_text("# kept\n")
    found = Diagnostics(graphs=2, breaks=(BREAK,))
    with pytest.raises(AssertionError, match="--models toy --stacks compiler --accept-breaks"):
        ExpectedBreaks(path, [CELL]).check(CELL, found)
    ExpectedBreaks(path, [CELL], accept=True).check(CELL, found)
    assert path.read_text().startswith("# kept\n")
    ExpectedBreaks(path, [CELL]).check(CELL, found)
    with pytest.raises(AssertionError, match=r"break as\n  \(nowhere\)"):  # an improvement fails as loudly
        ExpectedBreaks(path, [CELL]).check(CELL, Diagnostics(graphs=1))
    with pytest.raises(AssertionError, match="do not agree"):
        ExpectedBreaks(path, [CELL]).check(CELL, replace(found, remarks=("they do not agree",)))
    before = path.read_text()
    with pytest.raises(AssertionError, match="do not agree"):  # a record with a hole is not accepted
        ExpectedBreaks(path, [CELL], accept=True).check(CELL, Diagnostics(graphs=1, remarks=("they do not agree",)))
    with pytest.raises(AssertionError, match="the project's own"):  # nor is one of somebody else's model
        ExpectedBreaks(path, [CELL], [], accept=True).check(CELL, Diagnostics(graphs=1))
    assert path.read_text() == before
    with pytest.raises(UsageError, match="there is no cell"):
        ExpectedBreaks(path, [])


FILES = sorted(path for path in GALLERY.glob("breaks_*.py"))


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_each_breakage_is_expected_where_it_is_planted_and_nowhere_else(path: Path) -> None:
    """The truth is the mark in the model's source; graph_breaks.toml says what is found."""
    planted = [n for n, line in enumerate(path.read_text().splitlines(), start=1) if line.endswith("# breaks here")]
    assert len(planted) == 2  # one in each half, PyTorch's first
    line = {"torch": planted[0], "tf": planted[1]}
    stacks = ("torch_inductor", "torch_script", "tf_function", "tf_xla")
    cells = [Cell(path.stem, stack, Mode.INFERENCE) for stack in stacks]
    expected = ExpectedBreaks(ROOT / "experiments" / "graph_breaks.toml", discover.every_cell())
    rows = [row for cell in cells for row in expected.of(cell)]
    assert any("torch_inductor" in row.cell for row in rows)  # each of them breaks at least there
    for row in rows:
        half = row.cell.removeprefix(f"{path.stem}-").split("_")[0]
        assert row.where == f"models/gallery/{path.name}:{line[half]}", row


def test_the_gallery_is_large_enough() -> None:
    assert len(FILES) >= 12
