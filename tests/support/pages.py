"""Reads files, commands and a table from the tutorial and the README."""

import re
from pathlib import Path

from bakeoff.authoring.discovery import ROOT

TUTORIAL, README = ROOT / "docs" / "add-a-model.md", ROOT / "README.md"

FILE = re.compile(r"^```python\n(# (my_(?:models|stacks)/\w+\.py)\n.*?)^```$", re.MULTILINE | re.DOTALL)

COMMAND = re.compile(r"^    \.venv/bin/((?:pytest|bakeoff) .*\.\./my_.*)$", re.MULTILINE)


def files(page: Path) -> dict[str, str]:
    """Path → text of each file that a page prints."""
    return {path: text for text, path in FILE.findall(page.read_text())}


def commands(page: Path, verb: str) -> list[str]:
    """The commands of a page that begin with one verb and use the user's own folders."""
    output = [command.partition("  #")[0].rstrip() for command in COMMAND.findall(page.read_text())]
    return [command for command in output if command.startswith(f"{verb} ")]


def table(page: Path) -> dict[str, dict[str, str]]:
    """Model → stack → status and reason, in the page's last table."""
    lines = [line for line in page.read_text().splitlines() if line.startswith("|")]
    rows = [[word.strip() for word in line.strip("|").split(" | ")] for line in lines]
    head = max(number for number, row in enumerate(rows) if row[0] == "stack")
    return {model: {row[0]: row[column] for row in rows[head + 2 :]} for column, model in enumerate(rows[head]) if column}
