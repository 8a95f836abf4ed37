"""What do `compare`, `gate` and `ab` share? Finding the runs and budgets, and printing the comparison."""

import argparse
import shlex
import sys
from collections.abc import Iterable, Sequence
from dataclasses import replace
from fnmatch import fnmatchcase
from itertools import chain
from pathlib import Path

import msgspec

from bakeoff.analysis.summary import CellSummary
from bakeoff.archive import saved_runs, storage
from bakeoff.archive.saved_runs import Run
from bakeoff.authoring import discovery
from bakeoff.authoring.errors import UsageError
from bakeoff.cli import _common
from bakeoff.cli._common import BUDGETS
from bakeoff.compare import reports
from bakeoff.compare.budgets import Budgets, read_budgets
from bakeoff.compare.report import Report
from bakeoff.system import terminal

COMPARISON_WIDTH = 150


def add_options(parser: argparse.ArgumentParser) -> None:
    """Add the options for budgets and for the form of the output."""
    forms = parser.add_mutually_exclusive_group()
    for form in ("markdown", "json", "csv"):
        forms.add_argument(f"--{form}", action="store_true", help=f"print as {form}")
    parser.add_argument("--all", action="store_true", help="also print rows that did not change")
    parser.add_argument("--budgets", default=str(BUDGETS), metavar="FILE", help="default: experiments/budgets.toml")
    parser.add_argument(
        "--report", metavar="FILE", help="also write the comparison to FILE as Markdown, for example as the summary of a CI job"
    )
    _common.add_storage(parser)


def add_selection(parser: argparse.ArgumentParser) -> None:
    """Add the options that select what to compare of two saved runs."""
    parser.add_argument("--force", action="store_true", help="compare runs that are not comparable, with a warning")
    parser.add_argument("--cells", metavar="GLOB", action="append", default=[], help="only these cells; may be repeated")


def runs(asked: argparse.Namespace, *, alone: bool) -> tuple[Run, Run | None]:
    """The two saved runs; the second is None if the first one has two arms. `alone`: may the baseline alone be named?"""
    folder = _common.saved_in(asked)
    back = 0 if asked.baseline or asked.candidate else 1
    first = saved_runs.read_summaries(saved_runs.find(asked.baseline, folder, back=back))
    if asked.candidate is None and first.ab is not None and asked.baseline is not None:
        return first, None
    if asked.candidate is None and not alone:
        raise UsageError(f"{asked.baseline} is a single run: also name the candidate (the latest run may be a different one)")
    return first, saved_runs.read_summaries(saved_runs.find(asked.candidate, folder))


def report(asked: argparse.Namespace, baseline: Run, candidate: Run | None, *, gate: bool) -> Report:
    """The comparison of two runs, or of the two arms of one."""
    if candidate is None:
        assert baseline.ab is not None
        if asked.cells:
            chosen = replace(baseline.ab, summaries=_chosen(baseline.ab.summaries, asked.cells))
            baseline = msgspec.structs.replace(baseline, summaries=_chosen(baseline.summaries, asked.cells), ab=chosen)
            if not baseline.summaries and not chosen.summaries:
                raise UsageError(f"--cells {' '.join(asked.cells)} matches no cell of the pairs")
        every = (*baseline.summaries, *(baseline.ab.summaries if baseline.ab else ()))
        return reports.of_pairs(baseline, budgets_for(asked, every), gate=gate, accept=_accept(asked), part=bool(asked.cells))
    before, after = (_chosen(run.summaries, asked.cells) for run in (baseline, candidate))
    if asked.cells and not before and not after:
        raise UsageError(f"--cells {' '.join(asked.cells)} matches no cell of either run")
    budgets = budgets_for(asked, (*before, *after))
    return reports.of_runs(baseline, candidate, before, after, budgets, gate=gate, force=asked.force, accept=_accept(asked))


def budgets_for(asked: argparse.Namespace, found: Iterable[CellSummary] | None) -> Budgets:
    """The budgets. Each row must match one of the cells `found`, or some possible cell; with None, rows are not checked."""
    some = bool(getattr(asked, "cells", None)) or found is None
    # a run of some models must not make the rows of other models an error
    every = () if some or found is None else chain((f.cell for f in found), discovery.every_cell())
    return read_budgets(Path(asked.budgets), every or None)


def show(asked: argparse.Namespace, report: Report) -> None:
    """Print the comparison, and write it to --report."""
    if asked.report:
        try:
            Path(asked.report).write_text(report.markdown(), encoding="utf-8")
        except OSError as error:
            raise UsageError(f"--report {asked.report}: {error.strerror}") from None
    if asked.json or asked.csv or asked.markdown:
        text = report.json() if asked.json else report.csv() if asked.csv else report.markdown()
    else:
        width = terminal.columns(sys.stdout) if sys.stdout.isatty() else COMPARISON_WIDTH
        text = report.terminal(width, everything=asked.all, color=terminal.colours(sys.stdout))
    print(text, end="")


def _chosen(found: Sequence[CellSummary], globs: Sequence[str]) -> list[CellSummary]:
    return [f for f in found if not globs or any(fnmatchcase(str(f.cell), glob) for glob in globs)]


def budgets_again(asked: argparse.Namespace) -> list[str]:
    """The words that name the same file of budgets in another command."""
    return [] if Path(asked.budgets) == BUDGETS else ["--budgets", str(asked.budgets)]


def _accept(asked: argparse.Namespace) -> str:
    """The command that accepts the regressions."""
    words = ["bakeoff", "gate", *(str(n) for n in (asked.baseline, asked.candidate) if n)]
    words += [word for glob in asked.cells or () for word in ("--cells", glob)]
    words += budgets_again(asked)
    words += _common.again(asked, storage.FLAG) + ["--force"] * bool(getattr(asked, "force", False))
    return f'{shlex.join(words)} --accept "WHY"'
