"""How much time does Bakeoff add? The whole child of a cell is compared with a bare script that does the same work.

    make overhead

Per pair: the child of one cell, from start to exit as in a session, then `benchmarks.bare` with the same variables, CPUs, empty
caches and number of steps, but without the framework logs from which diagnostics are read. The child goes first, so that any
cost of going first counts against Bakeoff. Two medians of the pairs' ratios must stay below 1.05: that of the whole process and
that of the first call, which limits what diagnostics add to compiling. The median step is only shown.
"""

import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from statistics import median

from bakeoff.authoring import discovery
from bakeoff.records.cell import Cell, Mode
from bakeoff.records.trial import Settings, Trial
from bakeoff.runner.cells import CellRunner
from bakeoff.runner.launch import Launcher
from bakeoff.runner.plan import Plan, PlannedCell
from bakeoff.runner.store import Store
from bakeoff.system.environment import child_cpus, child_environment, default_threads

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
LIMIT = 1.05


def main() -> int:
    """Exit code 1 where the largest median ratio is beyond the limit."""
    settings = Settings(size="small", batch_size=None, device="cpu", threads=default_threads(), timeout_s=300.0)
    models, stacks = discovery.models(), discovery.stacks()
    ratios = {}
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
                    first, step = measured.first_call_s / alone["first_s"], median(measured.step_s) / alone["step_s"]
                    found.append({"whole": trial.wall_s / wall_s, "first call": first, "step": step})
            ratios_by_name = {name: [pair[name] for pair in found] for name in found[0]}
            for name, values in ratios_by_name.items():
                ratios[f"{model}-{stack} {name}"] = median(values)
            spread = ", ".join(f"{n} {median(v):.3f} ({min(v):.3f} to {max(v):.3f})" for n, v in ratios_by_name.items())
            print(f"{model}-{stack}: child / bare script, medians of {PAIRS} pairs: {spread}", flush=True)
        cells.launcher.close()
    worst = max(value for name, value in ratios.items() if not name.endswith("step"))
    print(json.dumps({"largest": round(worst, 3), "limit": LIMIT}))
    return int(worst > LIMIT)


def bare(launcher: Launcher, trial: Trial, seed: Path | None) -> tuple[float, dict[str, float]]:
    """(wall seconds; first call and median step) of the bare script, with as many steps as in the trial."""
    measured = trial.measurement
    if measured is None:
        raise SystemExit(f"{trial.cell} failed: {trial.failure}")
    timed = len(measured.step_s) * measured.steps_per_sample
    steps = 1 + len(measured.warmup_s) + timed + 3 + len(measured.held_out_step_s)
    cpus = child_cpus(trial.settings.threads)
    with launcher.sandbox(seed) as sandbox:
        environment = child_environment(sandbox, trial.settings, "bare")
        arguments = [sys.executable, "-m", "benchmarks.bare", trial.cell.model, trial.cell.stack, str(steps)]
        for name in ("TF_CPP_VMODULE", "TF_CPP_MIN_LOG_LEVEL"):  # the bare script has no reader for these logs
            environment.pop(name)
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


if __name__ == "__main__":
    sys.exit(main())
