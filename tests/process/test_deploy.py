"""Do deployment formats run without the model's code, and is a wrong or missing one reported with its reason?"""

import json
import re
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from bakeoff.analysis.results import CellResult
from bakeoff.authoring.discovery import ROOT, StackSource
from bakeoff.authoring.errors import UsageError
from bakeoff.records.cell import Mode
from bakeoff.records.trial import Phase, Status
from bakeoff.runner.plan import PlannedCell
from bakeoff.runner.session import Session
from bakeoff.tasks.export.record import Export
from bakeoff.tasks.export.task import Exporting
from tests.support.commands import experiments, saved
from tests.support.planting import TOY, plant
from tests.support.serving import run, serve

FORMATS = {
    "Served": (Status.OK, ""),
    "Corrupted": (Status.WRONG, "off by 0.001"),
    "Refuses": (Status.UNSUPPORTED, "this format has no matrix product"),
    "Lacks": (Status.UNAVAILABLE, "pip install fakelib"),
    "Breaks": (Status.ERROR, "RuntimeError: planted in export"),
    "Empty": (Status.ERROR, "exported nothing"),
    "Truncated": (Status.ERROR, "ValueError"),
}


@pytest.fixture(scope="module")
def fakes(tmp_path_factory: pytest.TempPathFactory) -> tuple[Session, dict[str, CellResult]]:
    folder = tmp_path_factory.mktemp("served")
    stacks = [
        StackSource(name=name.lower(), path=serve(folder, name), framework="numpy", exported_by="eager") for name in FORMATS
    ]
    return run(folder, TOY, *stacks)


@pytest.mark.parametrize("name", FORMATS)
def test_each_format_has_its_status(fakes: tuple[Session, dict[str, CellResult]], name: str) -> None:
    result = fakes[1][name.lower()]
    status, words = FORMATS[name]
    if not (status is Status.OK and result.status is Status.UNSTEADY):  # a busy machine's doing
        assert result.status is status, result.reason
        assert words in result.reason


def test_the_serving_child_has_nothing_of_the_model(fakes: tuple[Session, dict[str, CellResult]]) -> None:
    (measured,) = fakes[1]["served"].measurements
    assert measured.notes == ()  # the fake's notes are the models' modules
    assert measured.items_per_step == 4
    assert measured.memory.weights_bytes == 8 * 3 * 4
    assert measured.parity is not None
    assert {check.when for check in measured.parity.checks} == {"timed", "held-out"}


def test_an_export_is_recorded_and_a_failed_one_has_the_childs_message(
    fakes: tuple[Session, dict[str, CellResult]],
) -> None:
    exports = {made.cell.stack: made for made in fakes[0].records["export"]}
    assert set(exports) == {name.lower() for name in FORMATS}
    made = exports["served"]
    assert (made.exporter, made.framework) == ("eager", "numpy")
    assert made.export_s is not None
    assert 0 < made.export_s < made.wall_s
    assert list(made.files) == ["w.npy"]
    assert made.artifact_bytes == made.files["w.npy"] > 8 * 3 * 4
    refused = exports["refuses"].failure
    assert refused is not None
    assert (refused.phase, refused.status) == (Phase.EXPORT, Status.UNSUPPORTED)
    assert exports["corrupted"].failure is None
    assert exports["truncated"].failure is None
    assert {e.cell.stack for e in fakes[0].folder.records("export", Export)} == set(exports)


def test_it_is_exported_once_however_many_trials_there_are(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    made, honest = [], Exporting._export

    def counting(self: Exporting, planned: PlannedCell, *rest: Any) -> Export:
        made.append(planned.cell)
        return honest(self, planned, *rest)

    monkeypatch.setattr(Exporting, "_export", counting)
    stack = StackSource(name="served", path=serve(tmp_path, "Served"), framework="numpy", exported_by="eager")
    session, results = run(tmp_path, TOY, stack, trials=2)
    assert len(made) == 1
    assert len(results["served"].measurements) == 2
    assert not (session.folder.scratch).exists()


def test_training_and_an_unknown_exporter_are_reported_in_one_line(tmp_path: Path) -> None:
    stack = StackSource(name="served", path=serve(tmp_path, "Served"), framework="numpy", exported_by="eager")
    _, results = run(tmp_path, TOY, stack, modes=[Mode.TRAINING])
    assert results["served"].status is Status.UNSUPPORTED
    assert results["served"].reason == "served serves inference: a deployment format holds no training step"
    with pytest.raises(UsageError, match="HEADER's exported_by is 'eagre', which is no stack; there are: eager, "):
        run(tmp_path, TOY, replace(stack, exported_by="eagre"))


def test_the_question_is_asked_saved_and_shown(tmp_path: Path) -> None:
    (tmp_path / "stacks").mkdir()
    plant(tmp_path / "stacks", "Eager")
    for name in ("Served", "Refuses"):
        serve(tmp_path / "stacks", name)
    (tmp_path / "models").mkdir()
    (tmp_path / "models" / "toy.py").write_text(TOY.path.read_text())
    done = experiments(tmp_path, "--benchmark-autosave", names="eager,served,refuses")
    assert "ERROR experiments/test_deploy.py::test_deploy[toy-refuses-inference]" in done.stdout, done.stdout
    assert "test_step_time[toy-served-inference]" not in done.stdout  # deployment formats have one question
    (path,) = saved(tmp_path)
    run_ = json.loads(path.read_text())
    assert {made["cell"]["stack"] for made in run_["tasks"]["export"]} == {"served", "refuses"}
    recorded = next((b for b in run_["benchmarks"] if b["name"] == "test_deploy[toy-served-inference]"), None)
    assert recorded is not None, done.stdout  # else a machine too busy for a step of a millisecond to settle
    assert set(recorded["extra_info"]) >= {"export_s", "artifact_bytes", "load_s", "first_output_s", "parity_error"}

    shown = subprocess.run(
        [sys.executable, "-m", "bakeoff", "show", str(path), "--markdown"], capture_output=True, text=True, cwd=ROOT, check=True
    ).stdout
    assert re.search(r"\| toy \| served \| [\d.]+ .?s \| 0\.00 \|.* ×[\d.]+ [^|]*\| \de-\d\d \| ok \|", shown), shown
    assert "| toy | refuses | – | – | – | – | – | – | – | unsupported |" in shown
    assert "this format has no matrix product" in shown
    assert re.search(r"^\| *\| eager \|$", shown, re.MULTILINE), "the matrix has no column for formats"
