"""Does `bakeoff pick` choose by the definition, and report where another stack wins and what is within noise?"""

import json
import os
from dataclasses import replace
from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bakeoff.__main__ import main
from bakeoff.analysis import cost
from bakeoff.analysis.results import CellResult, by_cell
from bakeoff.authoring.errors import UsageError
from bakeoff.compare import evidence
from bakeoff.records.cell import Mode
from bakeoff.records.trial import Environment, Failure, Phase, Settings, Start, Status, Trial
from bakeoff.system.environment import cpu_model, default_threads
from tests.support.builders import measurement, trial
from tests.support.effort import cases

HERE = Settings(size="small", batch_size=None, device="cpu", threads=default_threads(), timeout_s=300.0)


def taken(
    stack: str, step_s: float, compile_s: float, *, trials: int = 1, warm_s: float | None = None, **more: Any
) -> list[Trial]:
    """Trials of one stack, all alike."""

    def one(compile_s: float, **how: Any) -> Trial:
        found = measurement(
            (step_s,) * 100, first_call_s=compile_s + step_s, held_out_step_s=(step_s,), warmup_s=(step_s,) * 20
        )
        return trial(found, "mlp", stack, **(more | how))

    warm = [] if warm_s is None else [one(warm_s, start=Start.WARM)]
    return [one(compile_s, index=i) for i in range(trials)] + warm


def results(*stacks: tuple[str, float, float]) -> list[CellResult]:
    return list(by_cell([t for name, step_s, compile_s in stacks for t in taken(name, step_s, compile_s)]).values())


def names(ranges: list[cost.FastestFrom]) -> list[tuple[str, int]]:
    return [(r.result.cell.stack, r.from_steps) for r in ranges]


THREE = results(("eager", 0.010, 0.0), ("script", 0.008, 0.5), ("inductor", 0.005, 5.0))


def test_total_is_compiling_and_the_steps() -> None:
    (first, second, third) = cost.totals(THREE, 1000)
    assert [t.result.cell.stack for t in (first, second, third)] == ["script", "eager", "inductor"]
    assert [t.seconds for t in (first, second, third)] == pytest.approx([8.5, 10.0, 10.0])
    assert cost.totals(THREE, 10)[0].result.cell.stack == "eager"
    assert cost.totals(THREE, 10_000)[0].result.cell.stack == "inductor"


def test_crossings_are_where_the_totals_cross() -> None:
    # 0.5 / 0.002 = 250 steps and 4.5 / 0.003 = 1500 steps are a draw: from the next one on the new stack wins
    found = names(cost.crossings(THREE))
    assert [name for name, _ in found] == ["eager", "script", "inductor"]
    assert [steps for _, steps in found] == [pytest.approx(n, abs=1) for n in (1, 251, 1501)]
    assert names(cost.crossings([])) == []
    assert names(cost.crossings(results(("a", 0.01, 0.0), ("worse", 0.02, 1.0)))) == [("a", 1)]


@settings(max_examples=cases(100))
@given(st.lists(st.tuples(st.floats(1e-4, 1.0), st.floats(0.0, 100.0)), min_size=1, max_size=6), st.integers(1, 10**6))
def test_the_winner_of_each_range_has_the_least_total(figures: list[tuple[float, float]], steps: int) -> None:
    found = results(*((f"s{i}", step_s, compile_s) for i, (step_s, compile_s) in enumerate(figures)))
    ranges = cost.crossings(found)
    assert [r.from_steps for r in ranges] == sorted({r.from_steps for r in ranges})
    ruler = [r for r in ranges if r.from_steps <= steps][-1].result
    best = cost.totals(found, steps)[0]
    mine = next(t for t in cost.totals(found, steps) if t.result is ruler)
    assert mine.seconds == pytest.approx(best.seconds, rel=1e-9)


def test_totals_within_noise_are_reported_as_such() -> None:
    close = results(("a", 0.0100, 0.0), ("b", 0.0103, 0.0), ("far", 0.0200, 0.0))
    first, second, third = cost.totals(close, 1000)
    assert second.near(first)
    assert not third.near(first)


def test_more_processes_narrow_the_interval() -> None:
    apart = [*taken("a", 0.0100, 0.0, trials=3), *taken("b", 0.0104, 0.0, trials=3)]
    first, second = cost.totals(by_cell(apart).values(), 1000)
    assert not second.near(first)
    spread = [*taken("a", 0.0100, 0.0, trials=3), *(replace(t, index=3) for t in taken("a", 0.0120, 0.0))]
    (total,) = cost.totals(by_cell(spread).values(), 1000)
    assert total.span.high >= 12.0
    (alone,), (beside,) = (taken("a", 0.01, compile_s) for compile_s in (1.0, 2.0))
    at_once = replace(beside, measurement=replace(beside.measurement, compiled_at_once=True))  # on the same CPUs
    (total,) = cost.totals(by_cell([alone, at_once]).values(), 100)
    assert (total.seconds, total.span.high) == (pytest.approx(2.0), pytest.approx(2.3, abs=0.2))


def test_a_crossing_has_an_interval() -> None:
    sure, unsure = (cost.crossings(results(("eager", 0.010, 0.0), ("c", step_s, 5.0)))[1] for step_s in (0.005, 0.0098))
    assert sure.latest is not None
    assert sure.earliest < sure.from_steps < sure.latest
    assert unsure.latest is None


def test_warm_caches_change_the_choice() -> None:
    found = by_cell([*taken("eager", 0.010, 0.0), *taken("inductor", 0.005, 5.0, warm_s=1.0)]).values()
    assert cost.totals(found, 300)[0].result.cell.stack == "eager"
    assert cost.totals(found, 300, warm=True)[0].result.cell.stack == "inductor"
    assert names(cost.crossings(found, warm=True))[1] == ("inductor", pytest.approx(200, abs=1))


def test_what_is_not_ok_is_in_no_ranking() -> None:
    failure = Failure(status=Status.UNSUPPORTED, phase=Phase.COMPILE, error="Unsupported", message="cannot")
    found = by_cell([*taken("eager", 0.010, 0.0), trial(None, "mlp", "refuses", failure=failure)]).values()
    assert [t.result.cell.stack for t in cost.totals(found, 10)] == ["eager"]
    assert len(cost.crossings(found)) == 1


def environment(**changes: Any) -> Environment:
    base = Environment(python="3", platform="", cpu=cpu_model(), cores=os.cpu_count() or 1, memory_bytes=1, device="cpu")
    return replace(base, **changes)


def save(storage: Path, number: int, trials: list[Trial], **more: Any) -> None:
    body = {"trials": trials, "datetime": "2026-11-23T10:00:00", "version": "5.2.0", **more}
    folder = storage / "machine"
    folder.mkdir(parents=True, exist_ok=True)
    (folder / f"{number:04}_run.json").write_bytes(msgspec.json.encode(body))


def mine(*stacks: tuple[str, float, float], **more: Any) -> list[Trial]:
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
    assert "runner-up: torch_eager, 50 s, ×1.67" in reported
    assert "torch_eager from 1 on; torch_inductor from 1,0" in reported
    assert "no speed: torch_script (wrong): off by 1\n" in reported
    assert max(map(len, reported.splitlines())) <= 100
    assert asked(storage, "--steps", "5000000") == 0
    assert "winner: torch_inductor, 6.9 h" in capsys.readouterr().out


def test_json_has_the_evidence(storage: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert asked(storage, "--steps", "10", "--json") == 0
    reported = json.loads(capsys.readouterr().out)
    assert [row["stack"] for row in reported["ranking"]] == ["torch_eager", "tf_xla", "torch_inductor"]
    first = reported["ranking"][0]
    assert first["total_s"] == pytest.approx(0.1)
    assert first["low_s"] < first["total_s"] < first["high_s"]
    assert [row["stack"] for row in reported["by_steps"]["cold"]] == ["torch_eager", "torch_inductor"]
    assert reported["no_speed"] == [{"stack": "torch_script", "status": "wrong", "reason": "off by 1"}]


def test_a_named_run_of_another_machine_is_used_with_a_remark(storage: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert asked(storage, "--steps", "5", "--run", "3") == 0
    assert "that run had another processor (another one, not" in capsys.readouterr().out
    assert asked(storage, "--steps", "5", "--run", "2") == 0
    assert "size full" in capsys.readouterr().out


def test_formats_and_workers_are_ranked_where_they_are_named(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    found = mine(("torch_eager", 0.010, 0.0), ("served_onnx_torch", 0.001, 0.0))
    found[1] = replace(found[1], exported_by="torch_eager")
    ddp = mine(("torch_ddp_2", 0.001, 0.0), workers=2)
    save(tmp_path, 1, [*found, *ddp])
    assert asked(tmp_path, "--steps", "5") == 0
    reported = capsys.readouterr().out
    assert "winner: torch_eager" in reported
    assert "not ranked unless --stacks names them" in reported
    assert asked(tmp_path, "--steps", "5", "--stacks", "served_onnx_torch,torch_eager") == 0
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


def contended(stack: str, step_s: float, compile_s: float, share: float) -> CellResult:
    """As results(), but with a CPU for only `share` of the timed wall time."""
    (one,) = taken(stack, step_s, compile_s)
    assert one.measurement is not None
    spent = replace(one.measurement.contention, wall_s=1.0, cpu_s=share)
    return by_cell([replace(one, measurement=replace(one.measurement, contention=spent))])[one.cell]


@pytest.mark.parametrize(
    ("eager", "script", "winner"),
    [(0.5, 0.5, None), (1.0, 0.5, None), (0.5, 1.0, None), (1.0, 1.0, "script")],
    ids=["both", "the faster", "the slower, which may be faster", "neither"],
)
def test_no_winner_among_cells_that_had_too_little_of_a_cpu(eager: float, script: float, winner: str | None) -> None:
    found = [contended("eager", 0.010, 0.0, eager), contended("script", 0.008, 0.5, script)]
    choice = cost.choose(cost.totals(found, 1000))
    assert (None if choice.winner is None else choice.winner.result.cell.stack) == winner
    assert ("had a CPU for too little of it" in choice.undecided) == (winner is None)
    assert bool(cost.crossings(found)) == (winner is not None)
    assert bool(cost.undecided_ranges(found)) == (winner is None)


def test_a_contended_stack_that_cannot_win_leaves_the_winner() -> None:
    found = [contended("eager", 0.010, 0.0, 1.0), contended("slow", 0.100, 5.0, 0.5)]
    choice = cost.choose(cost.totals(found, 1000))
    assert choice.winner is not None
    assert choice.winner.result.cell.stack == "eager"
    assert names(cost.crossings(found)) == [("eager", 1)]


def test_the_command_names_no_winner_of_contended_cells(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    trials = [
        t
        for name, step_s, compile_s in (("torch_eager", 0.01, 0.0), ("torch_script", 0.008, 0.5))
        for t in contended(name, step_s, compile_s, 0.5).trials
    ]
    (home := tmp_path / "runs" / "here").mkdir(parents=True)
    path = home / "0001_run.json"
    path.write_bytes(msgspec.json.encode({"benchmarks": [], "trials": trials}))
    asked = ["pick", "mlp", "--steps", "1000", "--benchmark-storage", str(tmp_path / "runs"), "--run", "0001"]
    assert main(asked) == 3
    output = capsys.readouterr().out
    assert "winner" not in output
    assert "undecided: other work ran beside the measurement" in output
    assert main([*asked, "--json"]) == 3
    record = json.loads(capsys.readouterr().out)
    assert record["winner"] is None
    assert record["by_steps"] == {"cold": [], "warm": []}
    assert not any(row["can_be_compared"] for row in record["ranking"])
