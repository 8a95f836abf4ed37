"""Does every setting have one definition, which options, --resume, comparisons, commands and the report follow?"""

from dataclasses import fields, replace
from pathlib import Path
from typing import Any

import pytest

from bakeoff.analysis import rerun
from bakeoff.analysis.settings import BY_FIELD, SETTINGS, defaults, flags_of_the_cell, flags_of_the_script
from bakeoff.authoring.errors import UsageError
from bakeoff.cli import export
from bakeoff.compare import comparable
from bakeoff.records.cell import Cell, Mode
from bakeoff.records.trial import Settings
from bakeoff.runner import options
from bakeoff.runner.store import Store

USUAL = Settings(**defaults())
OTHER: dict[str, Any] = {  # field → another value than the default
    "size": "full",
    "batch_size": 3,
    "shape": ("pixels=32", "tokens=8"),
    "dtype": "bfloat16",
    "target": "cuda:sm_90",
    "device": "cuda",
    "threads": 77,
    "seed": 5,
    "timed_s": 2.5,
    "timeout_s": 12.0,
    "memory_limit_bytes": 2**30,
    "found_with": ("--models-from", "mine", "--interpreter", "torch=/a/python"),
}
FIELDS = [field.name for field in fields(Settings)]


def test_every_field_has_a_definition() -> None:
    assert sorted(BY_FIELD) == sorted(FIELDS) == sorted(OTHER)
    assert len(SETTINGS) == len(BY_FIELD)


@pytest.mark.parametrize("name", FIELDS)
def test_resume_refuses_another_value(name: str, tmp_path: Path) -> None:
    home = Store(tmp_path)
    home.begin(USUAL, ["a"], 1).close()
    other = replace(USUAL, **{name: OTHER[name]})
    if name == "memory_limit_bytes":  # it depends on the memory that is free at the start
        home.resume(other, ["a"], 1).close()
    else:
        with pytest.raises(UsageError, match=f"has another {BY_FIELD[name].title}; start a new run"):
            home.resume(other, ["a"], 1)


@pytest.mark.parametrize("name", FIELDS)
def test_a_comparison_notes_or_forbids_a_difference(name: str) -> None:
    found = comparable.of_settings(USUAL, replace(USUAL, **{name: OTHER[name]}))
    assert [d.forbids for d in found] == [BY_FIELD[name].forbids] * BY_FIELD[name].compared


def test_options_have_the_defaults() -> None:
    for setting in SETTINGS:
        for flag in setting.flags:
            given = options.RUN[flag].get("default")
            assert (given or None) == (setting.default() or None) or (flag, given) == ("--threads", None)


@pytest.mark.parametrize("name", FIELDS)
def test_a_command_names_what_differs_from_the_default(name: str) -> None:
    cell = Cell("toy", "compiler", Mode.INFERENCE)
    setting, changed = BY_FIELD[name], replace(USUAL, **{name: OTHER[name]})
    explain, repro = (rerun.command(cell, changed, verb) for verb in ("explain", "repro"))
    assert (explain != rerun.command(cell, USUAL)) == (setting.forbids or name == "found_with")
    assert (repro != rerun.command(cell, USUAL, "repro")) == setting.in_script
    assert "--interpreter" not in repro


def test_commands_have_the_options_of_the_definitions() -> None:
    assert {"--target", "--dtype", "--shape", "--interpreter"} <= set(flags_of_the_cell()) <= set(options.RUN)
    assert flags_of_the_script() == ["--size", "--batch-size", "--models-from", "--compilers-from"]
    assert set(export.PROFILE_OPTIONS) == {*flags_of_the_cell(), "--timeout-s", "--bakeoff-storage"} - {"--target"}
