"""What does shell completion offer? Models, stacks, modes and saved runs, chosen by the name of the argument.

The names come from folders: no framework is imported, and no saved run is read.
"""

import argparse
import os
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any

from bakeoff import tasks
from bakeoff.analysis.metrics import in_pairs
from bakeoff.archive import saved_runs, storage
from bakeoff.authoring import discovery
from bakeoff.authoring.errors import UsageError
from bakeoff.authoring.model import SIZES
from bakeoff.records.cell import Mode
from bakeoff.records.compile_only import TARGETS
from bakeoff.runner.options import DTYPES

Offer = Callable[..., Iterable[str]]


def complete(parser: argparse.ArgumentParser) -> None:
    """If the shell asks for completions, print them and end the process."""
    if "_ARGCOMPLETE" not in os.environ:
        return
    import argcomplete

    attach(parser)
    argcomplete.autocomplete(parser, always_complete_options=False)


def attach(parser: argparse.ArgumentParser) -> None:
    """Give each argument of each command its completer. Arguments without one complete file names; numbers complete nothing."""
    found = [(option.name(flag), option.values) for task in tasks.every() for flag, option in task.options.items()]
    of_tasks = {name: OF_TASKS[values] for name, values in found if values in OF_TASKS}
    for action in parser._actions:
        if isinstance(action, argparse._SubParsersAction):
            for name, verb in action.choices.items():
                attach(verb)
                for own in verb._actions:
                    if (name, own.dest) in OF_VERB:
                        _give(own, OF_VERB[name, own.dest])
        elif action.type in (int, float):
            _give(action, _nothing)
        elif action.dest in BY_NAME:
            _give(action, BY_NAME[action.dest])
        elif action.dest in of_tasks:
            _give(action, of_tasks[action.dest])


def _give(action: argparse.Action, offer: Offer) -> None:
    """Set the attribute that argcomplete reads. argparse does not declare it."""
    vars(action)["completer"] = offer


def _models(parsed_args: argparse.Namespace, **_: Any) -> list[str]:
    return _names(lambda: discovery.models(map(Path, getattr(parsed_args, "models_from", None) or ())).names)


def _stacks(parsed_args: argparse.Namespace, **_: Any) -> list[str]:
    return _names(lambda: discovery.stacks(map(Path, getattr(parsed_args, "compilers_from", None) or ())).names)


def _modes(**_: Any) -> list[str]:
    return [str(mode) for mode in Mode]


def _cells(prefix: str, parsed_args: argparse.Namespace, **_: Any) -> list[str]:
    """Models; after the first hyphen stacks; after the second modes."""
    parts = prefix.split("-")
    if len(parts) == 1:
        return _models(parsed_args)
    if len(parts) == 2:
        return [f"{parts[0]}-{name}" for name in _stacks(parsed_args)]
    return ["-".join((*parts[:2], mode)) for mode in _modes()]


def _named(prefix: str, parsed_args: argparse.Namespace, **_: Any) -> list[str]:
    """Models, stacks and modes in any order, or whole cells."""
    return _cells(prefix, parsed_args) if "-" in prefix else [*_models(parsed_args), *_stacks(parsed_args), *_modes()]


def _runs(parsed_args: argparse.Namespace, **_: Any) -> Mapping[str, str]:
    """Numbers of saved runs, latest first, and names of pairs. A shell may show the commit as a description of a number."""
    folder = storage.local(getattr(parsed_args, "benchmark_storage", None) or storage.default_storage())
    if folder is None:
        return {}
    pairs = sorted(folder.glob(f"{saved_runs.PAIRS}/*.json"))
    numbers = {path.name[:4]: path.stem[5:] for path in reversed(saved_runs.runs(folder))}
    return numbers | {path.stem: "pairs" for path in pairs}


def _shown(prefix: str, parsed_args: argparse.Namespace, **_: Any) -> Mapping[str, str]:
    """Saved runs, and cells."""
    return {**_runs(parsed_args), **dict.fromkeys(_cells(prefix, parsed_args), "")}


def _listed(names: Offer) -> Offer:
    """Completes the last name of a comma-separated list."""

    def offer(prefix: str, **more: Any) -> list[str]:
        before, comma, _ = prefix.rpartition(",")
        had = before.split(",")
        return [f"{before}{comma}{name}" for name in names(prefix=prefix, **more) if name not in had]

    return offer


def _one_of(*names: str) -> Offer:
    return lambda **_: names


def _frameworks(parsed_args: argparse.Namespace, prefix: str, **_: Any) -> list[str]:
    """FRAMEWORK=, then file names."""
    framework, equals, path = prefix.partition("=")
    if equals:
        from argcomplete.completers import FilesCompleter

        return [f"{framework}={found}" for found in FilesCompleter()(path)]
    return _names(lambda: sorted({f"{s.framework}=" for s in discovery.stacks(map(Path, parsed_args.compilers_from or ()))}))


def _folders(prefix: str, **_: Any) -> Iterable[str]:
    from argcomplete.completers import DirectoriesCompleter

    found: Iterable[str] = DirectoriesCompleter()(prefix)
    return found


def _nothing(**_: Any) -> list[str]:
    return []


def _names(ask: Callable[[], list[str]]) -> list[str]:
    """The names, or none where a folder is wrong: the command itself reports that when it is run."""
    try:
        return ask()
    except UsageError:
        return []


BY_NAME: dict[str, Offer] = {
    "model": _models,
    "models": _listed(_models),
    "stack": _stacks,
    "stacks": _listed(_stacks),
    "mode": _modes,
    "modes": _listed(_modes),
    "cell": _cells,
    "names": _named,
    "run": _runs,
    "runs": _runs,
    "profile": _cells,
    "tensorboard": _folders,
    "metrics": _listed(lambda **_: in_pairs()),
    "size": _one_of(*SIZES),
    "device": _one_of("cpu", "cuda"),
    "dtype": _one_of(*DTYPES),
    "target": _one_of(*TARGETS),
    "interpreter": _frameworks,
    "shape": _nothing,
    "cells": _nothing,
    "interim_analyses": _nothing,
    "accept": _nothing,
    "models_from": _folders,
    "compilers_from": _folders,
    "bakeoff_storage": _folders,
    "benchmark_storage": _folders,
}
# by TaskOption.values
OF_TASKS: dict[str, Offer] = {"models": _listed(_models), "folders": _folders, "other": _nothing}
# arguments whose name means something else in this command
RUN_ARGUMENTS = ("baseline", "candidate")
OF_VERB: dict[tuple[str, str], Offer] = {
    ("show", "names"): _shown,
    **{(verb, name): _runs for verb in ("compare", "gate") for name in RUN_ARGUMENTS},
}
