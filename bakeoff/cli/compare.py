"""bakeoff compare | gate | ab | history: the command line of this room."""

import argparse
import shlex
import sys
from collections.abc import Iterable, Sequence
from dataclasses import replace
from fnmatch import fnmatchcase
from itertools import chain
from pathlib import Path
from typing import Any

import msgspec

from bakeoff import tasks
from bakeoff.analysis import metrics
from bakeoff.analysis.summary import CellSummary
from bakeoff.archive import saved_runs
from bakeoff.archive.saved_runs import Run
from bakeoff.authoring import discovery
from bakeoff.authoring.discovery import ROOT
from bakeoff.authoring.errors import UsageError
from bakeoff.cli import verb
from bakeoff.compare import reports
from bakeoff.compare.budgets import Budgets, accept, read_budgets
from bakeoff.compare.gate import GateExit
from bakeoff.compare.pairs import INTERIM_ANALYSES
from bakeoff.compare.report import Report
from bakeoff.runner import options
from bakeoff.system import terminal

BUDGETS = ROOT / "experiments" / "budgets.toml"
STORAGE = ROOT / ".benchmarks"
WIDTH = 150


def add_verbs(verbs: Any) -> None:
    """The subcommands."""
    comparing = verb.add(
        verbs,
        "compare",
        "what changed between two saved runs, with intervals and verdicts",
        "bakeoff compare                          # the last two",
        "bakeoff compare 0006 0007 --cells 'mlp-*' --markdown",
    )
    comparing.add_argument("baseline", metavar="A", nargs="?", help="number, name or path (default: the last but one)")
    comparing.add_argument("candidate", metavar="B", nargs="?", help="number, name or path (default: the last)")
    comparing.set_defaults(do=_compare)

    gating = verb.add(
        verbs,
        "gate",
        "pass (0), regression (1), not comparable (2) or undecided (3)",
        "bakeoff gate 0006 0007",
        "bakeoff gate 0006 0007 --accept 'the new layer is worth it'",
    )
    gating.add_argument("baseline", metavar="BASELINE", help="number, name or path of a saved run")
    gating.add_argument("candidate", metavar="CANDIDATE", nargs="?", help="the same; left out for a run of `bakeoff ab`")
    gating.add_argument("--accept", metavar="REASON", help="let what fails now pass from now on: rows in the file of budgets")
    gating.set_defaults(do=_gate)

    pairing = verb.add(
        verbs,
        "ab",
        "two arms in one session, in pairs that take turns: the comparison for a noisy machine",
        "bakeoff ab main --models mlp             # this checkout against a revision",
        "bakeoff ab TORCHINDUCTOR_FREEZING=0 TORCHINDUCTOR_FREEZING=1 --stacks torch_inductor",
    )
    arms = "NAME=VALUE, a virtual environment, a checkout, or a git revision"
    pairing.add_argument("baseline", metavar="BASELINE", help=arms)
    pairing.add_argument("candidate", metavar="CANDIDATE", nargs="?", default=".", help="the same (default: . , this checkout)")
    pairing.add_argument(
        "--metrics",
        metavar="A,B",
        default=",".join(metrics.in_pairs_by_default()),
        help="metrics that are judged (default: %(default)s)",
    )
    pairing.add_argument(
        "--interim-analyses",
        metavar="N,N",
        default=",".join(map(str, INTERIM_ANALYSES)),
        help="numbers of pairs after which verdicts are read (default: %(default)s)",
    )
    pairing.add_argument("--no-control", action="store_true", help="do not run the baseline against itself")
    flags = {k: v for k, v in options.RUN.items() if k not in _NOT_AB}
    options.add(pairing, options.MATRIX, flags | {"--no-diagnosis": tasks.options()["--no-diagnosis"]})
    pairing.set_defaults(do=_ab)

    past = verb.add(
        verbs,
        "history",
        "one cell over all saved runs, with the commits at which its level changed",
        "bakeoff history 'mlp-*'",
        "bakeoff history mlp-torch_inductor-inference --metric compile_cold --json",
    )
    past.add_argument("cell", metavar="CELL", help="model-stack-mode, or a glob such as mlp-*")
    past.add_argument("--metric", default=metrics.SPEED, choices=list(metrics.compared()), help="default: %(default)s")
    past.add_argument("--json", action="store_true", help="every point and step")
    past.add_argument("--storage", default=str(STORAGE), metavar="DIR", help="pytest-benchmark's folder")
    past.set_defaults(do=_history)

    for parser in (comparing, gating, pairing):
        for flag in ("markdown", "json", "csv"):
            parser.add_argument(f"--{flag}", action="store_true", help=f"print as {flag}")
        parser.add_argument("--all", action="store_true", help="rows for what is the same, too")
        parser.add_argument("--budgets", default=str(BUDGETS), metavar="FILE", help="default: experiments/budgets.toml")
        parser.add_argument("--storage", default=str(STORAGE), metavar="DIR", help="pytest-benchmark's folder")
        parser.add_argument("--report", metavar="FILE", help="write the Markdown there, too: a job summary")
    for parser in (comparing, gating):
        parser.add_argument("--force", action="store_true", help="compare what is not comparable, with a warning")
        parser.add_argument("--cells", metavar="GLOB", action="append", default=[], help="only these cells; may be repeated")


_NOT_AB = ("--trials", "--resume")


def _compare(asked: argparse.Namespace) -> int:
    _print(asked, _report(asked, *_runs(asked), gate=False))
    return 0


def _gate(asked: argparse.Namespace) -> int:
    report = _report(asked, *_runs(asked), gate=True)
    assert report.decision is not None
    _print(asked, report)
    if asked.accept is not None and report.decision.failed and report.comparison.changes:
        for row in accept(Path(asked.budgets), report.decision.failed, asked.accept):
            print(f"{asked.budgets}: {row.cells} {row.metric} may be {row.budget:g} worse: {row.reason}", file=sys.stderr)
        return int(GateExit.UNDECIDED if report.decision.undecided else GateExit.PASS)
    return int(report.decision.exit)


def _runs(asked: argparse.Namespace) -> tuple[Run, Run | None]:
    storage = Path(asked.storage)
    back = 0 if asked.baseline or asked.candidate else 1
    first = saved_runs.read_figures(saved_runs.find(asked.baseline, storage, back=back))
    if asked.candidate is None and first.ab is not None and asked.baseline is not None:
        return first, None
    if asked.candidate is None and asked.do is _gate:
        raise UsageError(
            f"{asked.baseline} alone is no comparison: name the candidate, too (the latest run may be another one)"
        )
    return first, saved_runs.read_figures(saved_runs.find(asked.candidate, storage))


def _report(asked: argparse.Namespace, baseline: Run, candidate: Run | None, *, gate: bool) -> Report:
    """The comparison of two runs, or of the two arms of one."""
    if candidate is None:
        assert baseline.ab is not None
        if asked.cells:
            told = replace(baseline.ab, summaries=_chosen(baseline.ab.summaries, asked.cells))
            baseline = msgspec.structs.replace(baseline, figures=_chosen(baseline.figures, asked.cells), ab=told)
            if not baseline.figures and not told.summaries:
                raise UsageError(f"--cells {' '.join(asked.cells)} matches no cell of the pairs")
        every = (*baseline.figures, *(baseline.ab.summaries if baseline.ab else ()))
        return reports.of_pairs(baseline, _budgets(asked, every), gate=gate, accept=_accept(asked), part=bool(asked.cells))
    before, after = (_chosen(run.figures, asked.cells) for run in (baseline, candidate))
    if asked.cells and not before and not after:
        raise UsageError(f"--cells {' '.join(asked.cells)} matches no cell of either run")
    budgets = _budgets(asked, (*before, *after))
    return reports.of_runs(baseline, candidate, before, after, budgets, gate=gate, force=asked.force, accept=_accept(asked))


def _ab(asked: argparse.Namespace) -> int:
    from bakeoff.ab.session import run_ab

    path, budgets = run_ab(asked), _budgets(asked, None)
    report = reports.of_pairs(saved_runs.read_figures(path), budgets, gate=True, accept=f'bakeoff gate {path} --accept "WHY"')
    assert report.decision is not None
    _print(asked, report)
    print(f"saved: {path}", file=sys.stderr)
    return int(report.decision.exit)


def _history(asked: argparse.Namespace) -> int:
    from bakeoff.compare.trends import show

    show(asked.cell, asked.metric, Path(asked.storage), as_json=asked.json)
    return 0


def _budgets(asked: argparse.Namespace, found: Iterable[CellSummary] | None) -> Budgets:
    some = bool(getattr(asked, "cells", None)) or found is None
    # a run of some models is no reason to take out the rows of the others
    every = () if some or found is None else chain((f.cell for f in found), discovery.every_cell())
    return read_budgets(Path(asked.budgets), every or None)


def _chosen(found: Sequence[CellSummary], globs: Sequence[str]) -> list[CellSummary]:
    return [f for f in found if not globs or any(fnmatchcase(str(f.cell), glob) for glob in globs)]


def _accept(asked: argparse.Namespace) -> str:
    words = ["bakeoff", "gate", *(str(n) for n in (asked.baseline, asked.candidate) if n)]
    words += [word for glob in asked.cells or () for word in ("--cells", glob)]
    if Path(asked.budgets) != BUDGETS:
        words += ["--budgets", str(asked.budgets)]
    return f'{shlex.join(words)} --accept "WHY"'


def _print(asked: argparse.Namespace, report: Report) -> None:
    if asked.report:
        try:
            Path(asked.report).write_text(report.markdown())
        except OSError as error:
            raise UsageError(f"--report {asked.report}: {error.strerror}") from None
    if asked.json or asked.csv or asked.markdown:
        text = report.json() if asked.json else report.csv() if asked.csv else report.markdown()
    else:
        width = terminal.columns(sys.stdout) if sys.stdout.isatty() else WIDTH
        text = report.terminal(width, everything=asked.all, color=terminal.colours(sys.stdout))
    print(text, end="")
