"""How much time does Bakeoff add? The whole child of a cell is compared with a bare script that does the same work.

    make overhead

Per pair: the child of one cell, from start to exit as in a session, then `benchmarks.bare` with the same variables, CPUs, empty
caches and number of steps, but without the framework logs from which diagnostics are read. The child goes first, so that any
cost of going first counts against Bakeoff. Two medians of the pairs' ratios must stay below 1.05: that of the whole process and
that of the first call, which limits what diagnostics add to compiling.

Step times are compared side by side: the child and the bare script take turns in one group. Their ratio must be within 2 % of
1, and the hand-over between two slices, which is in no figure, must take less than 0.5 ms at the median.
"""

import json
import math
import os
import random
import subprocess
import sys
import tempfile
import time
from itertools import pairwise
from pathlib import Path
from statistics import median

from bakeoff.analysis.pace import rounds
from bakeoff.authoring import discovery
from bakeoff.records.cell import Cell, Mode
from bakeoff.records.trial import Settings, Trial
from bakeoff.records.turns import TURNS_FD
from bakeoff.runner.cells import CellRunner
from bakeoff.runner.group import Group, Member, Seat
from bakeoff.runner.launch import Launcher
from bakeoff.runner.plan import Plan, PlannedCell
from bakeoff.runner.store import Store
from bakeoff.system.environment import child_cpus, child_environment, default_threads
from bakeoff.system.sandbox import Sandbox

CELLS = (
    ("article_net", "torch_eager"),
    ("article_net", "tf_xla"),
    ("mlp", "torch_script"),
    ("mlp", "torch_inductor"),
    ("mlp", "tf_function"),
    ("resnet50", "torch_eager"),
    ("resnet50", "tf_function"),
)
PAIRS = 7
GROUPS = 3
LIMIT, STEP_LIMIT, HAND_OVER_LIMIT_S = 1.05, 0.02, 0.5e-3


def main() -> int:
    """Exit code 1 where the largest median ratio is beyond the limit."""
    settings = Settings(size="small", batch_size=None, device="cpu", threads=default_threads(), timeout_s=300.0)
    models, stacks = discovery.models(), discovery.stacks()
    ratios, steps, gaps = {}, {}, list[float]()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        run = Store(folder).begin(settings, [], 0)
        plan = Plan(settings=settings, models=[], stacks=[], modes=[Mode.INFERENCE], all_stacks=list(stacks))
        cells = CellRunner.of(plan, run, folder / "machine", print)
        for model, stack in CELLS:
            planned = PlannedCell(Cell(model, stack, Mode.INFERENCE), models[model], stacks[stack])
            ready, seed = cells.ready(planned), cells.preparation.seed(planned.stack)
            found = []
            for index in range(PAIRS + 1):
                trial = cells.trial(planned, index, ready)
                wall_s, alone = bare(cells.launcher, trial, seed)
                measured = trial.measurement
                if index and measured is not None:  # the first pair warms the page cache for both
                    found.append({"whole": trial.wall_s / wall_s, "first call": measured.first_call_s / alone["first_s"]})
            ratios_by_name = {name: [pair[name] for pair in found] for name in found[0]}
            for name, values in ratios_by_name.items():
                ratios[f"{model}-{stack} {name}"] = median(values)
            spread = ", ".join(f"{n} {median(v):.3f} ({min(v):.3f} to {max(v):.3f})" for n, v in ratios_by_name.items())
            print(f"{model}-{stack}: child / bare script, medians of {PAIRS} pairs: {spread}", flush=True)
            groups = [in_turns(cells, planned, number) for number in range(GROUPS)]
            steps[f"{model}-{stack}"] = median(ratio for ratio, _ in groups)
            gaps += [gap for _, found in groups for gap in found]
            each = ", ".join(f"{ratio:.4f}" for ratio, _ in groups)
            print(f"{model}-{stack}: step of the child / of the bare script, in one group: {each}", flush=True)
        cells.launcher.close()
    worst, off, gap = max(ratios.values()), max(abs(ratio - 1) for ratio in steps.values()), median(gaps)
    limits = {"largest": LIMIT, "step_off": STEP_LIMIT, "hand_over_s": HAND_OVER_LIMIT_S}
    reached = {"largest": round(worst, 3), "step_off": round(off, 4), "hand_over_s": round(gap, 6)}
    print(json.dumps({"reached": reached, "limits": limits}))
    return int(any(reached[name] > limits[name] for name in limits))


def in_turns(cells: CellRunner, planned: PlannedCell, number: int) -> tuple[float, list[float]]:
    """(step of the child / step of the bare script, seconds of each hand-over) of one group of both."""
    ready, settings = cells.ready(planned), cells.plan.settings
    with cells.sandbox(planned) as own, cells.sandbox(planned) as other:

        def run_bare(seat: Seat) -> list[float]:
            environment = bare_environment(other, settings) | {TURNS_FD: str(seat.child_fd)}
            arguments = [sys.executable, "-m", "benchmarks.bare", planned.cell.model, planned.cell.stack, "turns"]
            cpus = child_cpus(settings.threads)
            process = subprocess.Popen(
                arguments,
                env=environment,
                cwd=other.work,
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,
                pass_fds=(seat.child_fd,),
                preexec_fn=lambda: os.sched_setaffinity(0, cpus),
            )
            seat.started()
            means: list[float] = json.loads(process.communicate()[0].splitlines()[-1])["slices"]
            return means

        def run_child(seat: Seat) -> list[float]:
            trial = cells.trial(planned, number, ready, own, seat=seat, group=str(number))
            if trial.measurement is None:
                raise SystemExit(f"{trial.cell} failed: {trial.failure}")
            return rounds(trial.measurement)

        members = [Member(run_child), Member(run_bare)]
        for _ in Group(members, order=random.Random(number), cancel=cells.launcher.cancelled.set).run():  # noqa: S311 - an order, not a secret
            pass
    logs = [math.log(x / y) for x, y in zip(members[0].result(), members[1].result(), strict=True)]
    slices = sorted(times for member in members for times in member.seat.slices)
    return math.exp(median(logs)), [after[0] - before[1] for before, after in pairwise(slices)]


def bare(launcher: Launcher, trial: Trial, seed: Path | None) -> tuple[float, dict[str, float]]:
    """(wall seconds; first call and median step) of the bare script, with as many steps as in the trial."""
    measured = trial.measurement
    if measured is None:
        raise SystemExit(f"{trial.cell} failed: {trial.failure}")
    timed = len(measured.step_s) * measured.steps_per_sample
    steps = 1 + len(measured.warmup_s) + timed + 3 + len(measured.held_out_step_s)
    cpus = child_cpus(trial.settings.threads)
    with launcher.sandbox(seed) as sandbox:
        environment = bare_environment(sandbox, trial.settings)
        arguments = [sys.executable, "-m", "benchmarks.bare", trial.cell.model, trial.cell.stack, str(steps)]
        started = time.monotonic()
        done = subprocess.run(
            arguments,
            env=environment,
            cwd=sandbox.work,
            check=True,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            preexec_fn=lambda: os.sched_setaffinity(0, cpus),
        )
        return time.monotonic() - started, json.loads(done.stdout.splitlines()[-1])


def bare_environment(sandbox: Sandbox, settings: Settings) -> dict[str, str]:
    """The variables of a child, without those of logs that the bare script has no reader for."""
    found = child_environment(sandbox, settings, "bare")
    return {name: value for name, value in found.items() if name not in ("TF_CPP_VMODULE", "TF_CPP_MIN_LOG_LEVEL")}


if __name__ == "__main__":
    sys.exit(main())
