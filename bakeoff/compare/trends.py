"""How did one metric of some cells change over all saved runs? For the terminal and JSON: `bakeoff history`."""

import math
import shutil
from collections.abc import Iterable, Iterator, Sequence
from fnmatch import fnmatchcase
from pathlib import Path
from statistics import median

import msgspec

from bakeoff.analysis.metrics import METRICS
from bakeoff.analysis.summary import CellSummary
from bakeoff.archive import saved_runs
from bakeoff.archive.saved_runs import Run
from bakeoff.authoring.errors import UsageError
from bakeoff.compare import comparable
from bakeoff.compare.history import Point, Trend, sparkline, trend
from bakeoff.records.cell import Cell
from bakeoff.records.trial import Status
from bakeoff.system.terminal import clean


def read(storage: Path, glob: str, unreadable: list[str]) -> list[Run]:
    """All saved runs with the cells that the glob matches; files that cannot be read are named in `unreadable`.

    UsageError if no run has such a cell.
    """
    runs: list[Run] = []
    for path in saved_runs.runs(storage):
        try:
            runs.append(saved_runs.read_summaries(path, lambda cell: fnmatchcase(str(cell), glob)))
        except UsageError as error:
            unreadable.append(str(error))
    if not any(run.summaries for run in runs):
        latest = saved_runs.runs(storage)[-1:]
        known = sorted({str(f.cell) for path in latest for f in saved_runs.read_summaries(path).summaries})
        raise UsageError(f"no saved run in {storage} has a cell {glob}; there are: {', '.join(known[:8]) or 'no runs at all'}")
    return runs


def trends(runs: Iterable[Run], glob: str, metric: str) -> Iterator[Trend]:
    """A trend per cell that the glob covers, oldest run first."""
    series: dict[Cell, list[tuple[Run, CellSummary]]] = {}
    for run in sorted(runs, key=lambda run: run.when):
        for found in run.summaries:
            if fnmatchcase(str(found.cell), glob):
                series.setdefault(found.cell, []).append((run, found))
    for cell, rows in series.items():
        latest = rows[-1][1]
        kept = [(run, found) for run, found in rows if comparable.alike([latest], [found])]
        yield trend(cell, metric, [_point(run, found, metric) for run, found in kept], len(rows) - len(kept))


def _point(run: Run, found: CellSummary, metric: str) -> Point:
    values = found.all_of(METRICS[metric])
    value = median(values) if found.status is Status.OK and values else None
    return Point(
        run=run.path.stem[:4],
        when=run.when,
        commit=str(run.commit),
        status=str(found.status),
        value=value,
        trials=found.trials,
    )


def show(glob: str, metric: str, storage: Path, *, as_json: bool) -> None:
    """Print it."""
    unreadable: list[str] = []
    found = list(trends(read(storage, glob, unreadable), glob, metric))
    if as_json:
        body = [{**msgspec.to_builtins(t), "cell": str(t.cell)} for t in found]
        print(msgspec.json.format(msgspec.json.encode(body), indent=1).decode())
    else:
        width = shutil.get_terminal_size((100, 0)).columns
        for each in found:
            print("\n".join(_lines(each, width)))
    for line in unreadable:
        print(clean(f"left out: {line}"))


def _lines(found: Trend, width: int) -> Sequence[str]:
    valued = [p for p in found.points if p.value is not None]
    lines = [f"{found.cell} {METRICS[found.metric].title}: {len(found.points)} runs, {len(valued)} with a value"]
    if found.left_out:
        lines[0] += f"; {found.left_out} of another machine or other settings left out"
    lines.append(sparkline(found, width - 2))
    if valued:
        ends = valued[0], valued[-1]
        lines.append("  ".join(clean(f"{p.run} {p.when[:10]} {p.commit}: {_value(found.metric, p.value)}") for p in ends))
    for shift in found.shifts:
        at = clean(f"{shift.at.run} ({shift.at.when[:16]}, {shift.at.commit})")
        lines.append(f"  ×{shift.ratio:.3f} from {at} on; {clean(shift.before.run)} ({clean(shift.before.commit)}) came before")
    if not found.shifts:
        lines.append("  no level shift found" if len(valued) > 3 else "  too few runs to look for level shifts")
    return lines


def _value(metric: str, value: float | None) -> str:
    return "?" if value is None or not math.isfinite(value) else METRICS[metric].formatted(value)
