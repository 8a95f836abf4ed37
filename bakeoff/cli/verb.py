"""How a verb joins the command line: what it does, and an example or two that works."""

import argparse
import textwrap
from typing import Any

WIDTH = 100


def add(verbs: Any, name: str, does: str, *examples: str) -> argparse.ArgumentParser:
    """A subcommand with its help. Each of `examples` is a whole command, and a comment if it needs one."""
    parser: argparse.ArgumentParser = verbs.add_parser(
        name,
        help=does,
        description=textwrap.fill(does, WIDTH),
        epilog="examples:\n" + "\n".join(f"  {line}" for line in examples),
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    return parser
