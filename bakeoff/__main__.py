# PYTHON_ARGCOMPLETE_OK
"""The command line: bakeoff VERB; the verbs are in harness/cli, comparing, reporting and repro."""

import argparse
import os
import sys
from collections.abc import Sequence

from bakeoff.authoring.errors import UsageError
from bakeoff.cli import cells, completion, doctor, export, list, pick, repro, show, task
from bakeoff.cli import compare as comparing
from bakeoff.cli import report as reporting

COMPLETION = """\
completion of commands, models, stacks and saved runs in bash or zsh:
  eval "$(register-python-argcomplete bakeoff)"

examples:
  bakeoff doctor
  bakeoff list
  bakeoff measure mlp tf_xla
"""


def main(arguments: Sequence[str] | None = None) -> int:
    """Exit code: 0, or 1 where a measured cell is not ok, or 2 for bad input; `gate` and `ab` have those of gate.Exit."""
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):  # a verdict must not die of a terminal that has no ×
            stream.reconfigure(errors="replace")
    parser = _parser()
    completion.complete(parser)
    asked = parser.parse_args(arguments)
    try:
        code = int(asked.do(asked))
        sys.stdout.flush()
    except UsageError as error:
        print(f"bakeoff: {error}", file=sys.stderr)
        return 2
    except BrokenPipeError:  # `| head` has seen enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 141
    except KeyboardInterrupt:
        print("bakeoff: interrupted; finished trials are kept", file=sys.stderr)
        return 130
    return code


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="bakeoff",
        description="Which compiler stack should run this model here?",
        epilog=COMPLETION,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    verbs = parser.add_subparsers(metavar="COMMAND", required=True)
    list.add_verb(verbs)
    doctor.add_verb(verbs)
    cells.add_verbs(verbs)
    pick.add_verb(verbs)
    task.add_verb(verbs)
    repro.add_verb(verbs)
    show.add_verb(verbs)
    comparing.add_verbs(verbs)
    reporting.add_verb(verbs)
    export.add_verb(verbs)
    return parser


if __name__ == "__main__":
    sys.exit(main())
