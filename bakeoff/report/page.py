"""How does a run become one HTML file? Everything is inside it; nothing is fetched. Keeps the drawing library on disk."""

import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib.metadata import version
from importlib.resources import files
from pathlib import Path
from typing import Any

import msgspec

from bakeoff.analysis.cost import Costs
from bakeoff.analysis.formatting import seconds
from bakeoff.analysis.metric import UNITS, JudgedBy, Metric
from bakeoff.analysis.metrics import METRICS, THROUGHPUT
from bakeoff.analysis.ratios import BAND, SpeedVerdict
from bakeoff.analysis.results import by_cell
from bakeoff.analysis.summary import recorded
from bakeoff.archive.saved_runs import SavedRun
from bakeoff.records.cell import Mode
from bakeoff.records.trial import Status
from bakeoff.report import charts, facts
from bakeoff.report import sections as other_sections
from bakeoff.report.facts import CellFacts, Detail
from bakeoff.runner.task import Roofline
from bakeoff.system.folders import whole
from bakeoff.system.terminal import clean
from bakeoff.views.matrix import Matrix

SCRIPTS = ("draw.js", "cell.js", "page.js")
RATIOS = {  # of a cell to other cells or to the machine; what is known of a cell alone is in bakeoff.analysis.metrics
    "over_eager": "speed-up over its framework's eager",
    "over_best": "speed over the fastest stack",
    "share_of_machine_peak": "share of the machine peak",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Page:
    """What a report is made from: a run, and comparisons with other runs."""

    run: SavedRun
    label: str
    stem: str
    changes: Mapping[str, Any] | None = None  # changed.compared
    trends: Mapping[str, Any] | None = None  # changed.over_runs


def html(page: Page, kept: Path) -> str:
    """The whole file. `kept` is a folder in which the drawing library is kept from report to report."""
    from jinja2 import Environment, PackageLoader, StrictUndefined

    library: list[str] = []
    fetching = threading.Thread(target=lambda: library.append(_vega(kept)))
    fetching.start()  # takes a second or two the first time, meanwhile the rest is computed
    values = _values(page)
    environment = Environment(
        loader=PackageLoader("bakeoff.report", "."),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        keep_trailing_newline=True,
        finalize=lambda value: clean(value) if type(value) is str else value,  # ours are Markup
    )
    fetching.join()
    return environment.get_template("page.html").render(
        **values, vega=library[0], css=_file("page.css"), js="\n".join(map(_file, SCRIPTS))
    )


def _file(name: str) -> str:
    return files("bakeoff.report").joinpath(name).read_text(encoding="utf-8")


def _vega(kept: Path) -> str:
    """Vega, Vega-Lite and Vega-Embed as one script without imports, as vl-convert brings them along."""
    path = kept / f"vega-{version('vl-convert-python')}.js"
    try:
        return path.read_text(encoding="utf-8")
    except OSError:
        import vl_convert

        bundle: str = vl_convert.javascript_bundle()  # type: ignore[call-arg]  # its stub knows no default
        script = bundle.replace("</script", r"<\/script")
        try:
            kept.mkdir(parents=True, exist_ok=True)
            with whole(path) as partial:
                partial.write_text(script, encoding="utf-8")
        except OSError:
            pass  # the next report takes a second longer
        return script


def _values(page: Page) -> dict[str, Any]:
    run = page.run
    alone = [t for t in run.trials if t.exported_by is None]
    matrix = Matrix.of(alone, run.one_time_costs, recorded(run.summaries or ()), run.neighbours)
    roofline = other_sections.roofline(run)
    cells = facts.of(matrix, roofline)
    shown = [f for f, _ in cells]
    stacks = list(dict.fromkeys(f.stack for f in shown))
    choosable = [f for f in shown if f.step_s is not None and f.workers is None]
    changes, trends = page.changes, page.trends
    shares = [f for f in shown if f.flops_per_byte is not None]
    has_peak = any(f.share_of_machine_peak for f in shown)
    ratios = {name: title for name, title in RATIOS.items() if name != "share_of_machine_peak" or has_peak}
    listed = [m for name, m in METRICS.items() if any(name in f.metrics for f in shown)]
    apart = other_sections.of(run)
    sections = {
        "choose": "Which stack?" if choosable else "",
        "matrix": "Matrix" if shown else "",
        "cell": "One cell" if shown else "",
        "roofline": "Roofline" if shares else "",
        "changes": "What changed" if changes else "",
        "trends": "Trends" if trends else "",
        **{id: title for id, title, *_ in apart},
        "environment": "Environment",
    }
    environment = other_sections.environment(run)
    head = {
        "label": page.label,
        "stem": page.stem,
        "when": run.datetime[:16].replace("T", " "),
        "summary": _summary(shown, run),
    }
    data = {
        "run": {**head, "environment": environment},
        "cells": shown,
        "details": {f.cell: d for f, d in cells},
        "charts": charts.specifications(stacks),
        "roofline": roofline,
        "metrics": [_metric(m) for m in listed],
        "throughput": THROUGHPUT,
        "band": BAND,
        "ranges": _ranges(matrix),
        "changes": None if changes is None else changes.get("drawn"),
        "trends": None if trends is None else trends["data"],
    }
    return {
        "run": head,
        "sections": [(id, title) for id, title in sections.items() if title],
        "choosable": bool(choosable),
        "models": list(dict.fromkeys(f.model for f in shown)),
        "modes": list(dict.fromkeys(f.mode for f in shown)),
        "metrics": [*ratios.items(), *((m.name, m.title) for m in listed)],
        "matrices": [_heat(matrix, cells, mode) for mode in dict.fromkeys(f.mode for f in shown)],
        "failures": [(why, ", ".join(str(r.cell) for r in found)) for why, found in matrix.failures().items()],
        "notes": matrix.notes_on_successes(),
        "curve_steps": facts.CURVE_STEPS,
        "roofline": _roofline(roofline if has_peak else None) if shares else "",
        "shares": [_share(f) for f in sorted(shares, key=lambda f: -(f.share_of_machine_peak or 0.0))],
        "changes": changes,
        "trends": trends,
        "tables": apart,
        "environment": environment,
        "data": _json(data),
    }


def _metric(metric: Metric) -> dict[str, Any]:
    """How the page writes and colours it."""
    return {
        "name": metric.name,
        "title": metric.title,
        "format": UNITS[metric.unit].in_page,
        "better": 1 if metric.higher_is_better else -1,
        "zero_is_ideal": metric.zero_is_ideal,
        "coloured": metric.judged_by is not JudgedBy.LEVEL,  # an error within its tolerance is neither good nor bad
    }


def _ranges(matrix: Matrix) -> dict[str, list[dict[str, Any]]]:
    """Model and mode → which stack is the fastest from how many steps on, with bounds: as `pick`."""
    rows = dict.fromkeys((cell.model, cell.mode) for cell in matrix.results)
    alone = [r.cell.stack for r in matrix.results.values() if r.trials[0].workers is None]
    return {
        f"{model} {mode}": [
            {"stack": g.result.cell.stack, "from": g.from_steps, "low": g.earliest, "high": g.latest}
            for g in Costs(matrix.ratios, model, mode, alone).ranges()
        ]
        for model, mode in rows
    }


def _json(data: object) -> str:
    """For a script element: without `<`, so that no name can end the element or begin another."""
    text = msgspec.json.encode(_clean(msgspec.to_builtins(data))).decode()
    return text.replace("<", "\\u003c").replace(">", "\\u003e").replace("&", "\\u0026")


def _clean(value: Any) -> Any:
    """Without control characters, and without those that reverse the direction of text."""
    if isinstance(value, str):
        return clean(value)
    if isinstance(value, dict):
        return {clean(str(name)): _clean(part) for name, part in value.items()}
    return [_clean(part) for part in value] if isinstance(value, list | tuple) else value


def _summary(shown: Sequence[CellFacts], run: SavedRun) -> str:
    fine = sum(f.status == Status.OK for f in shown)
    trial = run.trials[0]
    of = trial.settings
    sizes = ", ".join(dict.fromkeys(t.settings.size for t in run.trials))
    threads = f"{of.threads} thread{'s' * (of.threads > 1)} per cell"
    text = f"{fine} of {len(shown)} cells have a speed; size {sizes}, {of.dtype}, {threads}"
    served = by_cell([t for t in run.trials if t.exported_by is not None]).values()
    if served:
        text = f"{sum(r.status is Status.OK for r in served)} of {len(served)} deployment formats have a speed; {text}"
    machine = next((t.environment for t in run.trials if t.environment is not None), None)
    return f"{text}{f', on {machine.cpu}' if machine is not None else ''}."


def _heat(
    matrix: Matrix, cells: Sequence[tuple[CellFacts, Detail]], mode: str
) -> tuple[str, list[str], list[tuple[str, list[tuple[str, Any]], list[str]]]]:
    """(mode, stacks, rows of model, cells and winners), as the page shows it where no script runs: speed over eager."""
    here = {(f.model, f.stack): (f, d) for f, d in cells if f.mode == mode}
    stacks = list(dict.fromkeys(stack for _, stack in here))
    rows = []
    for model in dict.fromkeys(model for model, _ in here):
        row = [(stack, here.get((model, stack))) for stack in stacks]
        buttons = [(stack, None if found is None else _button(found[0], found[1].notes)) for stack, found in row]
        rows.append((model, buttons, matrix.winners(model, Mode(mode))))
    return mode, stacks, rows


def _button(found: CellFacts, notes: Sequence[str]) -> dict[str, Any]:
    """A cell of the matrix: its speed-up, and on hover its status, the reason, and what was not equal for all stacks."""
    failed = found.failed
    value = found.status
    if found.step_s is not None:
        value = seconds(found.step_s) if found.over_eager is None else _ratio(found)
    title = "; ".join([f"{found.cell}: {found.status}" + (f": {found.reason}" if found.reason else ""), *notes])
    return {"id": found.cell, "failed": failed, "value": value, "title": title}


def _ratio(found: CellFacts) -> str:
    off = ((found.over_eager_high or 0.0) - (found.over_eager_low or 0.0)) / 2
    return f"×{found.over_eager:.2f} ±{off:.2f}" + "?" * (found.over_eager_verdict == SpeedVerdict.UNDECIDED)


def _roofline(roofline: Roofline | None) -> str:
    how = (
        "Flops and bytes are counted once per model: its matrix products and convolutions; each weight, input and output once."
    )
    if roofline is None:
        return f"{how} No machine peak was measured that applies to these cells."
    product = f"{roofline.flops_per_s / 1e9:.3g} Gflop/s (numpy's float32 matrix product)"
    reached = f"{product} and {roofline.bytes_per_s / 1e9:.3g} GB/s (copies)"
    threads = f"{roofline.threads} thread{'s' * (roofline.threads > 1)}"
    cached = "Cells that are limited by memory but move so little that it may stay in a cache have no share."
    return f"{how} With {threads} this machine was measured to reach {reached}, in the same run. {cached}"


def _share(f: CellFacts) -> tuple[str, ...]:
    share = "–" if f.share_of_machine_peak is None else f"{100 * f.share_of_machine_peak:.0f} %"
    return f.cell, f"{(f.flops_per_s or 0) / 1e9:.3g}", f"{f.flops_per_byte:.3g}", share
