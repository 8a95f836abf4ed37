"""bakeoff report: how do I read or share a run in a browser? Writes saved runs as one HTML file."""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from bakeoff.analysis.metrics import SPEED
from bakeoff.archive import saved_runs
from bakeoff.archive.saved_runs import Run
from bakeoff.authoring.errors import UsageError
from bakeoff.cli import _common
from bakeoff.cli._common import BUDGETS
from bakeoff.compare import trends
from bakeoff.compare.budgets import read_budgets
from bakeoff.compare.reports import of_pairs, of_runs
from bakeoff.runner import options


def add_verb(verbs: Any) -> None:
    """Add the subcommand."""
    writing = _common.add(
        verbs,
        "report",
        "write a saved run as one self-contained HTML file: matrix, compile time against speed, cells, changes, trends",
        "bakeoff report 0007 -o seven.html",
        "bakeoff report 0006 0007  # 0007, with what changed since 0006",
        "bakeoff report --all  # the latest run, what changed since the one before it, and trends over all",
    )
    writing.add_argument("runs", metavar="RUN", nargs="*", help="numbers, names or paths, oldest first (default: the latest)")
    writing.add_argument("-o", "--output", metavar="FILE", default="report.html", help="default: %(default)s")
    writing.add_argument("--all", action="store_true", help="trends over all saved runs; the latest is shown in full")
    writing.add_argument("--cells", metavar="GLOB", default="*", help="draw trends of these cells only")
    writing.add_argument("--budgets", default=str(BUDGETS), metavar="FILE", help="default: experiments/budgets.toml")
    _common.add_storage(writing)
    options.add(writing, {"--bakeoff-storage": options.RUN["--bakeoff-storage"]})
    writing.set_defaults(do=_report)


def _report(asked: argparse.Namespace) -> int:
    try:
        from bakeoff.report import changed, page
    except ModuleNotFoundError as error:
        raise UsageError(f"bakeoff report needs {error.name}, which is not installed: pip install '.[report]'") from None
    storage = _common.saved_in(asked)
    if asked.all and asked.runs:
        raise UsageError("--all selects every saved run: leave out the names, or --all")
    paths = saved_runs.runs(storage) if asked.all else [saved_runs.find(name, storage) for name in asked.runs]
    paths = list(dict.fromkeys(paths or [saved_runs.find(None, storage)]))
    left_out: list[str] = []
    run = saved_runs.read(paths[-1])
    read = _read(paths, left_out) if len(paths) > 1 else [saved_runs.read_summaries(paths[-1])]
    if read[-1].path != paths[-1]:
        raise UsageError(left_out[-1])
    changes = drawn = None
    if len(read) > 1:
        changes = _changes(asked, read[-2], read[-1])
    elif read[0].ab is not None:
        budgets = read_budgets(Path(asked.budgets), None)
        changes = changed.compared(of_pairs(read[0], budgets, gate=False))
    if len(read) > 2:
        drawn = changed.over_runs(read, trends.trends(read, asked.cells, SPEED), left_out)
        if not drawn["cells"] and asked.cells != "*":
            raise UsageError(f"--cells {asked.cells} matches no cell that has a speed in those runs")
        drawn = drawn if drawn["cells"] else None
    elif asked.cells != "*":
        raise UsageError("--cells selects cells for trends, which need at least three runs: name the runs, or use --all")
    text = page.html(
        page.Page(run=run, label=read[-1].label, stem=paths[-1].stem[:4], changes=changes, trends=drawn),
        options.store(lambda name: getattr(asked, name)).machine,
    )
    try:
        Path(asked.output).write_text(text, encoding="utf-8")
    except OSError as error:
        raise UsageError(f"-o {asked.output}: {error.strerror}") from None
    print(
        f"{asked.output}: {len(text.encode()) / 1e6:.1f} MB; open it in a browser, no network needed",
        file=sys.stderr,
    )
    return 0


def _read(paths: Sequence[Path], left_out: list[str]) -> list[Run]:
    """The summaries of the runs that can be read; the problems of the others go into `left_out`."""
    found = []
    for path in paths:
        try:
            found.append(saved_runs.read_summaries(path))
        except UsageError as error:
            left_out.append(str(error))
    if not found:
        raise UsageError(left_out[0])
    return found


def _changes(asked: argparse.Namespace, baseline: Run, candidate: Run) -> dict[str, Any]:
    from bakeoff.report import changed

    budgets = read_budgets(Path(asked.budgets), None)
    try:
        return changed.compared(of_runs(baseline, candidate, baseline.summaries, candidate.summaries, budgets, gate=False))
    except UsageError as error:
        return changed.not_comparable(baseline.label, candidate.label, str(error))
