"""Does the export write the values of the saved run where TensorBoard finds them?"""

from pathlib import Path

import pytest

from bakeoff.analysis.results import by_cell
from bakeoff.records.cell import Mode
from bakeoff.records.measurement import Check, Parity
from bakeoff.records.trial import Status
from tests.support.builders import measurement, trial
from tests.support.needs import needs_tensorboard
from tests.support.summaries import save
from tests.support.tensorboard import about, broken, cell, events, export, good, hyperparameters, scalars, texts

pytestmark = needs_tensorboard


def test_figures_and_steps_are_the_saved_runs_own(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    save(tmp_path, 7, [], trials=good())
    assert export(tmp_path, tmp_path / "board") == 0
    assert f"tensorboard --logdir {tmp_path / 'board'}" in capsys.readouterr().out
    folder = tmp_path / "board" / "0007-000000000" / "toy" / "compiler-inference"
    found, (result,) = scalars(folder), by_cell(good()).values()
    assert result.status is Status.OK, result.reason
    assert {tag: values for tag, values in found.items() if not tag.startswith("step_s/")} == {
        "step/median_s": {7: about(result.step_s)},
        "step/10th_percentile_s": {7: about(result.value_s)},
        "throughput/items_per_s": {7: about(result.throughput)},
        "compile/cold_s": {7: about(result.compile_s)},
        "compile/warm_s": {7: about(0.125 - result.step_s)},
        "compile/cold_cpu_s": {7: 0.5},
        "compile/warm_cpu_s": {7: 0.5},
        "memory/compile_peak_bytes": {7: 2 * 2**20},
        "memory/steady_peak_bytes": {7: 2**20},
        "parity/error": {7: about(1e-7)},
        "diagnostics/breaks": {7: 1},
        "diagnostics/graphs": {7: 2},
        "diagnostics/recompiles": {7: 0},
    }
    assert set(found) >= {"step_s/trial_0", "step_s/trial_1", "step_s/trial_2", "step_s/trial_0_warm"}
    curve = found["step_s/trial_1"]
    assert list(curve)[:6] == [1, 2, 3, 4, 5, 9]  # the warm-up step by step, then samples of four
    assert [curve[1], curve[2], curve[9]] == [0.5, 0.25, about(0.001 + 1e-8)]
    assert len(curve) == 104
    reported = texts(folder)
    assert reported["cell/status/text_summary"].startswith("**ok**")
    assert "| time limit of a child | 300 s |" in reported["cell/settings/text_summary"]
    assert "models/toy.py:3: a \\| b" in reported["cell/breaks/text_summary"]
    given = hyperparameters(folder)
    start = given["_hparams_/session_start_info"].session_start_info.hparams
    assert {name: start[name].string_value for name in ("model", "stack", "mode", "dtype")} == {
        "model": "toy",
        "stack": "compiler",
        "mode": "inference",
        "dtype": "float32",
    }
    metrics = {m.name.tag for m in given["_hparams_/experiment"].experiment.metric_infos}
    assert {"throughput/items_per_s", "compile/cold_s"} <= metrics <= set(found)
    assert given["_hparams_/session_end_info"].session_end_info.status == 1  # success
    assert {event.wall_time for event in events(folder) if event.summary.value[0].tag == "step_s/trial_0"} == {1767225600.0}


def test_a_failed_cell_has_a_reason_and_no_speed(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    off = Parity(tolerance=1e-5, checks=(Check(batch=0, when="timed", error=0.5),))
    wrong = trial(measurement(parity=off, losses=(2.0, None, 1.0)), stack="wrong")
    save(tmp_path, 1, [], trials=[*good(), broken(), wrong])
    assert export(tmp_path, tmp_path / "board") == 0
    assert "3 cells, 2 of them without a speed" in capsys.readouterr().out
    home = tmp_path / "board" / "0001-000000000" / "toy"
    assert scalars(home / "dies-inference") == {}
    assert texts(home / "dies-inference")["cell/status/text_summary"] == (
        "**crash**: the child ended with &lt;SIGSEGV&gt; \\| in compile"
    )
    end = hyperparameters(home / "dies-inference")["_hparams_/session_end_info"]
    assert end.session_end_info.status == 2  # failure
    assert set(scalars(home / "wrong-inference")) == {
        "diagnostics/graphs",
        "diagnostics/breaks",
        "diagnostics/recompiles",
        "loss/trial_0",
    }
    assert "off by 0.5" in texts(home / "wrong-inference")["cell/status/text_summary"]


def test_losses_stand_beside_the_references(tmp_path: Path) -> None:
    taught = measurement(losses=(2.0, None, 1.0), reference_losses=(2.0, 1.5, 1.0))
    save(tmp_path, 1, [], trials=[trial(taught, cell=cell(mode=Mode.TRAINING))])
    assert export(tmp_path, tmp_path / "board") == 0
    folder = tmp_path / "board" / "0001-000000000" / "toy" / "compiler-training"
    assert scalars(folder)["loss/trial_0"] == {0: 2.0, 2: 1.0}
    assert scalars(folder / "reference") == {"loss/trial_0": {0: 2.0, 1: 1.5, 2: 1.0}}


def test_several_runs_are_a_series(tmp_path: Path) -> None:
    for number, step_s in ((3, 0.001), (5, 0.002), (9, 0.004)):
        save(tmp_path, number, [], trials=[*good(step_s), *([broken()] if number == 5 else [])])
    assert export(tmp_path, tmp_path / "board", "9", "3", "5") == 0
    found = scalars(tmp_path / "board" / "series" / "toy" / "compiler-inference")["step/median_s"]
    medians = {n: next(iter(by_cell(good(s)).values())).step_s for n, s in ((3, 0.001), (5, 0.002), (9, 0.004))}
    assert found == {n: about(s) for n, s in medians.items()}
    assert scalars(tmp_path / "board" / "series" / "toy" / "dies-inference") == {}
    assert export(tmp_path, tmp_path / "board", "3", "9", "--cells", "*-compiler-*") == 0  # the series of these runs instead
    assert set(scalars(tmp_path / "board" / "series" / "toy" / "compiler-inference")["step/median_s"]) == {3, 9}
    assert not (tmp_path / "board" / "series" / "toy" / "dies-inference").exists()


def test_a_second_export_replaces_its_own_and_nothing_else(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    first, board = save(tmp_path, 1, [], trials=good()), tmp_path / "board"
    assert export(tmp_path, board) == 0
    before = {path: path.read_bytes() for path in board.rglob("*") if path.is_file()}
    save(tmp_path, 2, [], trials=good(0.002))
    assert export(tmp_path, board, "1") == 0
    assert {path: path.read_bytes() for path in board.rglob("*") if path.is_file()} == before
    assert export(tmp_path, board, "2") == 0
    assert {path.name for path in board.iterdir()} == {"0001-000000000", "0002-000000000"}
    capsys.readouterr()
    other = first.with_name("0001_another.json")
    other.write_bytes(first.read_bytes())
    assert export(tmp_path, board, str(other)) == 2
    assert "0001-000000000 holds an export of 0001_abcdef" in capsys.readouterr().err
    (tmp_path / "mine" / "0002-000000000").mkdir(parents=True)
    (tmp_path / "mine" / "0002-000000000" / "thesis.txt").write_text("mine")
    assert export(tmp_path, tmp_path / "mine", "2") == 2
    assert "holds files that Bakeoff did not export" in capsys.readouterr().err
