"""bakeoff show: what did a saved run measure? Prints its tables, or all that is known of single cells."""

import argparse
import json
import sys
from collections.abc import Sequence
from difflib import get_close_matches
from pathlib import Path
from typing import Any

from bakeoff.analysis.results import CellResult
from bakeoff.archive import saved_runs
from bakeoff.authoring.errors import UsageError
from bakeoff.cli import _common
from bakeoff.runner import options
from bakeoff.system import terminal
from bakeoff.tasks import tables
from bakeoff.views.matrix import Matrix


def add_verb(verbs: Any) -> None:
    """Add the subcommand."""
    showing = _common.add(
        verbs,
        "show",
        "print the tables of a saved run, or everything about single cells",
        "bakeoff show",
        "bakeoff show 0007 --markdown",
        "bakeoff show 0007 mlp-torch_inductor          # everything about one cell",
    )
    showing.add_argument(
        "names", metavar="RUN|CELL", nargs="*", help="path or number of a run (default: the latest); cells as model-stack-mode"
    )
    forms = showing.add_mutually_exclusive_group()
    forms.add_argument("--markdown", action="store_true", help="print as Markdown")
    forms.add_argument("--json", action="store_true", help="print ratios, winners and compile times as JSON")
    forms.add_argument("-v", "--verbose", action="store_true", help="also print everything about each cell")
    showing.add_argument("--band", **options.RUN["--band"])
    _common.add_storage(showing)
    showing.set_defaults(do=_show)


def _show(asked: argparse.Namespace) -> int:
    storage = _common.saved_in(asked)
    cells = [name for name in asked.names if _is_cell(name, storage)]
    runs = [name for name in asked.names if name not in cells]
    if len(runs) > 1:
        raise UsageError(f"show prints one run: {' and '.join(runs)} are {len(runs)}; a cell is named as model-stack-mode")
    path = saved_runs.find(runs[0] if runs else None, storage)
    run = saved_runs.read(path)
    band = options.band(asked.band)
    matrix = tables.matrix(run.trials, run.one_time_costs, run.neighbours, band=band)
    chosen = _cells(cells, matrix)
    width = terminal.columns(sys.stdout)
    if asked.json:
        print(json.dumps({"run": path.name, **matrix.json(chosen or None)}, indent=1, allow_nan=False))
    elif chosen:
        print("\n\n".join("\n".join(matrix.about(result, width)) for result in chosen))
    elif asked.markdown:
        print(tables.markdown(run.trials, run.one_time_costs, tables.records_of(run), run.neighbours, band=band), end="")
    else:
        found = run.trials, run.one_time_costs, tables.records_of(run), width, run.neighbours
        print(tables.terminal(*found, verbose=asked.verbose, band=band), end="")
    return 0


def _is_cell(name: str, storage: Path) -> bool:
    """Names of runs may have hyphens, too."""
    if "-" not in name or "/" in name or name.endswith(".json"):
        return False
    try:
        saved_runs.find(name, storage)
    except UsageError:
        return True
    return False


def _cells(names: Sequence[str], matrix: Matrix) -> list[CellResult]:
    """The results of these cells. UsageError for one that the run does not have."""
    there = {str(cell): result for cell, result in matrix.results.items()}
    found = []
    for name in names:
        full = name if name in there else f"{name}-inference"
        if full not in there:
            near = get_close_matches(name, there, n=3) or list(there)[:3]
            raise UsageError(f"the run has no cell {name}; there are: {', '.join(near)}" + ", ..." * (len(there) > len(near)))
        found.append(there[full])
    return found
