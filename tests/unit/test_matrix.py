"""Does the matrix say how fast each stack is, how sure that is, and which ones are the fastest, in a narrow terminal too?"""

import io
import json
import math
import re
import sys
from dataclasses import replace
from typing import Any

import pytest

from bakeoff.analysis.ratios import Ratio, quantile
from bakeoff.records.cell import Cell, Mode
from bakeoff.records.diagnostics import Diagnostics
from bakeoff.records.trial import Failure, Phase, Start, Status, Trial
from bakeoff.tasks import tables
from bakeoff.views.columns import Column, across, drawn, of_rows, packed
from bakeoff.views.matrix import Matrix, short
from tests.support.builders import BREAK, kernel, lowered, measurement, trial

MAIN = ("tf_eager", "tf_function", "tf_xla", "torch_eager", "torch_inductor", "torch_script")
STATUSES = (Status.OUT_OF_MEMORY, Status.UNSUPPORTED, Status.UNAVAILABLE, Status.RECOMPILED, Status.TIMEOUT, Status.WRONG)


def one(model: str, stack: str, step_s: float, compile_s: float, index: int = 0, **changes: Any) -> Trial:
    """A member of a group."""
    found = measurement(
        (step_s,) * 100, first_call_s=compile_s + step_s, held_out_step_s=(step_s,), warmup_s=(step_s,) * 20, items_per_step=128
    )
    eager = stack.endswith("eager")
    mine = {
        "framework": stack.partition("_")[0],
        "eager": eager,
        "diagnostics": Diagnostics() if eager else Diagnostics(graphs=1),
    }
    return trial(found, model, stack, index=index, **(mine | changes))


def failed(model: str, stack: str, status: Status) -> Trial:
    failure = Failure(status=status, phase=Phase.COMPILE, error="E", message=f"{status}, for a reason")
    return trial(None, model, stack, failure=failure, framework=stack.partition("_")[0])


def row(model: str) -> list[Trial]:
    """Six stacks in two groups: two of them are as fast as each other, and faster than the rest."""
    steps = dict(zip(MAIN, (1.0, 0.53, 0.5, 0.8, 0.4, 0.4), strict=True))
    compiles = {stack: 0.0 if "eager" in stack else 12.34 for stack in MAIN}
    return [one(model, stack, step * 1e-3, compiles[stack], i) for i in range(2) for stack, step in steps.items()]


@pytest.fixture
def three() -> Matrix:
    """A model with a speed on each stack, one with a long name and large ratios, and one that fails in every way."""
    large = [one("bert_encoder", s, 1e-3 / (1 if "eager" in s else 98.7), 123.456, i) for i in range(2) for s in MAIN]
    broken = [failed("article_net", stack, status) for stack, status in zip(MAIN, STATUSES, strict=True)]
    return Matrix.of([*row("mlp"), *large, *broken])


def trials_of(matrix: Matrix) -> list[Trial]:
    return [trial for result in matrix.results.values() for trial in result.trials]


def cell(model: str, stack: str) -> Cell:
    return Cell(model, stack, Mode.INFERENCE)


def shown(text: str) -> list[list[str]]:
    """The lines of each table, from its heading on."""
    lines = text.splitlines()
    starts = [i for i, line in enumerate(lines) if i and not lines[i - 1] and any(x.startswith("──") for x in lines[i : i + 3])]
    starts = [i for i in starts if lines[i].strip() and not lines[i].startswith("──")]
    return [lines[start:end] for start, end in zip(starts, [*starts[1:], len(lines)], strict=True)]


def headings(table: list[str]) -> list[str]:
    """The names in a heading, which may stand in two lines."""
    rule = next(i for i, line in enumerate(table) if line.startswith("──"))
    first, second = table[0], table[1] if rule == 2 else ""
    words = [(match.start(), match.group()) for match in re.finditer(r"\S+", first)]
    below = {match.start(): match.group() for match in re.finditer(r"\S+", second)}
    return [word + below.get(at, "") for at, word in words]


# ---- a cell


def test_a_cell_is_its_ratio_and_its_compile_time(three: Matrix) -> None:
    ratio, compiled = three.lines(three.results[cell("mlp", "tf_function")])
    assert ratio == "×1.89 ±0.02"
    assert compiled == "12.34 s"


def test_an_eager_cell_is_its_step_time(three: Matrix) -> None:
    assert three.lines(three.results[cell("mlp", "tf_eager")])[0] == "1 ms"


def test_a_cell_without_its_eager_is_its_step_time() -> None:
    trials = [one("mlp", "torch_script", 1e-3, 1.0), one("mlp", "tf_eager", 2e-3, 0.0)]
    matrix = Matrix.of(trials)
    assert matrix.lines(matrix.results[cell("mlp", "torch_script")]) == ["1 ms", "1.00 s"]
    apart = Matrix.of([one("mlp", "torch_script", 1e-3, 1.0, group=None), one("mlp", "torch_eager", 2e-3, 0.0, group=None)])
    assert apart.lines(apart.results[cell("mlp", "torch_script")]) == ["1 ms", "1.00 s"]


def test_a_cell_that_is_not_ok_is_its_status(three: Matrix) -> None:
    lines = [three.lines(three.results[cell("article_net", stack)]) for stack in MAIN]
    assert lines == [[str(status)] for status in STATUSES]


def test_marks_are_of_graph_breaks_and_of_contention() -> None:
    broken = Diagnostics(graphs=3, breaks=(BREAK, BREAK))
    trials = [one("mlp", "torch_eager", 2e-3, 0.0), one("mlp", "torch_inductor", 1e-3, 1.0, diagnostics=broken)]
    busy = [
        replace(t, measurement=replace(t.measurement, contention=replace(t.measurement.contention, cpu_s=0.4))) for t in trials
    ]
    for found, mark, legend in ((trials, "b2", ["b2: two"]), (busy, "b2 ~", ["b2: two", "~: other work"])):
        matrix = Matrix.of(found)
        assert matrix.lines(matrix.results[cell("mlp", "torch_inductor")])[1] == f"1.00 s {mark}"
        assert all(text in matrix.legend(Mode.INFERENCE) for text in legend)
    clean = Matrix.of([one("mlp", "torch_eager", 2e-3, 0.0), one("mlp", "torch_script", 1e-3, 1.0)])
    assert "graph breaks" not in clean.legend(Mode.INFERENCE)
    assert "~" not in clean.legend(Mode.INFERENCE)


@pytest.mark.parametrize(
    ("value", "off", "text"),
    [
        (1.889, 0.054, "×1.89 ±0.05"),
        (0.954, 0.020, "×0.95 ±0.02"),
        (1.010, 0.030, "×1.01 ±0.03?"),
        (10.37, 0.100, "×10.4 ±1.0"),
        (161.4, 0.020, "×161 ±3"),
    ],
)
def test_a_ratio_has_three_digits_and_a_question_mark_if_it_is_undecided(value: float, off: float, text: str) -> None:
    assert short(Ratio(log=math.log(value), error=off / quantile(5) / (1 if value > 2 else value), freedom=5, groups=2)) == text


# ---- the table


def test_the_last_column_names_all_winners(three: Matrix) -> None:
    (table,) = shown(Matrix.of(row("mlp")).terminal(100))
    assert table[0].split() == [*MAIN, "fastest"]
    assert [line.split()[-1] for line in table[2:4]] == ["torch_inductor", "torch_script"]
    assert three.winners("mlp", Mode.INFERENCE) == ["torch_inductor", "torch_script"]
    assert three.winners("article_net", Mode.INFERENCE) == []


def test_one_stack_alone_is_not_called_the_fastest() -> None:
    assert "fastest" not in shown(Matrix.of([one("mlp", "tf_eager", 1e-3, 0.0)]).terminal(100))[0][0]


def test_cells_that_were_measured_alone_have_no_fastest() -> None:
    """An older Bakeoff did that: their speeds cannot be compared."""
    matrix = Matrix.of([replace(t, group=None) for t in row("mlp")])
    (table,) = shown(matrix.terminal(120))
    assert table[0].split() == list(MAIN)
    assert "×" not in "".join(table[1:4])
    assert any("6 cells were measured alone, by an older Bakeoff" in note for note in matrix.notes())


def test_100_columns_hold_the_six_main_stacks() -> None:
    matrix = Matrix.of(row("mlp"))
    text = matrix.terminal(100)
    assert len(shown(text)) == 1
    assert max(map(len, text.splitlines())) <= 100
    for stack in MAIN:
        for line in matrix.lines(matrix.results[cell("mlp", stack)]):
            assert line in text


def test_100_columns_hold_long_names_too_with_headings_of_two_lines(three: Matrix) -> None:
    (table,) = shown(Matrix.of([t for t in trials_of(three) if t.cell.model != "article_net"]).terminal(100))
    assert headings(table) == [*MAIN, "fastest"]
    assert "×1.89±.02" in "\n".join(table)


def test_no_column_is_lost_in_a_narrow_terminal(three: Matrix) -> None:
    for width in (40, 60, 80):
        found = shown(three.terminal(width))
        assert [name for table in found for name in headings(table)] == [*MAIN, "fastest"]
        assert len(found) > 1
        assert max(len(line) for table in found for line in table if "again: " not in line) <= width
    assert len(shown(three.terminal(10))) == 7  # one each, however wide


def test_markdown_has_the_same_cells(three: Matrix) -> None:
    text = three.markdown()
    assert f"|  | {' | '.join(MAIN)} | fastest |" in text
    assert "| ×1.89 ±0.02<br>12.34 s |" in text
    assert "| out of memory |" in text
    assert "| torch_inductor<br>torch_script |" in text
    assert three.legend(Mode.INFERENCE) in text


def test_each_mode_has_a_table_of_its_own() -> None:
    training = [replace(t, cell=replace(t.cell, mode=Mode.TRAINING)) for t in row("mlp")]
    text = Matrix.of([*row("mlp"), *training]).terminal(100)
    assert len(shown(text)) == 2
    assert text.index("inference: speed over") < text.index("training: speed over")


def test_cells_compiled_for_a_target_show_time_kernels_and_registers() -> None:
    result = lowered((kernel(registers=255, spill_bytes=1234),))
    matrix = Matrix.of(result.trials)
    assert matrix.lines(matrix.results[result.cell]) == ["2.00 s", "1 kernel", "255 reg, 1234 B spilled"]
    assert matrix.legend(result.cell.mode) == "compile time; kernels; the most registers of a thread, bytes spilled"
    assert "255 reg, 1234 B spilled" in matrix.terminal(100)


def test_no_escape_codes_whatever_the_environment_says(three: Matrix, monkeypatch: pytest.MonkeyPatch) -> None:
    class Screen(io.StringIO):
        def isatty(self) -> bool:
            return True

    monkeypatch.setattr(sys, "stdout", Screen())
    monkeypatch.setenv("FORCE_COLOR", "1")
    assert "\x1b" not in three.terminal(100)


# ---- everything about a cell


def test_everything_about_a_cell() -> None:
    matrix = Matrix.of([*row("mlp"), failed("article_net", "torch_inductor", Status.TIMEOUT)])
    text = "\n".join(matrix.about(matrix.results[cell("mlp", "tf_function")], 100))
    for line in (
        "mlp-tf_function-inference",
        "  compile s cold: 12.34 s",
        "  items/s: 241,509/s",
        "  × its framework's eager: ×1.887 [1.868, 1.906] faster",
        "  × the best: ×0.755 [0.747, 0.762] slower (torch_inductor)",
        "  compiling, against eager: pays back after 26,256 steps (",
        "  breaks · parity error: 0 · 1e-07",
        "  status: ok",
    ):
        assert f"\n{line}" in f"\n{text}"
    assert "× the best: it is the best" in "\n".join(matrix.about(matrix.results[cell("mlp", "torch_inductor")], 100))
    assert "× its framework's eager" not in "\n".join(matrix.about(matrix.results[cell("mlp", "tf_eager")], 100))
    assert "  reason: timeout, for a reason" in matrix.about(matrix.results[cell("article_net", "torch_inductor")], 100)


def test_a_doubt_travels_with_the_cell() -> None:
    (found,) = [one("mlp", "torch_script", 1e-3, 1.0)]
    busy = replace(found, measurement=replace(found.measurement, contention=replace(found.measurement.contention, cpu_s=0.4)))
    matrix = Matrix.of([busy])
    assert "contention: it had a CPU for only 40%" in "\n".join(matrix.about(matrix.results[busy.cell], 200))


def test_verbose_adds_everything_about_every_cell(three: Matrix) -> None:
    brief, full = three.terminal(100), three.terminal(100, verbose=True)
    assert [str(c) for c in three.results if f"\n{c}\n" in full] == [str(c) for c in three.results]
    assert not any(f"\n{c}\n" in brief for c in three.results)
    assert len(shown(brief)) == len(shown(full))


def test_the_run_shows_as_much_as_is_asked_for() -> None:
    trials = row("mlp")
    assert "× the best" not in tables.terminal(trials, (), {}, 100)
    assert "× the best" in tables.terminal(trials, (), {}, 100, verbose=True)


def test_the_times_of_a_gpu_are_there_where_it_has_some() -> None:
    (found,) = [one("mlp", "torch_inductor", 0.005, 1.0)]
    memory = replace(found.measurement.memory, device_peak_bytes=10 * 2**20)
    matrix = Matrix.of([replace(found, measurement=replace(found.measurement, device_step_s=(0.002,), memory=memory))])
    own = "the GPU's own time for a step in a queue of steps"
    assert f"  {own}, peak of its memory: device 2 ms, 10 MiB" in matrix.about(matrix.results[found.cell], 120)
    on_cpu = Matrix.of([found])
    assert own not in "\n".join(on_cpu.about(on_cpu.results[found.cell], 120))


# ---- the notes


def test_notes_are_of_failures_and_of_successes(three: Matrix) -> None:
    """The report lists failures in a table of its own, and the other notes below it."""
    assert [why.partition(":")[0] for why in three.failures()] == [str(status) for status in STATUSES]
    others = three.notes_on_successes()
    assert others
    assert three.notes()[-len(others) :] == others
    assert not any("again: " in note or "article_net" in note for note in others)


def test_a_stack_has_the_geometric_mean_of_its_ratios() -> None:
    trials = [one(m, s, step, 1.0) for m, step in (("a", 1e-3), ("b", 4e-3)) for s, step in (("e_eager", 4e-3), ("e_x", step))]
    (line,) = Matrix.of([*trials, failed("c", "e_x", Status.TIMEOUT)]).means()
    assert line.startswith("e_x inference: ×2.00 ±")
    assert line.endswith("its eager, geometric mean of 2 of 3 models")


@pytest.mark.parametrize(
    ("step_s", "says"),
    [
        ((1e-3, 1e-3), "same, as it should be"),
        ((1.3e-3, 1.3e-3), "slower, so ratios err by as much"),
        ((1.3e-3, 0.8e-3), "undecided, so processes of one program differ much here, and intervals are wide"),
    ],
)
def test_a_note_says_what_the_control_measured(step_s: tuple[float, float], says: str) -> None:
    trials = row("mlp")
    controls = [replace(one("mlp", "tf_eager", step, 0.0, i), control=True) for i, step in enumerate(step_s)]
    (note,) = [note for note in Matrix.of([*trials, *controls]).notes() if note.startswith("A/A control")]
    assert note.startswith("A/A control, mlp-tf_eager-inference against a copy of itself: ×")
    assert note.endswith(says)
    assert len(Matrix.of([*trials, *controls]).results) == len(MAIN)


def test_a_note_says_that_memory_split_a_group() -> None:
    parts = [one("mlp", "tf_xla", 1e-3, 1.0), one("mlp", "tf_function", 1e-3, 1.0, group="0 part 2")]
    assert any("the groups were split: mlp" in note for note in Matrix.of(parts).notes())
    assert not any("split" in note for note in Matrix.of(row("mlp")).notes())


# ---- as JSON


def test_json_has_the_ratios_and_the_winners(three: Matrix) -> None:
    found = json.loads(json.dumps(three.json(), allow_nan=False))
    by_name = {each["cell"]: each for each in found["cells"]}
    assert list(by_name) == [str(c) for c in three.results]
    mine, ratio = by_name["mlp-tf_function-inference"], three.ratios.over_eager(cell("mlp", "tf_function"))
    assert (mine["status"], mine["compile_s"]) == ("ok", pytest.approx(12.34))
    assert mine["ratio_eager"] == {
        "value": ratio.value,
        "low": ratio.low,
        "high": ratio.high,
        "verdict": "faster",
        "groups": 2,
    }
    assert mine["ratio_best"]["verdict"] == "slower"
    wrong = by_name["article_net-torch_script-inference"]
    assert (wrong["status"], wrong["reason"], wrong["ratio_eager"], wrong["step_s"]) == (
        "wrong",
        "wrong, for a reason",
        None,
        None,
    )
    assert found["models"][0] == {"model": "mlp", "mode": "inference", "winners": ["torch_inductor", "torch_script"]}
    assert found["models"][2]["winners"] == []
    assert found["control"] is None


def test_json_of_chosen_cells_has_only_these(three: Matrix) -> None:
    found = three.json([three.results[cell("mlp", "tf_xla")]])
    assert [each["cell"] for each in found["cells"]] == ["mlp-tf_xla-inference"]
    assert [each["model"] for each in found["models"]] == ["mlp"]


def test_json_tells_cold_from_warm_compiling() -> None:
    cold = one("mlp", "torch_inductor", 1e-3, 5.0)
    warm = one("mlp", "torch_inductor", 1e-3, 0.5, 1, start=Start.WARM)
    (found,) = Matrix.of([cold, warm]).json()["cells"]
    assert (found["compile_s"], found["warm_compile_s"]) == (pytest.approx(5.0), pytest.approx(0.5))


# ---- layout


def test_columns() -> None:
    table = of_rows(("a", "bcd"), [("1", "2"), ("333", "4")])
    assert list(drawn(table, apart=False)) == ["a    bcd", "────────", "1    2", "333  4"]
    assert across(table) == 8
    label, *rest = (Column(name, [["x"]]) for name in ("", "aaaa", "bbbb", "cccc"))
    assert [[c.name for c in t] for t in packed([label, *rest], 13)] == [["", "aaaa", "bbbb"], ["", "cccc"]]
    assert [len(t) for t in packed([label, *rest], 1)] == [2, 2, 2]
