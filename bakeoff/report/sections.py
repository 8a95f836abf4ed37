"""Which tables does a report have beside the matrix? Workers, formats, shapes, known graph breaks, environment. Pure."""

from collections.abc import Sequence
from typing import TypeAlias

from bakeoff import tasks
from bakeoff.analysis.settings import SETTINGS
from bakeoff.archive.saved_runs import SavedRun
from bakeoff.records.trial import Trial
from bakeoff.runner.task import Roofline
from bakeoff.system.terminal import clean
from bakeoff.tasks.tables import records_of
from bakeoff.views import scaling_table

ReportTable: TypeAlias = tuple[str, str, str, Sequence[str], Sequence[Sequence[str]]]  # id, title, legend, columns, rows


def of(run: SavedRun) -> list[ReportTable]:
    """(id, title, legend, columns, rows) of each table; empty ones are left out."""
    found: list[ReportTable] = []
    scaled = scaling_table.rows(run.trials)
    if scaled:
        found.append(
            (
                "scaling",
                "More workers",
                scaling_table.SCALING_LEGEND,
                scaling_table.SCALING_COLUMNS,
                [scaling_table.formatted(r) for r in scaled],
            )
        )
    records = records_of(run)
    for task in tasks.every():
        section = task.section(records.get(task.name, ()), run.trials)
        if section is not None:
            found.append((task.name, section.title, section.legend, section.columns, section.rows))
    return found


def roofline(run: SavedRun) -> Roofline | None:
    """What the machine reached in this run, from the first task that measured it."""
    records = records_of(run)
    found = (task.roofline(records.get(task.name, ())) for task in tasks.every())
    return next((bound for bound in found if bound is not None), None)


def environment(run: SavedRun) -> list[tuple[str, str]]:
    """Where and with what all trials ran; values that differ among trials are listed side by side."""

    def one(trial: Trial) -> dict[str, str]:
        e, s = trial.environment, trial.settings
        if e is None:
            return {}
        return {
            "processor": f"{e.cpu}, {e.cores} cores",
            "memory": f"{e.memory_bytes / 2**30:.0f} GiB",
            "platform": e.platform,
            "device": e.device,
            "Python": e.python,
            "settings": ", ".join(f"{setting.title} {setting.shown(s)}" for setting in SETTINGS),
        }

    found: dict[str, list[str]] = {}
    for trial in run.trials:
        for name, value in one(trial).items():
            found.setdefault(name, [])
            if value not in found[name]:
                found[name].append(value)
    versions = {name: v for t in run.trials if t.environment for name, v in t.environment.versions.items()}
    rows = [(name, "; ".join(values)) for name, values in found.items()]
    rows.append(("versions", ", ".join(f"{name} {v}" for name, v in sorted(versions.items()))))
    rows.append(("commit", str(run.commit_info)))
    if run.command:
        rows.insert(0, ("command", run.command))
    return [(name, clean(value)) for name, value in rows]
