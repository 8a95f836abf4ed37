"""Does TensorBoard get the saved run's own figures, where it looks for them?"""

import struct
from dataclasses import replace
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest

from bakeoff.__main__ import main
from bakeoff.analysis.results import by_cell
from bakeoff.records.cell import Cell, Mode
from bakeoff.records.diagnostics import Diagnostics, GraphBreak, Kind
from bakeoff.records.measurement import Check, Parity
from bakeoff.records.trial import Failure, Phase, Start, Status, Trial
from bakeoff.report import event_files
from tests.builders import measurement, trial
from tests.test_gate import save

pytestmark = pytest.mark.skipif(not find_spec("tensorboardX"), reason="needs tensorboardX: pip install '.[tensorboard]'")
BREAK = GraphBreak(kind=Kind.GRAPH_BREAK, reason="a | b", where="models/toy.py:3", hint="do not")


def cell(stack: str = "compiler", mode: Mode = Mode.INFERENCE) -> Cell:
    return Cell("toy", stack, mode)


def good(step_s: float = 0.001) -> list[Trial]:
    """Three cold trials and a warm one: the first sample of each is slower, so that no two points are alike."""
    found = measurement([step_s + k * 1e-8 for k in range(100)], steps_per_sample=4, warmup_s=(0.5, 0.25, step_s, step_s))
    graphs = Diagnostics(graphs=2, recompiles=0, breaks=(BREAK,))
    cold = [trial(replace(found, first_call_s=0.5 + k / 10), index=k, diagnostics=graphs) for k in range(3)]
    return [*cold, trial(replace(found, first_call_s=0.125), start=Start.WARM, diagnostics=graphs)]


def broken(**changes: Any) -> Trial:
    said = Failure(
        status=Status.CRASH, phase=Phase.COMPILE, error="SIGSEGV", message="the child ended with <SIGSEGV> | in compile"
    )
    return trial(None, stack="dies", diagnostics=None, failure=said, **changes)


def export(storage: Path, board: Path, *arguments: str) -> int:
    return main(["export", "--tensorboard", str(board), "--benchmark-storage", str(storage / "saved"), *arguments])


def events(folder: Path) -> list[Any]:
    """Every event in the one event file of a folder: TFRecords of a length, its checksum, so many bytes, and theirs."""
    event_files.need()
    from tensorboardX.proto.event_pb2 import Event

    (path,) = folder.glob("*tfevents*.bakeoff")
    data, found, at = path.read_bytes(), [], 0
    while at < len(data):
        (length,) = struct.unpack_from("<Q", data, at)
        found.append(Event.FromString(data[at + 12 : at + 12 + length]))
        at += 16 + length
    assert found[0].file_version == "brain.Event:2"
    return found[1:]


def scalars(folder: Path) -> dict[str, dict[int, float]]:
    """Tag → step → value."""
    found: dict[str, dict[int, float]] = {}
    for event in events(folder):
        for value in event.summary.value:
            if value.HasField("simple_value"):
                steps = found.setdefault(value.tag, {})
                assert event.step not in steps
                steps[event.step] = value.simple_value
    return found


def texts(folder: Path) -> dict[str, str]:
    every = [v for event in events(folder) for v in event.summary.value]
    return {v.tag: v.tensor.string_val[0].decode() for v in every if v.metadata.plugin_data.plugin_name == "text"}


def hyperparameters(folder: Path) -> dict[str, Any]:
    from tensorboardX.proto.plugin_hparams_pb2 import HParamsPluginData

    plugins = {v.tag: v.metadata.plugin_data for event in events(folder) for v in event.summary.value}
    return {tag: HParamsPluginData.FromString(p.content) for tag, p in plugins.items() if p.plugin_name == "hparams"}


def about(value: float) -> Any:
    return pytest.approx(value, rel=1e-6)  # TensorBoard's scalars have 32 bits


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
    told = texts(folder)
    assert told["cell/status/text_summary"].startswith("**ok**")
    assert "| timeout\\_s | 300.0 |" in told["cell/settings/text_summary"]
    assert "models/toy.py:3: a \\| b" in told["cell/breaks/text_summary"]
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
    assert "3 cells, 2 of them without speed" in capsys.readouterr().out
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
    assert "holds files that are no export's" in capsys.readouterr().err
