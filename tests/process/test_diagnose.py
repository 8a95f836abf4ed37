"""Does a session diagnose its cells, keep measurements if that fails, and run a series of shapes?"""

import json
from pathlib import Path
from typing import Any

import pytest

from bakeoff.analysis.formatting import seconds
from bakeoff.archive import saved_runs
from bakeoff.authoring.errors import UsageError
from bakeoff.records.cell import Cell, Mode
from bakeoff.records.diagnostics import Diagnostics, Kind
from bakeoff.records.trial import Status, Trial
from bakeoff.runner.plan import Plan
from bakeoff.runner.session import Session
from bakeoff.runner.store import Store
from bakeoff.tasks.diagnose.record import Diagnosis
from bakeoff.tasks.shapes import table as shape_table
from bakeoff.tasks.shapes.record import ShapeSeries
from tests.support.planting import TOY, planted, settings
from tests.support.sessions import session_of

STACKS = ("Diagnosed", "CountsAnotherBreak", "DiesInDiagnosis", "HangsInDiagnosis", "Refuses")


def run(folder: Path, *stacks: str, resume: bool = False, how: dict[str, Any] | None = None, **changes: object) -> Session:
    sources = planted(folder / "s", *stacks, diagnoses=True)
    plan = Plan(
        **{
            "settings": settings(timed_s=0.05, timeout_s=8.0),
            "models": [TOY],
            "stacks": sources,
            "modes": [Mode.INFERENCE],
            "all_stacks": [*sources, *planted(folder / "e", "Eager")],
            "trials": 2,
            "control": True,
            **changes,
        }
    )
    session = session_of(plan, Store(folder / "store"), resume=resume, **(how or {}))
    session.run()
    return session


@pytest.fixture(scope="module")
def session(tmp_path_factory: pytest.TempPathFactory) -> Session:
    folder = tmp_path_factory.mktemp("diagnosing")
    return run(folder, *STACKS, how={"keep_artifacts": str(folder / "kept")})


def first(session: Session, stack: str) -> tuple[Trial, Diagnostics]:
    trial = next(t for t in session.trials if t.cell.stack == stack.lower() and t.index == 0 and not t.control)
    assert trial.diagnosed
    assert trial.diagnostics is not None
    return trial, trial.diagnostics


def test_one_record_of_two_children(session: Session) -> None:
    _, found = first(session, "Diagnosed")
    assert [(b.kind, b.reason, b.count) for b in found.breaks] == [(Kind.GRAPH_BREAK, "planted", 1)]
    assert [p.name for p in found.phases] == ["spinning"]  # of the timed child
    assert found.remarks == ()
    assert found.recompiles == 0
    others = [t for t in session.trials if t.cell.stack == "diagnosed" and (t.index or t.control)]
    assert [(t.index, t.control) for t in others] == [(0, True), (1, False), (1, True)]
    assert all(t.diagnostics is not None and not t.diagnosed and not t.diagnostics.breaks for t in others)


def test_children_that_count_differently_get_a_remark(session: Session) -> None:
    _, found = first(session, "CountsAnotherBreak")
    assert found.remarks == ("the timed child counted 1 graph_break, the diagnosing child found 2",)


@pytest.mark.parametrize(("stack", "says"), [("DiesInDiagnosis", "SIGSEGV"), ("HangsInDiagnosis", "stopped after 8 s")])
def test_a_diagnosing_child_that_fails_costs_no_measurement(session: Session, stack: str, says: str) -> None:
    trial, found = first(session, stack)
    assert trial.measurement is not None
    assert trial.failure is None
    assert found.break_count == 1  # as counted
    assert says in found.remarks[0]


def test_a_refusal_has_a_record(session: Session) -> None:
    trial, found = first(session, "Refuses")
    assert trial.failure is not None
    assert trial.failure.status is Status.UNSUPPORTED
    (seen,) = found.breaks
    assert (seen.kind, seen.where) == (Kind.TRACE_ERROR, "tests/support/fakes/toy.py:1")


def test_artifacts_are_kept(session: Session) -> None:
    kept = session.plan.tasks["diagnose"].options["artifacts"]
    assert (kept / "toy-diagnosed-inference" / "graph.txt").read_text() == "x @ w"
    assert "toy-diagnosed-inference/graph.txt" in (kept / "index.md").read_text()


def test_what_was_diagnosed_is_on_disk(session: Session) -> None:
    on_disk = {(t.cell, t.index, t.control): t for t in session.folder.records("timing", Trial)}
    for trial in session.trials:
        assert on_disk[trial.cell, trial.index, trial.control] == trial


def test_without_diagnosis_there_is_what_the_timed_child_counted(tmp_path: Path) -> None:
    (trial,) = run(tmp_path, "Diagnosed", how={"diagnose": False}, trials=1).trials[:1]
    assert trial.diagnostics is not None
    assert (trial.diagnosed, trial.diagnostics.breaks, trial.diagnostics.break_count) == (False, (), 1)


def test_a_gallery_cell_is_only_diagnosed(tmp_path: Path) -> None:
    cell = Cell("toy", "diagnosed", Mode.INFERENCE)
    session = run(tmp_path, "Diagnosed", models=[], all_models=[TOY], how={"asked": {"diagnose": [cell]}})
    assert session.trials == []
    (diagnosis,) = session.records["diagnose"]
    assert diagnosis.cell == cell
    assert diagnosis.diagnostics is not None
    assert diagnosis.diagnostics.break_count == 1
    assert list(session.folder.records("diagnose", Diagnosis)) == [diagnosis]


SHAPED = {"asked": {"shapes": [Cell("toy", "compilespershape", Mode.INFERENCE)]}}


def test_a_series_of_shapes(tmp_path: Path) -> None:
    """Compiled once per size, each at its cost; a size that is wrong is named; sizes seen before cost nothing."""
    session = run(tmp_path, "CompilesPerShape", models=[], all_models=[TOY], how={**SHAPED, "shapes": "8,9,16,9"})
    (series,) = session.records["shapes"]
    assert series.failure is None, series.failure
    assert [(step.size, step.compilations) for step in series.steps] == [(8, 1), (9, 1), (16, 1), (9, 0)]
    assert series.recompiled == [9, 16]
    assert series.wrong == [16]
    assert min(step.compile_s for step in series.steps[:3]) > 0.04
    assert series.steps[3].compile_s < 0.04
    assert list(session.folder.records("shapes", ShapeSeries)) == [series]
    reported = shape_table.terminal([series], 120)
    assert "compilespershape" in reported
    assert all(seconds(step.compile_s) in reported for step in series.steps[:3])


def test_resume_wants_the_same_series(tmp_path: Path) -> None:
    shaped: dict[str, Any] = {"models": [], "all_models": [TOY]}
    session = run(tmp_path, "CompilesPerShape", how={**SHAPED, "shapes": "8,9"}, **shaped)
    head = session.folder.path / "run.json"
    head.write_text(head.read_text().replace('"finished": true', '"finished": false'))  # as an interrupt would have left it
    with pytest.raises(UsageError, match="choice of cells"):
        run(tmp_path, "CompilesPerShape", how={**SHAPED, "shapes": "16,32"}, resume=True, **shaped)
    again = run(tmp_path, "CompilesPerShape", how={**SHAPED, "shapes": "8,9"}, resume=True, **shaped)
    assert again.records == session.records


def test_an_unknown_axis_is_reported_in_one_line(tmp_path: Path) -> None:
    session = run(
        tmp_path, "CompilesPerShape", models=[], all_models=[TOY], how={**SHAPED, "shape_axis": "tokens", "shapes": "8,9"}
    )
    (series,) = session.records["shapes"]
    assert series.failure is not None
    assert series.failure.message == "Toy has no field tokens; there are: batch_size"


def test_saved_diagnoses_and_series_read_back(tmp_path: Path, session: Session) -> None:
    series = ShapeSeries(
        cell=Cell("a", "b", Mode.INFERENCE),
        settings=settings(),
        framework="x",
        axis="tokens",
        wall_s=1.0,
        finished_at="",
    )
    path = tmp_path / "0001_x.json"
    records = {"trials": session.trials, "tasks": {"shapes": [series]}}
    path.write_text(json.dumps({"schema_version": 2, **{name: saved_runs.to_json(r) for name, r in records.items()}}))
    run = saved_runs.read(path)
    assert run.trials == session.trials
    assert run.of("shapes", ShapeSeries) == [series]
