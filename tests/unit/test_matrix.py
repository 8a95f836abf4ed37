"""Does the matrix fit a narrow terminal without losing a number?"""

import io
import sys
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import pytest

from bakeoff.analysis import formatting
from bakeoff.analysis.metric import TablePart
from bakeoff.analysis.results import CellResult
from bakeoff.records.cell import Cell, Mode
from bakeoff.records.trial import Failure, Phase, Start, Status, Trial
from bakeoff.views.cell_lines import joined
from bakeoff.views.columns import Column, across, drawn, of_rows, packed
from bakeoff.views.matrix import Matrix
from tests.support.builders import kernel, lowered, measurement, trial

MAIN = ("tf_eager", "tf_function", "tf_xla", "torch_eager", "torch_inductor", "torch_script")
MIB = 2**20


def one(model: str, stack: str, step_s: float, compile_s: float, **changes: Any) -> Trial:
    found = measurement(
        (step_s,) * 100,
        first_call_s=compile_s + step_s,
        held_out_step_s=(step_s,),
        warmup_s=(step_s,) * 20,
        items_per_step=128,
        memory=replace(measurement().memory, compile_peak_bytes=1235 * MIB, steady_peak_bytes=1235 * MIB),
    )
    mine = {"framework": stack.partition("_")[0], "eager": stack.endswith("eager")}
    return trial(found, model, stack, **(mine | changes))


def failed(model: str, stack: str, status: Status) -> Trial:
    failure = Failure(status=status, phase=Phase.COMPILE, error="E", message=f"{status}, for a reason")
    return trial(None, model, stack, failure=failure, framework=stack.partition("_")[0])


@pytest.fixture
def worst(monkeypatch: pytest.MonkeyPatch) -> Matrix:
    """Long names, large and small numbers in every column, noise in all of them, and every way to fail."""
    found = []
    for i, stack in enumerate(MAIN):
        step_s = 8.2e-5 * i if "eager" not in stack else 8.5e-4
        found.append(one("bert_encoder", stack, step_s, 123.456 if i in (1, 4) else 0.05))
        found.append(one("gpt_decoder", stack, 0.02 + i / 1e3, 23.69))
    warm = [one("bert_encoder", "torch_inductor", 4.1e-4, 12.34, start=Start.WARM), one("gpt_decoder", "tf_xla", 0.02, 99.0)]
    warm = [replace(t, start=Start.WARM) for t in warm]
    statuses = (Status.OUT_OF_MEMORY, Status.UNSUPPORTED, Status.UNAVAILABLE, Status.RECOMPILED, Status.TIMEOUT, Status.WRONG)
    found += [failed("article_net", stack, status) for stack, status in zip(MAIN, statuses, strict=True)]
    matrix = Matrix.of([*found, *warm])
    for result in matrix.results.values():
        if result.status is Status.OK:
            result.__dict__["steadiness"] = replace(result.steadiness, noise=0.24)
    return matrix


def tables(text: str) -> list[list[str]]:
    """The lines of each table, from its heading on."""
    lines = text.splitlines()
    rules = [i for i, line in enumerate(lines) if line.startswith("──")]
    return [lines[start - 1 : end] for start, end in zip(rules, [*(r - 1 for r in rules[1:]), len(lines)], strict=True)]


def test_six_stacks_stand_beside_each_other_in_100_columns(worst: Matrix) -> None:
    text = worst.terminal(100)
    (table,) = tables(text)
    assert table[0].split() == list(MAIN)
    assert max(len(line) for line in text.splitlines() if "again: " not in line) <= 100


def test_no_figure_is_lost(worst: Matrix) -> None:
    text = worst.terminal(100)
    cell = worst.lines(worst.results[Cell("bert_encoder", "tf_function", Mode.INFERENCE)], 12)
    assert cell == ["123.46 s", "1.56M/s ±12%", "×10.37 ×1.00", "0 · 1e-07", "1234, 1234 M", "ok, 161k"]
    for line in cell:
        assert line in text
    for part in ("123 s (12.3)", "out of", "memory", "unsupported", "unavailable", "recompiled", "timeout", "wrong"):
        assert part in text


def test_where_there_is_room_figures_are_in_full(worst: Matrix) -> None:
    (table,) = tables(worst.terminal(160))
    text = "\n".join(table)
    assert "1,560,976/s ±12%" in text
    assert "1234, 1234 MiB" in text
    assert "out of memory" in text


def test_fewer_columns_stand_below_each_other(worst: Matrix) -> None:
    for width in (40, 60, 80):
        text = worst.terminal(width)
        found = tables(text)
        assert [name for table in found for name in table[0].split()] == list(MAIN)
        assert len(found) > 1
        assert max(len(line) for table in found for line in table if "again: " not in line) <= width
    assert len(tables(worst.terminal(10))) == 6  # one each, however wide


def test_markdown_keeps_its_lines(worst: Matrix) -> None:
    text = worst.markdown()
    assert "<br>1,560,976/s ±12%<br>" in text
    assert "| out of memory |" in text
    assert "<br>1234, 1234 MiB<br>" in text
    assert "; ".join(worst.legend(Mode.INFERENCE)) in text


def test_the_legend_has_a_text_for_each_line(worst: Matrix) -> None:
    assert worst.legend(Mode.INFERENCE) == [
        "compile s cold (warm from disk)",
        "items/s",
        "× its framework's eager, × the best",
        "breaks · parity error",
        "MiB above the import: compile peak, steady",
        "status, steps after which compiling pays, against eager",
    ]
    lines = worst.lines(worst.results[Cell("bert_encoder", "tf_function", Mode.INFERENCE)])
    assert len(lines) == len(worst.legend(Mode.INFERENCE))


def test_the_legend_of_cells_compiled_for_a_target_is_theirs() -> None:
    result = lowered((kernel(registers=255, spill_bytes=1234),))
    matrix = Matrix({result.cell: result})
    legend = ["compile s cold", "kernels", "registers, bytes spilled", "breaks · parity error", "status"]
    assert matrix.legend(result.cell.mode) == legend
    assert matrix.lines(result) == ["2.00 s", "1 kernel", "255 reg, 1234 B spilled", "0", "compiled (not run)"]


def test_the_legend_names_the_times_of_a_gpu_only_where_there_are_some() -> None:
    own = "the GPU's own time for a step in a queue of steps, × eager's, peak of its memory"
    found = []
    for stack, device_s in (("torch_eager", 0.004), ("torch_inductor", 0.002)):
        made = one("gpt_decoder", stack, 0.005, 1.0)
        assert made.measurement is not None
        memory = replace(made.measurement.memory, device_peak_bytes=10 * MIB)
        found.append(replace(made, measurement=replace(made.measurement, device_step_s=(device_s,), memory=memory)))
    matrix = Matrix.of(found)
    assert own in matrix.legend(Mode.INFERENCE)
    result = matrix.results[Cell("gpt_decoder", "torch_inductor", Mode.INFERENCE)]
    assert matrix.lines(result)[-2] == "device 2 ms ×2.00, 10 MiB"
    assert matrix.lines(result, 12)[-2] == "2 ms ×2.00"
    result.__dict__["outcome"] = (Status.UNSTEADY, "")
    assert matrix.lines(result) == ["unsteady", "device 2 ms ×2.00, 10 MiB"]


def test_a_cell_compiled_for_a_target_wraps() -> None:
    result = lowered((kernel(registers=255, spill_bytes=1234),))
    matrix = Matrix({result.cell: result})
    assert matrix.lines(result)[-1] == "compiled (not run)"
    assert matrix.lines(result, 12)[-2:] == ["compiled", "(not run)"]
    assert max(map(len, matrix.lines(result, 12))) <= 12


def test_no_escape_codes_whatever_the_environment_says(worst: Matrix, monkeypatch: pytest.MonkeyPatch) -> None:
    class Screen(io.StringIO):
        def isatty(self) -> bool:
            return True

    monkeypatch.setattr(sys, "stdout", Screen())
    monkeypatch.setenv("FORCE_COLOR", "1")
    assert "\x1b" not in worst.terminal(100)
    monkeypatch.setenv("TERM", "dumb")
    assert len(tables(worst.terminal(100))) == 1


@pytest.mark.parametrize(
    ("value", "reported"),
    [
        *((0.5, "0.5"), (56.1, "56.1"), (999, "999"), (999.6, "1.00k"), (8643, "8.64k"), (89_247, "89.2k"), (516_325, "516k")),
        *((999_700, "1.00M"), (1_560_259, "1.56M"), (2.5e9, "2.50G"), (3e12, "3.00T")),
    ],
)
def test_compact_keeps_three_digits(value: float, reported: str) -> None:
    assert formatting.compact(value) == reported


def line(room: int | None, *forms: Sequence[str], separator: str = " ") -> str:
    return joined([(TablePart(line=1, legend="", separator=separator), each) for each in forms], room)


def test_texts_are_shortened_only_if_needed() -> None:
    times = formatting.cold_compile(23.69), formatting.warm_compile(3.38)
    assert line(None, *times) == "23.69 s (3.38)"
    assert line(14, *times) == "23.69 s (3.38)"
    assert line(12, *times) == "23.7 (3.38)"
    assert line(12, formatting.per_second(1560259)) == "1,560,259/s"
    assert line(12, formatting.per_second(1560259), ("±120%",)) == "1.56M ±120%"
    for steps, text in ((197, "ok, from 197"), (25265, "ok, 25.3k"), (None, "ok, never")):
        assert line(12, ("ok",), formatting.break_even(steps, undecided=False), separator=", ") == text
    assert line(12, ("ok",), formatting.break_even(5, undecided=True), separator=", ") == "ok, unclear"
    assert line(5, ("ok",), formatting.break_even(5, undecided=True), separator=", ") == "ok"


def test_columns() -> None:
    table = of_rows(("a", "bcd"), [("1", "2"), ("333", "4")])
    assert list(drawn(table, apart=False)) == ["a    bcd", "────────", "1    2", "333  4"]
    assert across(table) == 8
    label, *rest = (Column(name, [["x"]]) for name in ("", "aaaa", "bbbb", "cccc"))
    assert [[c.name for c in t] for t in packed([label, *rest], 13)] == [["", "aaaa", "bbbb"], ["", "cccc"]]
    assert [len(t) for t in packed([label, *rest], 1)] == [2, 2, 2]


def test_the_widest_case_has_the_expected_statuses(worst: Matrix) -> None:
    """Otherwise the tests above would not test the widest case."""
    ok: list[CellResult] = [r for r in worst.results.values() if r.status is Status.OK]
    assert len(ok) == 12


def test_notes_are_of_failures_and_of_successes(worst: Matrix) -> None:
    """The report lists failures in a table of its own, and the other notes below it."""
    assert sorted(why.partition(":")[0] for why in worst.failures()) == sorted(
        str(r.status) for r in worst.results.values() if not r.status.succeeded
    )
    others = worst.notes_on_successes()
    assert worst.notes()[-len(others) :] == others
    assert not any("again: " in note or "article_net" in note for note in others)
