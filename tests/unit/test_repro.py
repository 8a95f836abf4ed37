"""Is the script of a cell self-contained, and is code that cannot be copied reported?"""

import argparse
import ast
import builtins
import re
import sys
from pathlib import Path

import pytest

from bakeoff.__main__ import main
from bakeoff.authoring.discovery import ROOT, Source, StackSource
from bakeoff.authoring.errors import UsageError
from bakeoff.cli import repro
from tests.support.effort import some
from tests.support.scripts import MODELS, STACKS, text


def planted(folder: Path, model: str) -> Source:
    path = folder / "planted.py"
    path.write_text(model)
    return Source("planted", path)


PAIRS = [
    (m.name, s.name)
    for m in MODELS
    for s in STACKS
    if s.recipe is not None and (s.default or m.name == "mlp") and not (m.is_kernel and s.framework == "tensorflow")
]


@pytest.mark.parametrize(("model", "stack"), some(PAIRS), ids=["-".join(pair) for pair in some(PAIRS)])
def test_script_is_self_contained(model: str, stack: str) -> None:
    """It is Python, begins as it must, imports nothing of ours, and uses no name that nothing binds."""
    made = text(model, stack)
    tree = ast.parse(made)
    assert made.count("from __future__ import annotations\n") == 1
    assert isinstance(tree.body[1], ast.ImportFrom)
    assert tree.body[1].module == "__future__"
    nodes = list(ast.walk(tree))
    imported = {n.module for n in nodes if isinstance(n, ast.ImportFrom)}
    imported |= {alias.name for n in nodes if isinstance(n, ast.Import) for alias in n.names}
    framework, other = ("torch", "tensorflow") if "torch" in stack else ("tensorflow", "torch")
    packages = {str(module).partition(".")[0] for module in imported}
    assert packages - set(sys.stdlib_module_names) == {"numpy", framework}
    bound = {n.id for n in nodes if isinstance(n, ast.Name) and isinstance(n.ctx, ast.Store)}
    bound |= {n.name for n in nodes if isinstance(n, ast.ClassDef | ast.FunctionDef)}
    bound |= {n.arg for n in nodes if isinstance(n, ast.arg)}
    bound |= {n.asname or n.name for n in nodes if isinstance(n, ast.alias)}
    assert {n.id for n in nodes if isinstance(n, ast.Name)} - bound - set(vars(builtins)) - {"__name__"} == set()
    assert f"def {other}(" not in made
    breaks = [line for line in MODELS[model].path.read_text().splitlines() if "# breaks here" in line]
    assert made.count("# breaks here") == len(breaks) / 2  # one in each implementation


def test_what_a_single_file_cannot_include_is_reported(tmp_path: Path) -> None:
    source = (ROOT / "models" / "article_net.py").read_text()
    moved = source.replace("from bakeoff import", "from no_such_helper import something\nfrom bakeoff import")
    moved = moved.replace("class ArticleNet(Model):", "class ArticleNet(Model):\n    extra = something\n", 1)
    with pytest.raises(UsageError, match="repro cannot find no_such_helper"):
        repro.script(planted(tmp_path, moved), STACKS["torch_eager"], STACKS, size="small", batch_size=None)


def test_every_default_stack_has_a_recipe() -> None:
    assert [s.name for s in STACKS if s.default and s.recipe is None] == []


def test_a_batch_size_of_nothing_is_reported(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["repro", "mlp", "torch_eager", "--batch-size", "0"]) == 2
    assert "--batch-size" in capsys.readouterr().err


def test_batch_size_and_size() -> None:
    assert "model = dataclasses.replace(Print(batch_size=64, width=256), batch_size=3)" in text(
        "breaks_print", "torch_script", size="full", batch_size=3
    )


MODEL = """
from bakeoff import Draw, Sizes
from bakeoff.models.branchy import Branchy
class Planted(Branchy):
    pass
{more}
"""


@pytest.mark.parametrize(
    ("more", "output"),
    [
        ("MODEL = make()", "repro reads MODEL = Sizes(small=..., full=...) and finds no small in it"),
        ("Draw = 1\nMODEL = Sizes(small=Planted(Draw))", "both define Draw: rename one of them for repro"),
        (
            "import bakeoff.authoring.model as m\nMODEL = Sizes(small=Planted(m.SIZES))",
            "repro cannot copy what `import bakeoff.authoring.model as m` imports; write from MODULE import NAME",
        ),
        (
            "class Alone: pass\nMODEL = Sizes(small=Alone())",
            "has no method torch, so torch has nothing to run",
        ),
    ],
)
def test_what_cannot_be_copied_is_reported_in_one_line(tmp_path: Path, more: str, output: str) -> None:
    with pytest.raises(UsageError, match=re.escape(output)):
        repro.script(planted(tmp_path, MODEL.format(more=more)), STACKS["torch_eager"], STACKS, size="small", batch_size=None)


def test_a_stack_without_recipe_is_reported_in_one_line(tmp_path: Path) -> None:
    (tmp_path / "mute.py").write_text('HEADER = {"framework": "torch"}\nSTACK = None\n')
    mute = StackSource(name="mute", path=tmp_path / "mute.py", framework="torch")
    with pytest.raises(UsageError, match='repro needs a "recipe" in the HEADER of mute'):
        repro.script(MODELS["mlp"], mute, STACKS, size="small", batch_size=None)


def asked(*arguments: str) -> int:
    parser = argparse.ArgumentParser()
    repro.add_verb(parser.add_subparsers())
    found = parser.parse_args(["repro", *arguments])
    return int(found.do(found))


@pytest.mark.parametrize("cell", [("mlp-tf_xla-inference",), ("mlp-tf_xla",), ("mlp", "tf_xla")])
def test_command_line(cell: tuple[str, ...], tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert asked(*cell) == 0
    assert capsys.readouterr().out == text("mlp", "tf_xla")
    assert asked(*cell, "-o", str(tmp_path / "it.py")) == 0
    assert (tmp_path / "it.py").read_text() == text("mlp", "tf_xla")


@pytest.mark.parametrize(
    ("arguments", "output"),
    [
        (["mlp-tf_xlaa-inference"], "there is no stack tf_xlaa; there are: "),
        (["mlpp-tf_xla-inference"], "there is no model mlpp; there are: "),
        (["mlp-tf_xla-training"], "repro writes inference steps only"),
        (["mlp"], "write a cell as model-stack-mode"),
        (["mlp-tf_xla", "--size", "huge"], "there is no size huge; there are: small, full"),
        (["mlp-tf_xla", "-o", "/no/such/folder/it.py"], "--output: cannot write /no/such/folder/it.py"),
    ],
)
def test_bad_input_is_reported_in_one_line(arguments: list[str], output: str) -> None:
    with pytest.raises(UsageError, match=re.escape(output)):
        asked(*arguments)
