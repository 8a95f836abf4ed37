"""Does a missing or an additional graph break fail, and does the gallery break where it claims to?"""

from dataclasses import replace
from pathlib import Path

import pytest

from bakeoff.authoring import discovery
from bakeoff.authoring.discovery import GALLERY, ROOT, Source, StackSource
from bakeoff.authoring.errors import UsageError
from bakeoff.expectations.graph_breaks import ExpectedBreaks, ExpectedEverywhere
from bakeoff.records.cell import Cell, Mode
from bakeoff.records.diagnostics import Diagnostics
from tests.support.builders import BREAK, CELL


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
    assert path.read_text() == before
    with pytest.raises(UsageError, match="there is no cell"):
        ExpectedBreaks(path, [])


def test_a_users_own_breaks_are_expected_beside_their_files(tmp_path: Path) -> None:
    def source(kind: type[Source], name: str, folder: str) -> Source:
        (tmp_path / folder).mkdir(exist_ok=True)
        more = {"framework": "numpy"} if kind is StackSource else {}
        return kind(name=name, path=tmp_path / folder / f"{name}.py", **more)

    ours = tmp_path / "ours" / "graph_breaks.toml"
    ours.parent.mkdir()
    models = [source(Source, "mine", "my_models"), discovery.models()["mlp"]]
    stacks = [source(StackSource, "my_stack", "my_stacks"), discovery.stacks()["tf_xla"]]
    found = Diagnostics(graphs=2, breaks=(BREAK,))

    def everywhere(accept: bool = False) -> ExpectedEverywhere:
        return ExpectedEverywhere(ours, models, stacks, [Mode.INFERENCE], accept=accept)

    places = {("mine", "tf_xla"): "my_models", ("mine", "my_stack"): "my_models", ("mlp", "my_stack"): "my_stacks"}
    for (model, stack), folder in {**places, ("mlp", "tf_xla"): "ours"}.items():
        cell = Cell(model, stack, Mode.INFERENCE)
        with pytest.raises(AssertionError, match=f"{folder}/graph_breaks.toml has"):
            everywhere().check(cell, found)
        everywhere(accept=True).check(cell, found)
        assert f'cell = "{cell}"' in (tmp_path / folder / "graph_breaks.toml").read_text()
        everywhere().check(cell, found)
    stranger = ours.read_text().replace("mlp-tf_xla", "mine-tf_xla")
    ours.write_text(stranger)
    with pytest.raises(UsageError, match="there is no cell 'mine-tf_xla-inference'"):
        everywhere()


FILES = sorted(path for path in GALLERY.glob("breaks_*.py"))


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_each_breakage_is_expected_where_it_is_planted_and_nowhere_else(path: Path) -> None:
    """The truth is the mark in the model's source; graph_breaks.toml says what is found."""
    planted = [n for n, line in enumerate(path.read_text().splitlines(), start=1) if line.endswith("# breaks here")]
    assert len(planted) == 2  # one in each implementation, PyTorch's first
    line = {"torch": planted[0], "tf": planted[1]}
    stacks = ("torch_inductor", "torch_script", "tf_function", "tf_xla")
    cells = [Cell(path.stem, stack, Mode.INFERENCE) for stack in stacks]
    expected = ExpectedBreaks(ROOT / "experiments" / "graph_breaks.toml", discovery.every_cell())
    rows = [row for cell in cells for row in expected.of(cell)]
    assert any("torch_inductor" in row.cell for row in rows)  # each of them breaks at least there
    for row in rows:
        framework = row.cell.removeprefix(f"{path.stem}-").split("_")[0]
        assert row.where == f"models/gallery/{path.name}:{line[framework]}", row


def test_the_gallery_is_large_enough() -> None:
    assert len(FILES) >= 12
