"""Which results may a choice of stack rest on? Those of a named run, or of the latest run that fits this machine."""

import contextlib
import os
import shlex
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import msgspec

from bakeoff.analysis.ratios import BAND, Ratios
from bakeoff.analysis.rerun import command_line
from bakeoff.analysis.results import CellResult
from bakeoff.analysis.settings import SETTINGS, differing
from bakeoff.analysis.summary import CellSummary
from bakeoff.archive import saved_runs
from bakeoff.archive import storage as saved_in
from bakeoff.authoring.errors import UsageError
from bakeoff.records.cell import Mode
from bakeoff.records.trial import Settings, Trial
from bakeoff.system.environment import cpu_model


@dataclass(frozen=True, slots=True)
class Evidence:
    """Results of one model and mode, and their source."""

    results: Sequence[CellResult]
    ratios: Ratios  # of the whole run
    source: str
    settings: Settings
    remarks: tuple[str, ...] = ()


def of(
    trials: Iterable[Trial],
    model: str,
    mode: Mode,
    stacks: Sequence[str] | None,
    source: str,
    settings: Settings,
    *remarks: str,
    band: float = BAND,
) -> Evidence:
    """From all trials of a run: results of one model and mode.

    `stacks`: None for those that run the model by themselves, neither a deployment format nor several workers.
    """
    ratios = Ratios.of(trials, band)
    found = ratios.row(model, mode)
    if stacks is None:
        apart = [r for r in found if r.trials[0].exported_by is not None or r.trials[0].workers is not None]
        if apart:
            names = ", ".join(r.cell.stack for r in apart)
            remarks += (f"not ranked unless --stacks names them, because they do not run a model alone: {names}",)
        return Evidence([r for r in found if r not in apart], ratios, source, settings, remarks)
    missing = [name for name in stacks if name not in {r.cell.stack for r in found}]
    if missing:
        remarks += (f"not in that run: {', '.join(missing)}",)
    return Evidence([r for r in found if r.cell.stack in stacks], ratios, source, settings, remarks)


def named(
    name: str, storage: Path, model: str, mode: Mode, stacks: Sequence[str] | None, settings: Settings, band: float = BAND
) -> Evidence:
    """Of one saved run, with remarks on other settings or another machine."""
    path = saved_runs.find(name, storage)
    found = _run_of(path, model, mode)
    if not found.summaries:
        raise UsageError(f"the run {name} has no cell of {model} {mode}; `bakeoff show {name}` prints those that it has")
    unlike = _settings(found.summaries, settings) + _machine(found.summaries)
    elsewhere = [f"that run had another {text}" for text in unlike]
    return _read(found, model, mode, stacks, *elsewhere, band=band)


def latest(
    storage: Path,
    model: str,
    mode: Mode,
    stacks: Sequence[str] | None,
    settings: Settings,
    rankable: Collection[str],
    band: float = BAND,
) -> Evidence:
    """Of the latest saved run on this machine with these settings that has the model on any of the `rankable` stacks.

    UsageError with the command that makes one, if there is none.
    """
    differs = "none has it"
    for path in reversed(saved_runs.runs(storage)):
        with contextlib.suppress(UsageError):  # a damaged file does not hide the others
            found = _run_of(path, model, mode)
            if not any(f.cell.stack in rankable for f in found.summaries):
                continue
            unlike = _settings(found.summaries, settings) + _machine(found.summaries)
            if not unlike:
                return _read(found, model, mode, stacks, band=band)
            if differs == "none has it":
                differs = f"{found.label} has it with another {', '.join(unlike)}"
    raise UsageError(
        f"no saved run in {storage} has {model} {mode} with these settings on this machine ({differs}); "
        f"make one: {command_line('run', (model, *(stacks or ())), mode, settings)}{_there(storage)}; or measure now: --measure"
    )


def _there(folder: Path) -> str:
    """The option that names the folder of saved runs, if it is not the default."""
    usual = saved_in.folder(saved_in.default_storage())
    return "" if folder == usual else f" {shlex.join([saved_in.FLAG, str(folder)])}"


def _run_of(path: Path, model: str, mode: Mode) -> saved_runs.Run:
    """The summaries of a model, from a run of any version."""
    run = saved_runs.read_summaries(path, only=lambda cell: (cell.model, cell.mode) == (model, mode))
    mine = [f for f in run.summaries if (f.cell.model, f.cell.mode) == (model, mode)]
    return msgspec.structs.replace(run, summaries=mine)


def _read(found: saved_runs.Run, model: str, mode: Mode, stacks: Sequence[str] | None, *remarks: str, band: float) -> Evidence:
    run = saved_runs.read(found.path)
    trials = [t for t in run.trials if (t.cell.model, t.cell.mode) == (model, mode)]
    mixed = [s.title for s in SETTINGS if s.forbids and len({getattr(t.settings, s.name) for t in trials}) > 1]
    if mixed:
        raise UsageError(
            f"{found.path}: its cells of {model} {mode} differ in their {' and '.join(mixed)}, so they cannot be ranked; "
            "name a run that measured them alike"
        )
    if not trials:
        raise UsageError(f"{found.path} is not a complete saved run: it has summaries of {model} {mode}, and no trials")
    source = f"saved run {found.label}" + (f" of {found.when[:19]}" if found.when else "")
    return of(run.trials, model, mode, stacks, source, trials[0].settings, *remarks, band=band)


def _settings(summaries: Sequence[CellSummary], mine: Settings) -> list[str]:
    """The settings that affect speed and differ, of any cell."""
    forbids = [setting for setting in SETTINGS if setting.forbids]
    each = [(s, theirs) for theirs in (f.settings for f in summaries) for s in differing(theirs, mine, forbids)]
    return list(dict.fromkeys(f"{s.title} ({s.shown(theirs)}, not {s.shown(mine)})" for s, theirs in each))


def _machine(summaries: Sequence[CellSummary]) -> list[str]:
    """How the machine differs."""
    there = next((f.environment for f in summaries if f.environment is not None), None)
    if there is None:
        return []
    parts = [("processor", there.cpu, cpu_model()), ("number of cores", there.cores, os.cpu_count())]
    return [f"{what} ({was}, not {here})" for what, was, here in parts if was != here]
