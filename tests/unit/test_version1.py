"""Does what was saved by version 1 of the schema still read, with every number? On real files of 2026-11-29."""

import gzip
import json
from pathlib import Path
from typing import Any

import pytest

from bakeoff.__main__ import main
from bakeoff.archive import saved_runs, version1
from bakeoff.authoring.errors import UsageError
from bakeoff.records.trial import Status, Trial
from bakeoff.tasks.diagnose.record import Diagnosis
from bakeoff.tasks.export.record import Export
from bakeoff.tasks.machine_peak.record import MachinePeak
from bakeoff.tasks.shapes.record import ShapeSeries

DATA = Path(__file__).parent.parent / "data"
RUNS = ("matrix", "pairs", "target")


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    folder = tmp_path_factory.mktemp("version1")
    for name in RUNS:
        (folder / f"{name}.json").write_bytes(gzip.decompress((DATA / f"version1_{name}.json.gz").read_bytes()))
    return {name: folder / f"{name}.json" for name in RUNS}


def same(trial: Trial, raw: dict[str, Any]) -> None:
    """The trial has the numbers of the file."""
    assert str(trial.cell) == "-".join(raw["cell"][part] for part in ("model", "stack", "mode"))
    if raw["measurement"] is None:
        assert trial.measurement is None
        return
    measured = raw["measurement"]
    assert trial.measurement is not None
    assert list(trial.measurement.step_s) == measured["step_s"]
    assert list(trial.measurement.held_out_step_s) == measured["unseen_step_s"]
    assert trial.measurement.compilations_held_out == measured["compilations_unseen"]
    assert trial.measurement.sync_check.fetch_s == measured["asynchrony"]["fetch_s"]
    assert trial.measurement.parity is not None
    errors = [(c["error"], c["when"].replace("unseen", "held-out")) for c in measured["parity"]["checks"]]
    assert [(check.error, check.when) for check in trial.measurement.parity.checks] == errors


@pytest.mark.parametrize("name", RUNS)
def test_every_trial_is_read(files: dict[str, Path], name: str) -> None:
    raw = json.loads(files[name].read_text())
    run = saved_runs.read(files[name])
    assert len(run.trials) == len(raw["trials"]) > 0
    for trial, was in zip(run.trials, raw["trials"], strict=True):
        same(trial, was)
    assert len(run.one_time_costs) == len(raw.get("toolchains", ()))


def test_the_records_of_other_tasks_are_read(files: dict[str, Path]) -> None:
    raw = json.loads(files["matrix"].read_text())
    run = saved_runs.read(files["matrix"])
    kinds = {"shapes": (ShapeSeries, "shape_series"), "export": (Export, "exports"), "machine_peak": (MachinePeak, "ceilings")}
    for task, (kind, key) in kinds.items():
        assert len(run.of(task, kind)) == len(raw[key]) > 0, task
    assert run.of("shapes", ShapeSeries)[0].steps[0].first_s == raw["shape_series"][0]["steps"][0]["first_s"]
    served = {export.cell for export in run.of("export", Export)}
    assert {trial.cell for trial in run.trials if trial.exported_by} == served


def test_what_was_compiled_for_a_target_is_read(files: dict[str, Path]) -> None:
    raw = json.loads(files["target"].read_text())
    (trial,) = saved_runs.read(files["target"]).trials
    assert trial.compile_only is not None
    assert len(trial.compile_only.kernels) == len(raw["trials"][0]["lowering"]["kernels"])


def test_the_summaries_are_those_that_were_saved(files: dict[str, Path]) -> None:
    raw = json.loads(files["matrix"].read_text())
    found = saved_runs.read_summaries(files["matrix"]).summaries
    assert [summary.values["step"] for summary in found] == [figures["values"]["step"] for figures in raw["figures"]]
    assert [summary.levels["parity"] for summary in found] == [figures["parity"] for figures in raw["figures"]]
    assert all(summary.status is Status.OK for summary in found)


def test_both_arms_and_the_control_are_read(files: dict[str, Path]) -> None:
    raw = json.loads(files["pairs"].read_text())["ab"]
    ab = saved_runs.read_summaries(files["pairs"]).ab
    assert ab is not None
    assert list(ab.interim_analyses) == raw["looks"]
    assert len(ab.summaries) == len(raw["figures"])
    assert [len(side) for side in ab.control] == [len(side) for side in raw["canary"]]
    for trial, was in zip((*ab.trials, *ab.control_trials), (*raw["trials"], *raw["canary_trials"]), strict=True):
        same(trial, was)


@pytest.mark.parametrize("words", [["show"], ["show", "--markdown"], ["compare"], ["report"], ["gate"]])
@pytest.mark.parametrize("name", RUNS)
def test_every_verb_reads_them(files: dict[str, Path], tmp_path: Path, name: str, words: list[str]) -> None:
    verb, *rest = words
    path = str(files[name])
    named = [path, path] if verb in ("compare", "gate") and name != "pairs" else [path]
    output = ["-o", str(tmp_path / "report.html"), "--bakeoff-storage", str(tmp_path)] if verb == "report" else []
    assert main([verb, *named, *rest, *output]) in ((0, 3) if verb == "gate" else (0,))


def test_a_diagnosis_and_a_missing_implementation_are_read() -> None:
    """Of these the files have none."""
    cell = {"model": "a", "stack": "b", "mode": "inference"}
    settings = {"size": "small", "batch_size": None, "device": "cpu", "threads": 1, "timeout_s": 1.0}
    failure = {"status": "unsupported", "phase": "build", "error": "MissingHalf", "message": "no half"}
    record = {"cell": cell, "settings": settings, "framework": "x", "wall_s": 1.0, "finished_at": "", "failure": failure}
    trial = record | {"index": 0, "start": "cold"}
    document, tasks = version1.upgraded({"trials": [trial], "diagnoses": [record]})
    run = saved_runs.SavedRun(trials=saved_runs.msgspec.convert(document["trials"], list[Trial]))
    assert run.trials[0].failure is not None
    assert run.trials[0].failure.no_implementation
    (found,) = saved_runs.msgspec.convert(tasks["diagnose"], list[Diagnosis])
    assert found.failure is not None
    assert found.failure.no_implementation


def test_a_newer_schema_is_one_line(tmp_path: Path) -> None:
    path = tmp_path / "0001_x.json"
    path.write_text('{"schema_version": 99, "trials": [], "summaries": []}')
    for read in (saved_runs.read, saved_runs.read_summaries):
        with pytest.raises(UsageError, match="has schema_version 99, and this Bakeoff reads up to 2"):
            read(path)
