"""Do commands run in parallel on their own CPUs, in waves, within the time limit, and is it reported how each ended?"""

import json
import os
import signal
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from benchmarks.gpu import page
from benchmarks.lanes import Lanes, Unit

CPUS = sorted(os.sched_getaffinity(0))


def reported(tmp_path: Path) -> dict[str, dict[str, Any]]:
    return {path.name: json.loads(path.read_text()) for path in (tmp_path / "reported").iterdir() if not path.suffix}


def together(one: dict[str, Any], other: dict[str, Any]) -> bool:
    return bool(one["began"] < other["ended"] and other["began"] < one["ended"])


@pytest.mark.two_cpus
@pytest.mark.skipif(len(CPUS) < 2, reason="needs two CPUs")
def test_lanes_run_at_once_each_on_its_own_cpus(tmp_path: Path, unit: Callable[..., Unit]) -> None:
    lanes = Lanes([{CPUS[0]}, {CPUS[1]}], tmp_path / "logs", grace_s=1.0)
    lanes.work([[unit("a", 3), unit("b", 3), unit("c")]], 30.0)
    found = reported(tmp_path)
    assert together(found["a"], found["b"])
    assert {*found["a"]["cpus"], *found["b"]["cpus"]} == {CPUS[0], CPUS[1]}
    assert [len(found[name]["cpus"]) for name in "abc"] == [1, 1, 1]
    assert found["a"]["given"] == "1"
    assert sorted(os.sched_getaffinity(0)) == CPUS


def test_a_wave_begins_when_the_one_before_has_ended(tmp_path: Path, unit: Callable[..., Unit]) -> None:
    lanes = Lanes([{CPUS[0]}, {CPUS[0]}], tmp_path / "logs", grace_s=1.0)
    lanes.work([[unit("short"), unit("long", 3)], [unit("later")]], 30.0)
    found = reported(tmp_path)
    assert found["short"]["ended"] < found["long"]["ended"] < found["later"]["began"]


def test_what_fails_stops_nothing(tmp_path: Path, unit: Callable[..., Unit], capsys: pytest.CaptureFixture[str]) -> None:
    lanes = Lanes([{CPUS[0]}], tmp_path / "logs", grace_s=1.0)
    outcomes = lanes.work([[unit("failing", 0, 1), unit("fine")]], 30.0)
    assert [(o.unit.title, o.exit, o.ok) for o in outcomes] == [("failing", 1, False), ("fine", 0, True)]
    assert capsys.readouterr().out.startswith("failing: exit code 1, ")
    text = page(["# H100"], lanes, {})
    assert "  - `FAILED failing - because`" in text
    assert "FAILED fine" not in text


def test_when_the_time_is_up_what_runs_is_interrupted_and_the_rest_named(tmp_path: Path, unit: Callable[..., Unit]) -> None:
    lanes = Lanes([{CPUS[0]}, {CPUS[0]}], tmp_path / "logs", grace_s=3.0)
    started = time.monotonic()
    outcomes = lanes.work([[unit("quick"), unit("long", 600), unit("deaf", 600, 0, "deaf"), unit("next")], [unit("last")]], 8.0)
    assert time.monotonic() - started < 30  # of 600
    assert [(o.unit.title, o.exit, o.cut) for o in outcomes] == [
        ("quick", 0, False),
        ("long", 2, True),
        ("deaf", -signal.SIGKILL, True),
        ("next", None, False),
        ("last", None, False),
    ]
    assert str(outcomes[1]).startswith("long: cut off: what it had measured is saved, ")
    assert str(outcomes[2]).startswith("deaf: cut off: killed, and nothing saved, ")
    assert str(outcomes[3]) == "next: not begun"
    assert not any(o.ok for o in outcomes[1:])


def test_an_interrupt_is_an_early_end(tmp_path: Path, unit: Callable[..., Unit]) -> None:
    lanes = Lanes([{CPUS[0]}], tmp_path / "logs", grace_s=5.0)

    def interrupt() -> None:
        deadline = time.monotonic() + 50
        while not (tmp_path / "reported" / "long.begun").exists() and time.monotonic() < deadline:
            time.sleep(0.05)
        os.kill(os.getpid(), signal.SIGINT)

    threading.Thread(target=interrupt, daemon=True).start()
    outcomes = lanes.work([[unit("long", 600), unit("next")]], 60.0)
    assert [(o.unit.title, o.exit, o.cut) for o in outcomes] == [("long", 2, True), ("next", None, False)]


def test_a_wave_may_follow_from_the_one_before_even_where_time_is_up(tmp_path: Path, unit: Callable[..., Unit]) -> None:
    lanes = Lanes([{CPUS[0]}], tmp_path / "logs", grace_s=3.0)

    def waves() -> Iterator[list[Unit]]:
        yield [unit("long", 600)]
        assert "long" in reported(tmp_path), "asked before all that ran had ended"
        yield [unit("more")]

    outcomes = lanes.work(waves(), 6.0)
    assert [(o.unit.title, o.exit, o.cut) for o in outcomes] == [("long", 2, True), ("more", None, False)]
