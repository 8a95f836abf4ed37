# PYTHON_ARGCOMPLETE_OK
"""Where does the command line start? Here: `bakeoff COMMAND`, with one file per command in bakeoff/cli."""

import argparse
import os
import shlex
import sys
from collections.abc import Sequence

from bakeoff.authoring.errors import UsageError
from bakeoff.cli import (
    ab,
    compare,
    completion,
    doctor,
    explain,
    export,
    gate,
    history,
    list,
    pick,
    report,
    repro,
    run,
    show,
    task,
)

# in the order of --help
MEASURING_VERBS = (run, explain, list, doctor)
READING_VERBS = (show, pick, report, compare, gate, history, export)
OTHER_VERBS = (ab, task, repro)

EPILOG = """\
to complete commands, models, stacks and saved runs in bash or zsh:
  eval "$(register-python-argcomplete bakeoff)"

examples:
  bakeoff run mlp
  bakeoff list
  bakeoff doctor
"""


def main(arguments: Sequence[str] | None = None) -> int:
    """The exit code: 0; 1 if a measured cell is not ok; 2 for bad input. `gate` and `ab` return a GateExit."""
    words = sys.argv[1:] if arguments is None else [*arguments]
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):  # a terminal that cannot print × still gets the result
            stream.reconfigure(errors="replace")
    parser = _parser()
    completion.complete(parser)
    asked, rest = parser.parse_known_args(words)
    if rest and (any(word.startswith("-") for word in rest) or not hasattr(asked, "names")):
        parser.error(f"unrecognized arguments: {' '.join(rest)}")
    if rest:  # names on both sides of an option, of which argparse takes only the first ones
        asked.names = [*asked.names, *rest]
    asked.command = shlex.join(["bakeoff", *words])
    try:
        code = int(asked.do(asked))
        sys.stdout.flush()
    except UsageError as error:
        print(f"bakeoff: {error}", file=sys.stderr)
        return 2
    except BrokenPipeError:  # the reader, such as `head`, has exited
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 141
    except KeyboardInterrupt:
        kept = "; finished trials are kept: continue with --resume" if hasattr(asked, "resume") else ""
        print(f"bakeoff: interrupted{kept}", file=sys.stderr)
        return 130
    return code


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="bakeoff",
        description="Which compiler stack should run this model here?",
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    verbs = parser.add_subparsers(metavar="COMMAND", required=True)
    for verb in (*MEASURING_VERBS, *READING_VERBS, *OTHER_VERBS):
        verb.add_verb(verbs)
    return parser


if __name__ == "__main__":
    sys.exit(main())
