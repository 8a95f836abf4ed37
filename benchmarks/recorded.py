"""How are pairs of children of the same code recorded and read again? For benchmarks.gate_power."""

import shlex
import sys
from dataclasses import dataclass, replace
from pathlib import Path
from statistics import mean, median

from bakeoff.ab.paired_session import PairedSession
from bakeoff.ab.session import DEFAULTS, armed, measured
from bakeoff.analysis.results import by_cell
from bakeoff.analysis.summary import CellSummary
from bakeoff.archive import saved_runs
from bakeoff.cli._common import BUDGETS
from bakeoff.compare import rounds
from bakeoff.compare.budgets import read_budgets
from bakeoff.records.cell import Cell, Mode
from bakeoff.runner import options
from bakeoff.runner.store import Store

CELLS = (
    "article_net:torch_script mlp:torch_eager bert_encoder:tf_function mlp:torch_inductor lstm:tf_xla "
    "resnet50:torch_eager resnet50:torch_script resnet50:tf_xla"  # from 15 µs to a fifth of a second
)


@dataclass(frozen=True)
class Recorded:
    """The processes of one cell: the values of both arms, and the statistics that pytest-benchmark would save."""

    name: str
    template: CellSummary
    arms: tuple[dict[str, list[float]], dict[str, list[float]]]
    kept: dict[str, list[float]]  # statistic → its value for each process, in the order of time
    pair_s: float


def record(folder: Path, pairs: int, cells: str = CELLS, batch: int | None = None) -> Path:
    """Measure pairs in which both arms are this checkout; the path of the saved run."""
    wanted = [tuple(cell.split(":")) for cell in cells.split()]
    given = {k[2:].replace("-", "_"): v.get("default", []) for k, v in (options.MATRIX | options.RUN).items()}
    given |= {"models": ",".join(dict.fromkeys(m for m, _ in wanted)), "stacks": ",".join(dict.fromkeys(s for _, s in wanted))}
    given |= {"batch_size": batch, "threads": None, **DEFAULTS}
    plan = options.plan(lambda name: given[name])
    plan = replace(plan, cells=frozenset(Cell(model, stack, Mode.INFERENCE) for model, stack in wanted))
    store = Store(folder / "bakeoff")
    with armed(plan, store, ".", ".") as arms:
        asked = ["step", "compile_cold"]
        paired_session = PairedSession(
            plan,
            arms,
            store,
            read_budgets(BUDGETS),
            metrics=asked,
            interim_analyses=[pairs],
            control=False,
            say=print,
        )
        return measured(paired_session, folder, shlex.join(sys.argv))


def read(path: Path) -> list[Recorded]:
    """Read the cells of a recorded session."""
    run, saved = saved_runs.read_summaries(path), saved_runs.read(path)
    if run.ab is None:
        raise SystemExit(f"{path} holds no pairs")
    arms = [by_cell(trials) for trials in (run.ab.trials, saved.trials)]
    summaries = [{f.cell: f for f in arm} for arm in rounds.summaries_of_pairs(run.ab.trials, saved.trials)]
    found = []
    for cell in arms[0]:
        by_arm = [arm[cell] for arm in summaries]
        if any(f.status != "ok" for f in by_arm):
            print(f"left out: {cell}: {'; '.join(f.reason for f in by_arm)}", file=sys.stderr)
            continue
        kept: dict[str, list[float]] = {"mean": [], "min": [], "median": []}
        for pair in zip(*(arm[cell].measurements for arm in arms), strict=False):
            for measurement in pair:
                for name, statistic in (("mean", mean), ("min", min), ("median", median)):
                    kept[name].append(float(statistic(measurement.step_s)))
        wall = mean(t.wall_s for arm in arms for t in arm[cell].trials)
        found.append(
            Recorded(str(cell).removesuffix("-inference"), by_arm[0], (by_arm[0].values, by_arm[1].values), kept, wall)
        )
    return found
