"""Does `bakeoff pick` find the right run, and report the winners, what is not decided, and its evidence?"""

import json
import os
from dataclasses import replace
from pathlib import Path
from typing import Any

import msgspec
import pytest

from bakeoff.__main__ import main
from bakeoff.authoring.errors import UsageError
from bakeoff.compare import evidence
from bakeoff.records.cell import Mode
from bakeoff.records.trial import Environment, Failure, Phase, Settings, Status, Trial
from bakeoff.system.environment import cpu_model, default_threads
from tests.support.builders import trial
from tests.support.side_by_side import taken

HERE = Settings(size="small", batch_size=None, device="cpu", threads=default_threads(), timeout_s=300.0)
Stack = tuple[str, float, float]  # name, seconds of a step, seconds of compiling


def environment(**changes: Any) -> Environment:
    base = Environment(python="3", platform="", cpu=cpu_model(), cores=os.cpu_count() or 1, memory_bytes=1, device="cpu")
    return replace(base, **changes)


def save(storage: Path, number: int, trials: list[Trial], **more: Any) -> None:
    body = {"trials": trials, "datetime": "2026-11-23T10:00:00", "version": "5.2.0", "schema_version": 2, **more}
    folder = storage / "machine"
    folder.mkdir(parents=True, exist_ok=True)
    (folder / f"{number:04}_run.json").write_bytes(msgspec.json.encode(body))


def mine(*stacks: Stack, **more: Any) -> list[Trial]:
    how = {"settings": HERE, "environment": environment(), **more}
    return [t for name, step_s, compile_s in stacks for t in taken(name, step_s, compile_s, **how)]


@pytest.fixture
def storage(tmp_path: Path) -> Path:
    failure = Failure(status=Status.WRONG, phase=Phase.PARITY, error="Wrong", message="off by 1\nand more")
    bad = trial(None, "mlp", "torch_script", failure=failure, settings=HERE, environment=environment())
    found = [*mine(("torch_eager", 0.010, 0.0), ("tf_xla", 0.020, 1.0)), bad]
    save(tmp_path, 1, [*found, *mine(("torch_inductor", 0.005, 5.0))])
    other = replace(HERE, size="full")
    save(tmp_path, 2, mine(("torch_eager", 9.0, 0.0), settings=other))
    save(tmp_path, 3, mine(("torch_eager", 9.0, 0.0), environment=environment(cpu="another one")))
    (tmp_path / "machine" / "0004_cut.json").write_text('{"trials": [')
    return tmp_path


def asked(storage: Path, *words: str) -> int:
    return main(["pick", "mlp", "--benchmark-storage", str(storage), *words])


def test_the_latest_run_that_fits_decides(storage: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert asked(storage, "--steps", "5000") == 0
    reported = capsys.readouterr().out
    assert "saved run 0001" in reported
    assert "winner: torch_inductor, 30 s" in reported
    assert "runner-up: torch_eager, 50 s (" in reported
    assert "torch_eager from 1 on; torch_inductor from 1,0" in reported
    assert "no speed: torch_script (wrong): off by 1\n" in reported
    assert max(map(len, reported.splitlines())) <= 100
    assert asked(storage, "--steps", "5000000") == 0
    assert "winner: torch_inductor, 6.9 h" in capsys.readouterr().out


def test_the_table_has_bounds_and_ratios(storage: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert asked(storage, "--steps", "5000") == 0
    rows = [line.split("  ") for line in capsys.readouterr().out.splitlines()]
    cells = {row[0]: [text.strip() for text in row if text] for row in rows}
    assert cells["torch_inductor"] == ["torch_inductor", "30 s", "29.5 s – 30.5 s", "5 s", "5 ms", "the best", "–"]
    assert cells["tf_xla"][-2] == "×0.250 ±0.003"


def test_json_has_the_evidence(storage: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert asked(storage, "--steps", "10", "--json") == 0
    reported = json.loads(capsys.readouterr().out)
    assert [row["stack"] for row in reported["ranking"]] == ["torch_eager", "tf_xla", "torch_inductor"]
    first, *others = reported["ranking"]
    assert first["total_s"] == pytest.approx(0.1)
    assert first["low_s"] < first["total_s"] < first["high_s"]
    assert (first["ratio_best"]["verdict"], first["processes"]) == ("slower", 2)
    assert [row["wins"] for row in (first, *others)] == [True, False, False]
    assert (reported["winners"], reported["measured_alone"]) == (["torch_eager"], [])
    assert [row["stack"] for row in reported["by_steps"]["cold"]] == ["torch_eager", "torch_inductor"]
    begins = reported["by_steps"]["cold"][1]
    assert begins["earliest"] < begins["from_steps"] < begins["latest"]
    assert reported["no_speed"] == [{"stack": "torch_script", "status": "wrong", "reason": "off by 1"}]


def test_winners_that_cannot_be_told_apart_are_named_together(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    save(tmp_path, 1, mine(("torch_eager", 0.0100, 0.0), ("torch_script", 0.0101, 0.0), ("tf_xla", 0.0200, 0.0)))
    assert asked(tmp_path, "--steps", "1000") == 0
    reported = capsys.readouterr().out
    assert "winners, which cannot be told apart: torch_eager, torch_script; 10 s with compiling" in reported
    assert "runner-up: tf_xla, 20 s" in reported
    assert "winner: " not in reported
    assert asked(tmp_path, "--steps", "1000", "--json") == 0
    assert json.loads(capsys.readouterr().out)["winners"] == ["torch_eager", "torch_script"]


def test_without_a_turn_beside_each_other_it_is_undecided(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    save(tmp_path, 1, mine(("torch_eager", 0.010, 0.0), ("torch_script", 0.001, 0.5), group=None))
    assert asked(tmp_path, "--steps", "1000") == 3
    reported = capsys.readouterr().out
    assert "undecided: torch_eager, torch_script had no turn beside the others" in reported
    assert "winner" not in reported
    assert "no stack has a speed" not in reported
    assert asked(tmp_path, "--steps", "1000", "--json") == 3
    record = json.loads(capsys.readouterr().out)
    assert (record["winners"], record["ranking"]) == ([], [])
    assert record["measured_alone"] == ["torch_eager", "torch_script"]
    assert record["by_steps"] == {"cold": [], "warm": []}


def test_a_stack_that_had_no_turn_is_named_beside_the_ranking(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    alone = mine(("tf_xla", 0.001, 0.5), group=None)
    save(tmp_path, 1, [*alone, *mine(("torch_eager", 0.010, 0.0), ("torch_script", 0.005, 0.5))])
    assert asked(tmp_path, "--steps", "1000") == 0
    reported = " ".join(capsys.readouterr().out.split())
    assert "winner: torch_script" in reported
    assert "not ranked: tf_xla had no turn beside the others" in reported


def test_without_any_speed_there_is_no_winner(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    failure = Failure(status=Status.WRONG, phase=Phase.PARITY, error="Wrong", message="off by 1")
    save(tmp_path, 1, [trial(None, "mlp", "torch_script", failure=failure, settings=HERE, environment=environment())])
    assert asked(tmp_path, "--steps", "1000") == 1
    assert "no winner: no stack has a speed for it" in capsys.readouterr().out


def test_a_named_run_of_another_machine_is_used_with_a_remark(storage: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert asked(storage, "--steps", "5", "--run", "3") == 0
    assert "that run had another processor (another one, not" in capsys.readouterr().out
    assert asked(storage, "--steps", "5", "--run", "2") == 0
    assert "size full" in capsys.readouterr().out


def test_formats_and_workers_are_ranked_where_they_are_named(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    served = mine(("served_onnx_torch", 0.001, 0.0), exported_by="torch_eager")
    save(tmp_path, 1, [*mine(("torch_eager", 0.010, 0.0)), *served, *mine(("torch_ddp_2", 0.001, 0.0), workers=2)])
    assert asked(tmp_path, "--steps", "5") == 0
    reported = capsys.readouterr().out
    assert "winner: torch_eager" in reported
    assert "not ranked unless --stacks names them" in reported
    assert asked(tmp_path, "--steps", "500", "--stacks", "served_onnx_torch,torch_eager") == 0
    assert "winner: served_onnx_torch" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (["--steps", "0"], "--steps 0: must be at least 1"),
        (["--steps", "5", "--mode", "loss"], "make one: bakeoff run mlp loss"),
        (["--steps", "5", "--mode", "serving"], "there is no mode serving"),
        (["--steps", "5", "--batch-size", "3"], "another batch size (the model's own, not 3)"),
        (["--steps", "5", "--run", "9"], "there is no saved run 9"),
        (["--steps", "5", "--run", "1", "--measure"], "leave one of them out"),
        (["--steps", "5", "--run", "1", "--mode", "training"], "the run 1 has no cell of mlp training"),
        (["--steps", "5", "--run", "4"], "is not a complete saved run"),
        (["--steps", "5", "--stacks", "tf_xlaa"], "there is no stack tf_xlaa"),
        (["--steps", "9" * 20], "at most 1,000,000,000,000"),
        (["--steps", "5", "--target", "cuda:sm_90"], "only compiles, and pick chooses by speed"),
        (["--steps", "5", "--stacks", "torch_inductor_frozen"], "bakeoff run mlp torch_inductor_frozen --benchmark-storage "),
    ],
)
def test_bad_input_is_reported_in_one_line(
    storage: Path, capsys: pytest.CaptureFixture[str], words: list[str], says: str
) -> None:
    assert asked(storage, *words) == 2
    output = capsys.readouterr().err
    assert says in output
    assert output.count("\n") == 1


def test_cells_of_different_settings_are_not_ranked(storage: Path, capsys: pytest.CaptureFixture[str]) -> None:
    full = mine(("tf_xla", 0.001, 1.0), settings=replace(HERE, size="full", dtype="bfloat16"))
    save(storage, 5, [*mine(("torch_eager", 0.010, 0.0)), *full])
    assert asked(storage, "--steps", "5", "--run", "5") == 2
    assert "differ in their size and dtype, so they cannot be ranked" in capsys.readouterr().err
    assert asked(storage, "--steps", "5") == 0  # the latest run passes over it


def test_without_a_run_the_message_says_how_to_make_one(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"make one: bakeoff run mlp training --size full"):
        evidence.latest(tmp_path, "mlp", Mode.TRAINING, None, replace(HERE, size="full"), ["tf_xla"])
