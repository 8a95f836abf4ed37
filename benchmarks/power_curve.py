"""How quiet must a machine be? The rates of correct and false verdicts of `bakeoff ab` and `gate`, by the deviation.

    python -m benchmarks.power_curve FILE      a session saved by `benchmarks.gate_power record`, for the other values of a cell

Log ratios are drawn from a normal distribution with the given standard deviation; the rest is as in benchmarks.gate_power.
"""

import sys
from dataclasses import replace
from pathlib import Path

import numpy as np

from bakeoff.cli._common import BUDGETS
from bakeoff.compare.budgets import read_budgets
from bakeoff.compare.pairs import INTERIM_ANALYSES
from benchmarks.gate_power import drawn_pairs, drawn_runs, rules_of, simulate
from benchmarks.recorded import Recorded, read

POOL, MATRICES = 4000, 200
DEVIATIONS = (0.0025, 0.005, 0.0075, 0.01, 0.015, 0.02, 0.04)


def normal(like: Recorded, deviation: float, rng: np.random.Generator) -> Recorded:
    """A cell whose pairs' log ratios have this standard deviation, as have its processes' step times."""
    samples = [np.exp(rng.normal(0.0, deviation / np.sqrt(2), POOL)) for _ in range(2)]
    arms = tuple({name: list(map(float, values)) for name in ("step", "step_typical", "compile_cold")} for values in samples)
    return replace(like, arms=(arms[0], arms[1]))


def main(path: Path) -> None:
    """Print both curves as Markdown."""
    rng, like = np.random.default_rng(0), read(path)[0]
    budgets = read_budgets(BUDGETS)
    print("| deviation of a pair | ab: false alarms per matrix | +3 % found | +5 % found | undecided | compile +10 % found |")
    print("|---|---|---|---|---|---|")
    for deviation in DEVIATIONS:
        cell, rules = normal(like, deviation, rng), rules_of(budgets, pairs=True)
        runs = [
            simulate([cell], drawn_pairs, INTERIM_ANALYSES, slower, rules, "step", rng, MATRICES)
            for slower in (1.0, 1.03, 1.05)
        ]
        compiled = simulate([cell], drawn_pairs, INTERIM_ANALYSES, 1.10, rules, "compile_cold", rng, MATRICES)
        none, three, five = runs
        shares = (none.false_matrices / none.matrices, three.found / three.planted, five.found / five.planted)
        rest = (none.undecided / none.cells, compiled.found / compiled.planted)
        print(f"| {deviation:.2%} | " + " | ".join(f"{share:.1%}" for share in (*shares, *rest)) + " |", flush=True)
    print("\n| deviation of a session | of a process | gate, 10 trials: false alarms | +10 % found | undecided |")
    print("|---|---|---|---|---|")
    for session in (0.0025, 0.005, 0.01, 0.015, 0.02):
        cell, rules = normal(like, 0.01, rng), replace(rules_of(budgets, pairs=False), session_sd={"step": session})
        none, ten = (simulate([cell], drawn_runs, (10,), slower, rules, "step", rng, MATRICES) for slower in (1.0, 1.10))
        shares = (none.false_matrices / none.matrices, ten.found / ten.planted, none.undecided / none.cells)
        print(f"| {session:.2%} | 0.71% | " + " | ".join(f"{share:.1%}" for share in shares) + " |", flush=True)


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    main(Path(sys.argv[1]))
