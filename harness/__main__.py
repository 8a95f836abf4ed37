"""The command line: bakeoff list | measure | explain | repro | show | compare | gate | ab | history | report | export."""

import argparse
import shutil
import signal
import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from rich.console import Console

from harness import archive, discover, explain, options, repro, tables
from harness.cell import Mode
from harness.comparing import verbs as comparing
from harness.discover import ARTICLE, ROOT
from harness.errors import UsageError
from harness.model import SIZES
from harness.reporting import exporting
from harness.reporting import verbs as reporting
from harness.session import Session
from harness.summary import by_cell
from harness.trial import Status


def main(arguments: Sequence[str] | None = None) -> int:
    """Exit code: 0, or 1 where a measured cell is not ok, or 2 for bad input; `gate` and `ab` have those of gate.Exit."""
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):  # a verdict must not die of a terminal that has no ×
            stream.reconfigure(errors="replace")
    asked = _parser().parse_args(arguments)
    try:
        return int(asked.do(asked))
    except UsageError as error:
        print(f"bakeoff: {error}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print("bakeoff: interrupted; finished trials are kept", file=sys.stderr)
        return 130


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="bakeoff", description="Which compiler stack should run this model here?")
    verbs = parser.add_subparsers(metavar="COMMAND", required=True)

    listing = verbs.add_parser("list", help="the models, stacks, modes and sizes that there are")
    options.add(listing, {k: options.RUN[k] for k in ("--models-from", "--compilers-from")})
    listing.set_defaults(do=_list)

    for verb, does in (
        ("measure", "measure one cell and print the table"),
        ("explain", "run one cell, or one model on all stacks: where it breaks and why, compile phases, what it compiled to"),
    ):
        running = verbs.add_parser(verb, help=does)
        running.add_argument("cell", metavar="CELL", help="model-stack-mode, or MODEL for the main stacks")
        running.add_argument("rest", metavar="STACK [MODE]", nargs="*", default=[], help="instead of CELL: MODEL STACK [MODE]")
        running.add_argument("--json", action="store_true", help="print the trials as JSON")
        options.add(running, options.RUN)
        running.set_defaults(do=_measure if verb == "measure" else _explain)

    repro.add_verb(verbs)

    showing = verbs.add_parser("show", help="print the matrix of a saved run")
    showing.add_argument("run", metavar="RUN", nargs="?", help="path, or number such as 0007 (default: the latest)")
    showing.add_argument("--markdown", action="store_true", help="as Markdown")
    showing.add_argument("--storage", default=str(ROOT / ".benchmarks"), metavar="DIR", help="pytest-benchmark's folder")
    showing.set_defaults(do=_show)

    comparing.add_verbs(verbs)
    reporting.add_verb(verbs)
    exporting.add_verb(verbs)
    return parser


def _list(asked: argparse.Namespace) -> int:
    models = discover.models(map(Path, asked.models_from))
    stacks = discover.stacks(map(Path, asked.compilers_from))
    print("models  " + " ".join(m.name for m in models if m.in_matrix))
    print("gallery " + " ".join(m.name for m in models if m.in_gallery))
    print("article " + " ".join(m.name for m in models if m.path.parent == ARTICLE))
    print("kernels " + " ".join(m.name for m in models if m.is_kernel))
    print("stacks  " + " ".join(s.name for s in stacks if s.default))
    print("more    " + " ".join(s.name for s in stacks if not s.default))
    print("modes   " + " ".join(Mode))
    print("sizes   " + " ".join(SIZES))
    return 0


def _run(asked: argparse.Namespace) -> Session:
    """Run the cells that were named, and nothing else."""
    parts = [asked.cell, *asked.rest]
    if len(parts) == 1 and len(words := asked.cell.split("-")) in (2, 3):
        parts = words
    if len(parts) > 3:
        raise UsageError(f"{' '.join(parts)}: name one cell as MODEL STACK [MODE], or as model-stack-mode")
    names = {"models": parts[0], "stacks": ",".join(parts[1:2]) or None, "modes": (parts[2:] or ["inference"])[0]}
    plan = options.plan(lambda name: names[name] if name in names else getattr(asked, name))
    signal.signal(signal.SIGTERM, signal.getsignal(signal.SIGINT))  # tidy up, too
    plan = replace(plan, verify=asked.do is _measure)  # whoever explains wants to know where it breaks, not how fast it is
    session = Session(plan, options.store(lambda name: getattr(asked, name)), resume=asked.resume, say=_to_stderr)
    session.run()
    return session


def _measure(asked: argparse.Namespace) -> int:
    session = _run(asked)
    if asked.json:
        _print_json(session)
    else:
        print(tables.terminal(session.trials, session.toolchains, session.exports, (), _columns()), end="")
        for failure in [t.failure for t in session.trials if t.failure is not None and t.failure.traceback]:
            print(failure.traceback)
    return 0 if all(r.status in (Status.OK, Status.COMPILED) for r in by_cell(session.trials).values()) else 1


def _explain(asked: argparse.Namespace) -> int:
    session = _run(asked)
    if asked.json:
        _print_json(session)
    else:
        console = Console(width=None if sys.stdout.isatty() else 120, highlight=False)
        with console.capture() as capture:
            explain.show(by_cell(session.trials).values(), console)
        print("\n".join(line.rstrip() for line in capture.get().splitlines()))
    return 0


def _print_json(session: Session) -> None:
    import msgspec

    print(msgspec.json.format(msgspec.json.encode(session.trials), indent=1).decode())


def _show(asked: argparse.Namespace) -> int:
    run = archive.read(archive.find(asked.run, Path(asked.storage)))
    if asked.markdown:
        print(tables.markdown(run.trials, run.toolchains, run.exports), end="")
    else:
        print(tables.terminal(run.trials, run.toolchains, run.exports, (), _columns()), end="")
    return 0


def _columns() -> int:
    """Of the terminal; a file is as wide as the table of the six main stacks."""
    return shutil.get_terminal_size((128, 0)).columns


def _to_stderr(line: str) -> None:
    print(line, file=sys.stderr)


if __name__ == "__main__":
    sys.exit(main())
