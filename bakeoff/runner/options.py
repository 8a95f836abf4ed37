"""Which options does a run have, and which plan do they make? One list for pytest and for the command line."""

import argparse
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from bakeoff.analysis import settings
from bakeoff.analysis.ratios import BAND
from bakeoff.authoring import discovery
from bakeoff.authoring.discovery import Registry, Source, StackSource
from bakeoff.authoring.errors import UsageError
from bakeoff.authoring.model import SIZES
from bakeoff.records.compile_only import INTERPRETER, TARGETS
from bakeoff.records.trial import Settings
from bakeoff.runner.option_values import at_least, fields, interpreters, modes
from bakeoff.runner.plan import Plan
from bakeoff.runner.store import Store
from bakeoff.system import folders
from bakeoff.system.procfs import memory_limit

_DEFAULTS = settings.defaults()
GROUPS, MOST_GROUPS = 2, 4  # of each model, without --trials
DTYPES = ("float32", "float16", "bfloat16")

# flag → keywords that argparse and pytest's addoption both accept
MATRIX: dict[str, dict[str, Any]] = {
    "--models": {"metavar": "A,B", "help": "models to measure, by file name in models/ (default: all)"},
    "--stacks": {
        "metavar": "A,B",
        "help": "compiler stacks to measure, by file name in compilers/ (default: the six main ones)",
    },
    "--modes": {
        "metavar": "A,B",
        "default": "inference",
        "help": "inference, training, and its parts loss and gradient (default: inference)",
    },
}
RUN: dict[str, dict[str, Any]] = {
    "--size": {
        "default": _DEFAULTS["size"],
        "metavar": "SIZE",
        "help": "small: minutes on 2 cores; full: the published shapes (default: small)",
    },
    "--batch-size": {"type": int, "metavar": "N", "help": "batch size (default: the one of --size)"},
    "--shape": {
        "action": "append",
        "default": [],
        "metavar": "FIELD=N",
        "help": "set a field of the models to another value, such as pixels=32 or tokens=16; may be repeated",
    },
    "--threads": {"type": int, "metavar": "N", "help": "threads and CPUs of each child (default: cores − 1)"},
    "--device": {"default": _DEFAULTS["device"], "metavar": "DEVICE", "help": "cpu or cuda (default: cpu)"},
    "--dtype": {
        "default": _DEFAULTS["dtype"],
        "metavar": "DTYPE",
        "help": "float32, or for PyTorch float16 or bfloat16 (default: float32)",
    },
    "--target": {
        "metavar": "TARGET",
        "help": f"compile for a target that this machine may not have, and time nothing: {', '.join(TARGETS)}",
    },
    "--trials": {
        "type": int,
        "metavar": "N",
        "help": "groups: child processes per cell, side by side with those of the model's other cells "
        f"(default: {GROUPS}, and up to {MOST_GROUPS} while a question is open)",
    },
    "--band": {
        "type": float,
        "default": 100 * BAND,
        "metavar": "PERCENT",
        "help": f"speeds that differ by less are the same (default: {100 * BAND:g})",
    },
    "--timeout-s": {
        "type": float,
        "default": _DEFAULTS["timeout_s"],
        "metavar": "S",
        "help": "wall time limit of one child, in seconds, without waiting for others (default: 300)",
    },
    "--timed-s": {
        "type": float,
        "default": _DEFAULTS["timed_s"],
        "metavar": "S",
        "help": "how long the timed steps of one child take, in seconds; longer finds a steady state more often (default: 1)",
    },
    "--interpreter": {
        "action": "append",
        "default": [],
        "metavar": "FRAMEWORK=PATH",
        "help": "use another Python for the children of a framework, such as tensorflow=/opt/tf/bin/python; may be repeated",
    },
    "--models-from": {"action": "append", "default": [], "metavar": "DIR", "help": "further folder of models; may be repeated"},
    "--compilers-from": {
        "action": "append",
        "default": [],
        "metavar": "DIR",
        "help": "further folder of stacks; may be repeated",
    },
    "--bakeoff-storage": {
        "default": str(folders.work()),
        "metavar": "DIR",
        "help": "working folder: unfinished runs, logs, one-time costs (default: .bakeoff in a checkout)",
    },
    "--resume": {
        "action": "store_true",
        "default": False,
        "help": "continue the latest unfinished run that has the same settings and cells",
    },
}


def add(parser: argparse._ActionsContainer, *groups: Mapping[str, Mapping[str, Any]]) -> None:
    """Add these groups of options to a parser of the command line."""
    for group in groups:
        for flag, keywords in group.items():
            parser.add_argument(flag, **keywords)


def plan(option: Callable[[str], Any]) -> Plan:
    """The plan that the options describe. `option` maps a name such as `timeout_s` to its value.

    Raises UsageError for an unknown name or a value that cannot be.
    """
    models, stacks = registries(option)
    if not models.names or not stacks.names:
        raise UsageError("there is no model or no stack to measure")
    chosen_models = models.pick(option("models")) if option("models") is not None else [m for m in models if m.in_matrix]
    default_stacks = [stack for stack in stacks if stack.default]
    chosen_stacks = stacks.pick(option("stacks")) if option("stacks") is not None else default_stacks
    for model in chosen_models:
        discovery.check(model, "MODEL")
    for stack in chosen_stacks:
        discovery.check(stack, "STACK")
    return Plan(
        settings=_settings(option),
        models=chosen_models,
        stacks=chosen_stacks,
        modes=modes(option("modes")),
        trials=GROUPS if option("trials") is None else at_least(1, option("trials"), "--trials"),
        most_trials=MOST_GROUPS if option("trials") is None else None,
        control=True,
        band=band(option("band")),
        all_stacks=list(stacks),
        gallery=[m for m in (models if option("models") is None else chosen_models) if m.in_gallery],
        all_models=list(models),
        interpreters=interpreters(option("interpreter"), {stack.framework for stack in stacks}),
    )


def registries(option: Callable[[str], Any]) -> tuple[Registry[Source], Registry[StackSource]]:
    """All models and all stacks: the built-in ones, and those of --models-from and --compilers-from."""
    return discovery.models(map(Path, option("models_from"))), discovery.stacks(map(Path, option("compilers_from")))


def store(option: Callable[[str], Any]) -> Store:
    """The working folder that --bakeoff-storage names."""
    return Store(Path(option("bakeoff_storage")).resolve())


def need_writable(folders: Mapping[str, Path]) -> None:
    """Raise UsageError if a folder cannot be written to. `folders`: option → folder.

    Called before anything is measured, so that no result is lost.
    """
    for flag, folder in folders.items():
        try:
            folder.mkdir(parents=True, exist_ok=True)
            probe = folder / ".writable"
            probe.touch()
            probe.unlink()
        except OSError as error:
            raise UsageError(f"{flag}: cannot write to {folder}: {error.strerror}") from None


def band(percent: float) -> float:
    """--band as a ratio − 1. Raises UsageError."""
    if not 0 < percent <= 50:
        raise UsageError(f"--band {percent:g}: must be above 0 and at most 50 percent")
    return percent / 100


def _settings(option: Callable[[str], Any]) -> Settings:
    if option("size") not in SIZES:
        raise UsageError(f"there is no size {option('size')}; there are: {', '.join(SIZES)}")
    if option("device") not in ("cpu", "cuda"):
        raise UsageError(f"there is no device {option('device')}; there are: cpu, cuda")
    if option("dtype") not in DTYPES:
        raise UsageError(f"there is no dtype {option('dtype')}; there are: {', '.join(DTYPES)}")
    target = option("target") or ""
    if target and target not in TARGETS:
        raise UsageError(f"there is no target {target}; there are: {', '.join(TARGETS)}")
    if target and option("device") != "cpu":
        raise UsageError(f"--target {target} compiles without the device: leave out --device {option('device')}")
    if target == INTERPRETER and option("dtype") != "float32":
        raise UsageError("--target interpreter checks float32 only: leave out --dtype")
    threads = option("threads")
    if not 0 < option("timeout_s") < 1e6:
        raise UsageError(f"--timeout-s {option('timeout_s'):g}: must be above 0 and below a million")
    if not 0.05 <= option("timed_s") <= 600:
        raise UsageError(f"--timed-s {option('timed_s'):g}: must be between 0.05 and 600")
    if option("timed_s") >= option("timeout_s"):
        raise UsageError(
            f"--timed-s {option('timed_s'):g}: a child is stopped after --timeout-s {option('timeout_s'):g}; raise it"
        )
    return Settings(
        size=option("size"),
        batch_size=None if option("batch_size") is None else at_least(1, option("batch_size"), "--batch-size"),
        device=option("device"),
        threads=settings.BY_FIELD["threads"].default() if threads is None else at_least(1, threads, "--threads"),
        shape=fields(option("shape")),
        timeout_s=option("timeout_s"),
        timed_s=option("timed_s"),
        dtype=option("dtype"),
        target=target,
        memory_limit_bytes=memory_limit(),
        found_with=tuple(
            word
            for flag in settings.BY_FIELD["found_with"].flags
            for value in option(flag.removeprefix("--").replace("-", "_"))
            for word in (flag, str(value))
        ),
    )
