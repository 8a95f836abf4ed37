"""Is a saved run treated as untrusted data, and does `history` find changes over many runs?"""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from bakeoff.__main__ import main
from bakeoff.archive import saved_runs
from bakeoff.compare.history import Point, trend
from bakeoff.records.cell import Cell, Mode
from bakeoff.records.trial import Status
from bakeoff.system.terminal import clean
from tests.support.builders import SETTINGS, measurement, trial
from tests.support.effort import cases
from tests.support.summaries import call, found, matrix, noise, save

HOSTILE = ["\x1b[2J", "<script>alert(1)</script>", "| a |", "[x](javascript:1)", "=cmd()", "`rm`", "\u202eevil", "\n\n# h"]


@pytest.mark.parametrize("text", HOSTILE)
def test_text_from_a_file_is_escaped_wherever_it_is_shown(runs: Path, capsys: pytest.CaptureFixture[str], text: str) -> None:
    save(runs, 1, matrix(1))
    broken = [found("m1", status=Status.CRASH, reason=text)]
    save(runs, 2, broken, commit_info={"id": text, "dirty": False})
    for form in ("--all", "--markdown", "--csv"):
        call(runs, "gate", "1", "2", form)
        out = capsys.readouterr().out
        assert "\x1b" not in out
        assert "\u202e" not in out
        if form == "--markdown":
            assert "<script" not in out
            assert "\n# h" not in out
            assert "](javascript" not in out
    assert clean(text).isprintable()


@pytest.mark.parametrize("name", ["../../etc/passwd", "a b", "<b>", "m\x1b[31m", "", "=1+1", "x" * 101])
def test_a_cell_with_an_impossible_name_is_refused(runs: Path, capsys: pytest.CaptureFixture[str], name: str) -> None:
    save(runs, 1, matrix(1))
    save(runs, 2, [found(name, noise(1))])
    assert call(runs, "compare", "1", "2") == 2
    assert "letters, digits and underscores" in capsys.readouterr().err


BYTES = st.binary(max_size=40)


@settings(max_examples=cases(150), deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_no_file_makes_a_traceback(runs: Path, capsys: pytest.CaptureFixture[str], data: st.DataObject) -> None:
    """Cut, overwritten, or with a value of another kind: one line, or summaries that are valid."""
    path = save(runs, 1, matrix(1, counts={"breaks": 1}))
    whole = path.read_bytes()
    how = data.draw(st.sampled_from(["cut", "overwrite", "value", "foreign"]))
    if how == "cut":
        path.write_bytes(whole[: data.draw(st.integers(0, len(whole) - 1))])
    elif how == "overwrite":
        at, put = data.draw(st.integers(0, len(whole))), data.draw(BYTES)
        path.write_bytes(whole[:at] + put + whole[at + len(put) :])
    elif how == "value":
        body = json.loads(whole)
        node: Any = body
        for _ in range(data.draw(st.integers(1, 5))):
            keys = list(node) if isinstance(node, dict) else list(range(len(node))) if isinstance(node, list) else []
            if not keys:
                break
            parent, key = node, data.draw(st.sampled_from(keys))
            node = node[key]
        parent[key] = data.draw(st.sampled_from([None, -1, 0, 1e308, 10**400, "x", [], {}, True, [[]], {"a": 1}, "\x00"]))
        path.write_text(json.dumps(body))
    else:
        path.write_text(data.draw(st.sampled_from(["[]", "{}", "null", "1e999", "[" * 100_000, '{"figures": NaN}', '"x"', ""])))
    code = call(runs, "compare", str(path), str(path), "--all")
    output = capsys.readouterr()
    assert code in (0, 2)
    assert "Traceback" not in output.out + output.err
    if code == 2:
        assert output.err.count("\n") == 1


def test_an_older_run_without_summaries_is_read_by_its_trials(runs: Path) -> None:
    path = save(runs, 1, [], trials=[trial(measurement())])
    path.write_text(path.read_text().replace('"summaries":[]', '"summaries":null'))
    assert saved_runs.read_summaries(path).summaries[0].values["step"] == pytest.approx([0.001])


def points(values: list[float | None]) -> list[Point]:
    return [Point(run=f"{n:04}", when="", commit=f"c{n}", status="ok", value=v) for n, v in enumerate(values)]


def test_history_finds_a_step_and_the_commit_it_began_at() -> None:
    values: list[float | None] = [*noise(1, 30, 0.01), *(1.2 * v for v in noise(2, 30, 0.01))]
    values[10] = None
    cell = Cell("toy", "compiler", Mode.INFERENCE)
    (step,) = trend(cell, "step", points(values)).shifts
    assert step.at.commit == "c30"
    assert step.ratio == pytest.approx(1.2, rel=0.02)
    assert trend(cell, "step", points(list(noise(3, 60, 0.02)))).shifts == ()
    assert trend(cell, "step", points([None, 0.1])).shifts == ()


def test_history_on_the_command_line(runs: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for number in range(1, 25):
        save(runs, number, matrix(1) if number < 13 else [found("m1", [1.3 * v for v in noise(1)])])
    save(runs, 25, matrix(1, settings=replace(SETTINGS, threads=2)))
    save(runs, 26, [found("m1", [1.3 * v for v in noise(1)])])
    (runs / "saved" / "Linux-CPython-3.11-64bit" / "0027_cut.json").write_text("{")
    assert call(runs, "history", "m1-*") == 0
    out = capsys.readouterr().out
    assert "×1.300 from 0013 (2026-01-01T00:13, 000000000) on" in out
    assert "1 of another machine or other settings left out" in out
    assert "left out: " in out
    assert any(c in out for c in "▁█")


def test_what_a_name_does_not_decide_is_reported_in_one_line(runs: Path, capsys: pytest.CaptureFixture[str]) -> None:
    first = save(runs, 1, matrix(1))
    assert call(runs, "compare") == 2
    assert f"only one saved run in {runs / 'saved'}: {first.name}" in capsys.readouterr().err
    other = runs / "saved" / "Linux-CPython-3.12-64bit" / first.name
    other.parent.mkdir()
    other.write_bytes(first.read_bytes())
    assert call(runs, "gate", "1", "1") == 2
    assert "1 is a run of more than one machine" in capsys.readouterr().err
    assert call(runs, "gate", str(first), str(other)) == 0


def test_bad_saved_run_is_reported_in_one_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    cut = tmp_path / "cut.json"
    cut.write_text('{"trials": [{"cell"')
    assert main(["show", str(cut)]) == 2
    output = capsys.readouterr().err
    assert output.count("\n") == 1
    assert "is not a complete saved run" in output
