"""How often are verdicts of `bakeoff gate` and `bakeoff ab` wrong, compared with `--benchmark-compare-fail`?

    make gate-power                                     record, then print the table
    python -m benchmarks.gate_power record DIR [PAIRS]  measure pairs of children of the same code on chosen cells; save the run
    python -m benchmarks.gate_power table FILE...       resample the recorded pairs, and print the table

A matrix is 42 cells, each drawn from the recorded ones. Its processes are drawn with replacement from that cell's, and the
arms of each pair are swapped at random. A planted slow-down multiplies the values of one cell of the candidate. Verdicts are
those of bakeoff.compare with experiments/budgets.toml. Rates have 95 % intervals (Clopper and Pearson 1934).
"""

import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from statistics import median

import numpy as np
from scipy.stats import binomtest

from bakeoff.analysis.intervals import spread
from bakeoff.analysis.summary import CellSummary
from bakeoff.cli._common import BUDGETS
from bakeoff.compare.budgets import Budgets, read_budgets
from bakeoff.compare.changes import compare
from bakeoff.compare.pairs import INTERIM_ANALYSES
from bakeoff.compare.verdicts import Comparison, Rules, Verdict
from bakeoff.records.cell import Cell, Mode
from benchmarks.recorded import CELLS, Recorded, read, record

MATRIX = 42
MATRICES = 1000
THRESHOLD = 1.05  # as in --benchmark-compare-fail=...:5%
Rng = np.random.Generator


def drawn_pairs(source: Recorded, rng: Rng, count: int, slower: float, metric: str) -> tuple[dict[str, list[float]], ...]:
    """The values of `count` pairs, for two arms."""
    take = rng.integers(0, len(source.arms[0][metric]), count)
    swap = rng.random(count) < 0.5
    names = (metric, "step_typical") if metric == "step" else (metric,)
    base = {n: [source.arms[s][n][i] for i, s in zip(take, swap.astype(int), strict=True)] for n in names}
    other = {n: [slower * source.arms[1 - s][n][i] for i, s in zip(take, swap.astype(int), strict=True)] for n in names}
    return base, other


def drawn_runs(source: Recorded, rng: Rng, count: int, slower: float, metric: str) -> tuple[dict[str, list[float]], ...]:
    """The values of two runs: one from the first half of the session and one from the second, like two sessions on one day."""
    half = len(source.arms[0][metric]) // 2
    early = [(s, i) for s in (0, 1) for i in range(half)]
    late = [(s, i) for s in (0, 1) for i in range(half, 2 * half)]
    if rng.random() < 0.5:
        early, late = late, early
    names = (metric, "step_typical") if metric == "step" else (metric,)
    runs = []
    for pool, factor in ((early, 1.0), (late, slower)):
        take = rng.choice(len(pool), count, replace=count > len(pool))
        runs.append({n: [factor * source.arms[pool[k][0]][n][pool[k][1]] for k in take] for n in names})
    return tuple(runs)


@dataclass
class Tally:
    """The counted verdicts of many matrices."""

    matrices: int = 0
    false_matrices: int = 0
    cells: int = 0
    undecided: int = 0
    planted: int = 0
    found: int = 0
    pairs: int = 0
    seconds: float = 0.0

    def row(self, name: str, slower: float) -> str:
        """A row of the table."""
        false_alarms = _rate(self.false_matrices, self.matrices)
        power = _rate(self.found, self.planted) if self.planted else "–"
        cost = f"{self.pairs / self.cells:.1f} · {self.seconds / self.matrices / 60:.0f} min" if self.pairs else "–"
        return f"| {name} | {slower - 1:+.0%} | {false_alarms} | {power} | {_rate(self.undecided, self.cells)} | {cost} |"


Draw = Callable[[Recorded, Rng, int, float, str], tuple[dict[str, list[float]], ...]]


def simulate(
    sources: Sequence[Recorded],
    draw: Draw,
    sizes: Sequence[int],
    slower: float,
    rules: Rules,
    metric: str,
    rng: Rng,
    matrices: int,
) -> Tally:
    """Matrices with one planted slow-down (none if `slower` is 1), analysed after each number of processes in `sizes`."""
    tally = Tally()
    for _ in range(matrices):
        chosen = [sources[k] for k in rng.integers(0, len(sources), MATRIX)]
        arms = [draw(s, rng, sizes[-1], slower if n == 0 else 1.0, metric) for n, s in enumerate(chosen)]
        verdicts = dict.fromkeys(range(MATRIX), Verdict.UNDECIDED)
        for size in sizes:
            undecided = [n for n, v in verdicts.items() if v is Verdict.UNDECIDED]
            comparison = _compared(chosen, arms, undecided, size, rules)
            for n, change in zip(undecided, comparison.changes, strict=True):
                verdicts[n] = change.verdict
            if len(sizes) > 1:
                before = 0 if size == sizes[0] else sizes[sizes.index(size) - 1]
                tally.pairs += (size - before) * len(undecided)
                tally.seconds += (size - before) * sum(chosen[n].pair_s for n in undecided)
        planted = 0 if slower != 1.0 else -1
        tally.matrices += 1
        tally.cells += MATRIX
        tally.false_matrices += any(v is Verdict.WORSE for n, v in verdicts.items() if n != planted)
        tally.undecided += sum(v is Verdict.UNDECIDED for n, v in verdicts.items())
        tally.planted += planted == 0
        tally.found += planted == 0 and verdicts[0] is Verdict.WORSE
    return tally


def _compared(
    chosen: Sequence[Recorded],
    arms: Sequence[tuple[dict[str, list[float]], ...]],
    undecided: Sequence[int],
    size: int,
    rules: Rules,
) -> Comparison:
    summaries: list[list[CellSummary]] = [[], []]
    for n in undecided:
        for arm in (0, 1):
            values = {name: found[:size] for name, found in arms[n][arm].items()}
            cell = Cell(f"m{n}", "stack", Mode.INFERENCE)
            summaries[arm].append(replace(chosen[n].template, cell=cell, values=values, counts={}, parity=None))
    return compare(*summaries, rules)


def compare_fail(sources: Sequence[Recorded], statistic: str, slower: float, rng: Rng, matrices: int) -> Tally:
    """The rule of pytest-benchmark's --benchmark-compare-fail, on one process of each run."""
    tally = Tally()
    for _ in range(matrices):
        fails = []
        for n, k in enumerate(rng.integers(0, len(sources), MATRIX)):
            x, y = rng.choice(sources[k].kept[statistic], 2, replace=False)
            fails.append(y * (slower if n == 0 else 1.0) > THRESHOLD * x)
        planted = slower != 1.0
        tally.matrices += 1
        tally.cells += MATRIX
        tally.false_matrices += any(fails[planted:])
        tally.planted += planted
        tally.found += planted and fails[0]
    return tally


def table(paths: Sequence[Path], matrices: int = MATRICES) -> None:
    """Print the table."""
    sources, budgets, rng = [r for p in paths for r in read(p)], read_budgets(BUDGETS), np.random.default_rng(0)
    for s in sources:
        steps = [np.log(arm["step"]) for arm in s.arms]
        log_ratios = steps[1] - steps[0]
        robust = spread(list(log_ratios))
        deviations = (
            f"SD of a pair's log ratio {log_ratios.std():.2%} (robust {robust:.2%}), of a process's {np.std(steps):.2%}"
        )
        print(f"- {s.name}: {1e3 * median(s.arms[0]['step']):.3g} ms, {len(log_ratios)} pairs; {deviations}")
    for metric in ("step", "compile_cold"):
        drifts = [_drift(s, metric) for s in sources if metric in s.arms[0]]
        if drifts:  # the difference of two sessions has √2 times the deviation of one
            deviation = float(np.sqrt(np.mean(np.square(drifts)) / 2))
            print(f"- {metric}: SD between sessions, by the two halves of these, {deviation:.2%}: [sessions] in budgets.toml")
    print("\n| method | planted | false alarms per matrix | planted found | cells undecided | pairs per cell · matrix |")
    print("|---|---|---|---|---|---|")
    paired, saved = rules_of(budgets, pairs=True), rules_of(budgets, pairs=False)
    for slower in (1.0, 1.03, 1.05, 1.10):
        print(
            simulate(sources, drawn_pairs, INTERIM_ANALYSES, slower, paired, "step", rng, matrices).row("ab, step", slower),
            flush=True,
        )
    for slower in (1.0, 1.05, 1.10, 1.20):
        print(
            simulate(sources, drawn_runs, (10,), slower, saved, "step", rng, matrices).row("gate, 10 trials, step", slower),
            flush=True,
        )
    compiled = [s for s in sources if "compile_cold" in s.arms[0]]
    if compiled:
        for slower in (1.0, 1.10, 1.20):
            made = simulate(compiled, drawn_pairs, INTERIM_ANALYSES, slower, paired, "compile_cold", rng, matrices)
            print(made.row("ab, cold compile, CPU s", slower), flush=True)
    for statistic in ("mean", "min", "median"):
        for slower in (1.0, 1.05, 1.10):
            print(
                compare_fail(sources, statistic, slower, rng, matrices).row(f"compare-fail={statistic}:5%", slower), flush=True
            )


def _drift(source: Recorded, metric: str) -> float:
    """The log ratio of the medians of the second half of the session and the first half."""
    values = np.log([arm[metric] for arm in source.arms])
    half = values.shape[1] // 2
    return float(np.median(values[:, half:]) - np.median(values[:, :half]))


def rules_of(budgets: Budgets, *, pairs: bool) -> Rules:
    """The rules of `ab` (pairs) or of `gate`."""
    sessions = {name: budgets.sessions.get(name, 0.0) for name in ("step", "compile_cold")}
    return Rules(
        budget=budgets.of(pairs=pairs),
        family_wise_error_rate=budgets.family_wise_error_rate,
        session_sd={} if pairs else sessions,
        pairs=pairs,
        interim_analyses=INTERIM_ANALYSES if pairs else (),
        tests=3 * MATRIX if pairs else 5 * MATRIX,  # as in real runs, where memory is judged as well
        metrics=("step", "compile_cold"),
    )


def _rate(count: int, of: int) -> str:
    interval = binomtest(count, of).proportion_ci()
    return f"{count / of:.1%} [{interval.low:.1%}, {interval.high:.1%}]"


def main(words: Sequence[str]) -> None:
    """record DIR [PAIRS [CELLS [BATCH]]] | table FILE..."""
    if words[:1] == ["record"] and len(words) > 1:
        batch = int(words[4]) if len(words) > 4 else None
        print(record(Path(words[1]), int(words[2]) if len(words) > 2 else 16, words[3] if len(words) > 3 else CELLS, batch))
    elif words[:1] == ["table"] and len(words) > 1:
        table([Path(word) for word in words[1:]])
    else:
        raise SystemExit(__doc__)


if __name__ == "__main__":
    main(sys.argv[1:])
