"""bakeoff ab: is one revision or environment slower than another? Measures both side by side; the exit code is the decision."""

import argparse
import shlex
from typing import Any

from bakeoff import tasks
from bakeoff.analysis import metrics
from bakeoff.archive import saved_runs
from bakeoff.cli import _common, _comparison
from bakeoff.compare import reports
from bakeoff.compare.pairs import INTERIM_ANALYSES
from bakeoff.runner import options

_NOT_HERE = ("--trials", "--resume")  # pairs run in their own order and number


def add_verb(verbs: Any) -> None:
    """Add the subcommand."""
    pairing = _common.add(
        verbs,
        "ab",
        "measure two revisions or environments side by side, in pairs of processes that take turns; exit codes as for gate",
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
        help="the metrics to judge (default: %(default)s)",
    )
    pairing.add_argument(
        "--interim-analyses",
        metavar="N,N",
        default=",".join(map(str, INTERIM_ANALYSES)),
        help="numbers of pairs after which an interim analysis is done (default: %(default)s)",
    )
    pairing.add_argument(
        "--no-control", action="store_true", help="do not measure the A/A control, the baseline against its own copy"
    )
    options.add(pairing, options.MATRIX, {k: v for k, v in options.RUN.items() if k not in _NOT_HERE}, tasks.options("ab"))
    _comparison.add_options(pairing)
    pairing.set_defaults(do=_ab)


def _ab(asked: argparse.Namespace) -> int:
    from bakeoff.ab.session import run_ab

    path = run_ab(asked, _common.saved_in(asked))
    run, budgets = saved_runs.read_summaries(path), _comparison.budgets_for(asked, None)
    accept = shlex.join(["bakeoff", "gate", str(path), *_comparison.budgets_again(asked)])
    report = reports.of_pairs(run, budgets, gate=True, accept=f'{accept} --accept "WHY"')
    assert report.decision is not None
    _comparison.show(asked, report)
    return int(report.decision.exit)
