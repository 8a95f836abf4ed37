"""Does the matrix say the same thing again? It is run several times, on a quiet machine and beside other work.

    make reproducibility                                        measure eight runs, then print the table; over an hour
    python -m benchmarks.reproducibility run DIR [ARGS...]      measure; ARGS: --runs N, and options of `bakeoff run`
    python -m benchmarks.reproducibility table DIR              read the saved runs of DIR, and print the table

Every second run has a busy process on a CPU that no child uses, and the last run has bursts of work on the children's own CPU.
The limits are those of LIMITS. Exit code 1 if one is exceeded.
"""

import argparse
import contextlib
import math
import os
import subprocess
import sys
from collections.abc import Iterator
from itertools import combinations
from pathlib import Path
from statistics import median

import numpy as np

from bakeoff.analysis.ratios import Ratio, Ratios, SpeedVerdict
from bakeoff.archive import saved_runs
from bakeoff.authoring.errors import UsageError
from bakeoff.records.cell import Cell
from bakeoff.system.environment import child_cpus, default_threads

MODELS = ("article_net", "branchy", "mlp", "lstm", "resnet50")  # steps of 30 µs, 0.3 ms, 2 ms, 10 ms and 100 ms
RUNS = 8
SHORT_S = 100e-6  # steps below it have a wider limit
TRUE = math.log(1.05)  # a difference that must not stay undecided
BUSY = "while True: pass"
BURSTS = """
import random, time
while True:
    until = time.monotonic() + random.uniform(0.01, 0.3)
    while time.monotonic() < until: pass
    time.sleep(random.uniform(0.01, 0.3))
"""
LIMITS = {  # what the table prints, and the most that it may be
    "median difference of two runs": 0.01,
    "95th percentile of it, steps from 100 µs": 0.03,
    "95th percentile of it, shorter steps": 0.05,
    "pairs of runs whose intervals do not overlap": 0.01,
    "contradicting verdicts": 0.0,
    "winner sets that do not intersect": 0.0,
    "A/A controls called faster or slower": 0.005,
    "undecided, of differences of 5 % or more": 0.05,
}


@contextlib.contextmanager
def beside(code: str, cpu: int) -> Iterator[None]:
    """Run Python code in another process on one CPU during this block. Empty code: nothing."""
    if not code:
        yield
        return
    process = subprocess.Popen(
        [sys.executable, "-c", code], start_new_session=True, preexec_fn=lambda: os.sched_setaffinity(0, {cpu})
    )
    try:
        yield
    finally:
        process.kill()
        process.wait()


def conditions(runs: int) -> list[str]:
    """What runs beside each run: every second one is busy, the last has bursts."""
    return [("", "busy")[n % 2] for n in range(runs - 1)] + ["bursts"] if runs > 1 else [""]


def measure(folder: Path, runs: int, words: list[str]) -> None:
    """Measure the runs that the folder does not hold yet."""
    own = child_cpus(default_threads())
    other = next((cpu for cpu in sorted(os.sched_getaffinity(0)) if cpu not in own), None)
    if other is None:
        raise SystemExit("there is no CPU besides the children's: the busy process would have none of its own")
    done = len(saved_runs.runs(folder / "saved"))
    for number, condition in list(enumerate(conditions(runs)))[done:]:
        code, cpu = {"": ("", other), "busy": (BUSY, other), "bursts": (BURSTS, own[0])}[condition]
        print(f"run {number + 1} of {runs}{f', beside {condition} work' if condition else ''}", flush=True)
        where = ["--benchmark-storage", str(folder / "saved"), "--bakeoff-storage", str(folder / "work")]
        names = [] if any(not word.startswith("-") for word in words[:1]) else list(MODELS)
        with beside(code, cpu), (folder / f"{number + 1}.log").open("w") as log:
            subprocess.run(
                [sys.executable, "-m", "bakeoff", "run", *names, *words, *where], stdout=log, stderr=log, check=False
            )
    (folder / "conditions").write_text("\n".join(conditions(runs)))


def table(folder: Path) -> int:
    """Print each cell's ratios, and the limits; 1 if one is exceeded."""
    runs = [Ratios.of(saved_runs.read(path).trials) for path in saved_runs.runs(folder / "saved")]
    if len(runs) < 2:
        raise SystemExit(f"{folder} holds {len(runs)} saved runs; two or more can be compared")
    of_eager: dict[Cell, list[Ratio]] = {}
    for ratios in runs:
        for cell, result in ratios.results.items():
            if not result.eager and (ratio := ratios.over_eager(cell)) is not None:
                of_eager.setdefault(cell, []).append(ratio)
    print("| cell | step | ratio to eager in each run | largest difference | verdicts |\n|---|---|---|---|---|")
    for cell, found in of_eager.items():
        step = 1e3 * median(r.results[cell].step_s for r in runs if cell in r.results and r.results[cell].measurements)
        values = " ".join(f"{ratio.value:.3f}" for ratio in found)
        apart = max(r.log for r in found) - min(r.log for r in found)
        print(
            f"| {cell} | {step:.3g} ms | {values} | {math.expm1(apart):.1%} | {', '.join(sorted({r.verdict for r in found}))} |"
        )
    reached = _reached(runs, of_eager)
    print("\n| of all pairs of runs | found | limit | |\n|---|---|---|---|")
    for name, value in reached.items():
        print(f"| {name} | {value:.2%} | {LIMITS[name]:.1%} | {'' if value <= LIMITS[name] else 'exceeded'} |")
    return int(any(value > LIMITS[name] for name, value in reached.items()))


def _reached(runs: list[Ratios], of_eager: dict[Cell, list[Ratio]]) -> dict[str, float]:
    pairs = [(cell, x, y) for cell, found in of_eager.items() for x, y in combinations(found, 2)]
    steps = {cell: median(r.results[cell].step_s for r in runs if cell in r.results) for cell in of_eager}
    off = {True: [0.0], False: [0.0]}  # short steps or not → differences
    for cell, x, y in pairs:
        off[steps[cell] < SHORT_S].append(abs(x.log - y.log))
    opposite = {SpeedVerdict.FASTER, SpeedVerdict.SLOWER}
    rows = {(cell.model, cell.mode) for cell in of_eager}
    won = [(row, [set(r.winners(*row)) for r in runs if r.winners(*row)]) for row in rows]
    apart = [not (x & y) for _, sets in won for x, y in combinations(sets, 2)]
    controls = [ratios.control for ratios in runs if ratios.control is not None]
    # what is true is not known: the median of all runs stands for it
    large = [r for found in of_eager.values() if abs(median(x.log for x in found)) >= TRUE for r in found]
    return {
        "median difference of two runs": median(off[True][1:] + off[False][1:]),
        "95th percentile of it, steps from 100 µs": float(np.quantile(off[False], 0.95)),
        "95th percentile of it, shorter steps": float(np.quantile(off[True], 0.95)),
        "pairs of runs whose intervals do not overlap": _share([x.high < y.low or y.high < x.low for _, x, y in pairs]),
        "contradicting verdicts": _share([{x.verdict, y.verdict} == opposite for _, x, y in pairs]),
        "winner sets that do not intersect": _share(apart),
        "A/A controls called faster or slower": _share([control.verdict in opposite for control in controls]),
        "undecided, of differences of 5 % or more": _share([not ratio.decided for ratio in large]),
    }


def _share(found: list[bool]) -> float:
    return sum(found) / len(found) if found else 0.0


def main() -> int:
    """Measure if asked to, and print the table. Exit code 1 if a limit is exceeded."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.reproducibility", description=__doc__)
    parser.add_argument("do", choices=["run", "table"])
    parser.add_argument("folder", type=Path)
    parser.add_argument("--runs", type=int, default=RUNS)
    asked, words = parser.parse_known_args()
    asked.folder.mkdir(parents=True, exist_ok=True)
    try:
        if asked.do == "run":
            measure(asked.folder, asked.runs, words)
        return table(asked.folder)
    except UsageError as error:
        raise SystemExit(str(error)) from None


if __name__ == "__main__":
    sys.exit(main())
