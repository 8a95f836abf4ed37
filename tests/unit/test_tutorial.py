"""Does every command in the documentation parse, and is what a page says to type what is tested?"""

import re
import shlex

import pytest

from bakeoff.__main__ import _parser
from bakeoff.authoring.discovery import ROOT
from tests.support.pages import README, TUTORIAL, commands, files, table

LONGEST = 15  # lines of an example in the README
PRINTED = re.compile(r"^    \.venv/bin/bakeoff (.*)$", re.MULTILINE)


@pytest.mark.parametrize("page", ["README.md", *(f"docs/{path.name}" for path in sorted((ROOT / "docs").glob("*.md")))])
def test_every_command_in_the_docs_parses(page: str) -> None:
    for line in PRINTED.findall((ROOT / page).read_text()):
        _parser().parse_args(shlex.split(line, comments=True))  # argparse exits where it does not


def test_the_tutorial_prints_what_is_tested() -> None:
    assert set(files(TUTORIAL)) == {"my_models/tiny_bert.py", "my_models/mobilenet.py"}
    asked = " ".join(commands(TUTORIAL, "pytest"))
    assert {"tiny_bert", "mobilenet", "training"} <= set(re.findall(r"\w+", asked))
    stacks = {stack for names in re.findall(r"--stacks (\S+)", asked) for stack in names.split(",")}
    assert stacks == set(table(TUTORIAL)["tiny_bert"])  # of every row of the table some command measures a cell


@pytest.mark.parametrize("path", files(README))
def test_an_example_in_the_readme_is_short(path: str) -> None:
    lines = [line for line in files(README)[path].splitlines()[1:] if line.strip()]
    assert len(lines) <= LONGEST
