"""Does the gate block regressions and nothing else? Exit codes, budgets, accepted changes, manipulated files."""

import json
from dataclasses import replace
from pathlib import Path

import pytest
from rich.cells import cell_len

from bakeoff.__main__ import main
from bakeoff.analysis.metrics import CELL
from bakeoff.authoring.errors import UsageError
from bakeoff.compare.budgets import read_budgets
from bakeoff.compare.report import Report
from bakeoff.compare.verdicts import Change, Comparison, Verdict
from bakeoff.records.cell import Cell, Mode
from bakeoff.records.trial import Status
from tests.support.builders import ENVIRONMENT, SETTINGS
from tests.support.summaries import call, found, matrix, noise, save


def test_the_same_passes_and_ten_percent_more_does_not(runs: Path, capsys: pytest.CaptureFixture[str]) -> None:
    save(runs, 1, matrix(1, 2, 3))
    slow = [*matrix(1, 2), found("m3", [1.12 * v for v in noise(3)])]
    save(runs, 2, matrix(1, 2, 3))
    save(runs, 3, slow)
    assert call(runs, "gate", "1", "2") == 0
    assert "pass: 3 cells" in capsys.readouterr().out
    assert call(runs, "gate", "1", "3") == 1
    out = capsys.readouterr().out
    assert "✗ m3-compiler-inference step: slower" in out
    assert "regression: m3-compiler-inference\n" in out
    there = f"--budgets {runs}/budgets.toml --benchmark-storage {runs}/saved"
    assert out.splitlines()[-1] == f'to accept it: bakeoff gate 1 3 {there} --accept "WHY"'


def test_an_accepted_change_passes_and_the_next_one_does_not(runs: Path, capsys: pytest.CaptureFixture[str]) -> None:
    save(runs, 1, matrix(1, 2))
    save(runs, 2, [*matrix(1), found("m2", [1.2 * v for v in noise(2)])])
    save(runs, 3, [*matrix(1), found("m2", [1.5 * v for v in noise(2)])])
    assert call(runs, "gate", "1", "2", "--accept", "  ") == 2
    assert call(runs, "gate", "1", "2", "--accept", 'one "more" block\nand | so') == 0
    assert call(runs, "gate", "1", "2") == 0
    assert call(runs, "gate", "1", "3") == 1
    capsys.readouterr()
    assert call(runs, "gate", "2", "2") == 0  # the baseline contains it: the row may go
    assert "its row" in capsys.readouterr().out


def test_a_vanished_broken_or_empty_comparison_never_passes(runs: Path, capsys: pytest.CaptureFixture[str]) -> None:
    save(runs, 1, matrix(1, 2))
    save(runs, 2, matrix(1))
    save(runs, 3, [*matrix(1), found("m2", status=Status.WRONG, reason="off by 3")])
    save(runs, 4, [found(f"m{n}", status=Status.UNAVAILABLE, reason="pip install it") for n in (1, 2)])
    save(runs, 5, [])
    save(runs, 6, [found(f"m{n}", status=Status.UNSUPPORTED, reason="x") for n in (1, 2)])
    assert [call(runs, "gate", "1", str(n)) for n in (2, 3, 4, 5)] == [1, 1, 1, 1]
    assert "gone" in capsys.readouterr().out
    assert call(runs, "gate", "6", "6") == 2
    assert "nothing was shown" in capsys.readouterr().out
    assert call(runs, "gate", "1", "2", "--accept", "m2 is retired") == 0
    assert call(runs, "gate", "1", "2") == 0


def test_counts_are_gated_exactly(runs: Path) -> None:
    save(runs, 1, matrix(1, counts={"breaks": 0, "kernels": 9}))
    save(runs, 2, matrix(1, counts={"breaks": 1, "kernels": 9}))
    assert call(runs, "gate", "1", "2") == 1
    assert call(runs, "gate", "2", "1") == 0
    assert call(runs, "gate", "1", "2", "--accept", "a print that we want") == 0
    assert call(runs, "gate", "1", "2") == 0


def test_undecided_says_how_many_trials_would_decide(runs: Path, capsys: pytest.CaptureFixture[str]) -> None:
    save(runs, 1, [found("m1", noise(1, 3))])
    save(runs, 2, [found("m1", noise(2, 3))])
    assert call(runs, "gate", "1", "2") == 3
    assert "would decide 1 of 1 comparisons" in capsys.readouterr().out
    save(runs, 3, [found("m1", status=Status.UNSTEADY, reason="drifts")])
    assert call(runs, "gate", "1", "3") == 3


def test_what_is_not_comparable_is_refused_unless_forced(runs: Path, capsys: pytest.CaptureFixture[str]) -> None:
    save(runs, 1, matrix(1))
    save(runs, 2, matrix(1, settings=replace(SETTINGS, threads=2)))
    save(runs, 3, matrix(1, environment=replace(ENVIRONMENT, versions={"torch": "2.13.0"})))
    assert call(runs, "gate", "1", "2") == 2
    error = capsys.readouterr().err
    assert "another number of threads: 1 in the baseline, 2 in the candidate" in error
    assert "--force" in error
    assert call(runs, "gate", "1", "2", "--force") == 0
    assert call(runs, "gate", "1", "3") == 0
    assert "warning: another version of torch: none in the baseline, 2.13.0" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("words", "output"),
    [
        (("gate", "1", "99"), "there is no saved run 99"),
        (("gate", "1"), "1 is a single run: also name the candidate"),
        (("compare", "1", "2", "--cells", "resnet*"), "matches no cell"),
        (("compare", "1", "2", "--budgets", "nowhere.toml"), "there is no such file of budgets"),
        (("history", "resnet50-*"), "has a cell resnet50-*; there are: m1-compiler-inference"),
        (("compare", "1", "2", "--report", "/nowhere/at/all.md"), "No such file"),
    ],
)
def test_bad_input_is_reported_in_one_line(
    runs: Path, capsys: pytest.CaptureFixture[str], words: tuple[str, ...], output: str
) -> None:
    for number in (1, 2):
        save(runs, number, matrix(1))
    assert (
        call(runs, *words) == 2 if "--budgets" not in words else main([*words, "--benchmark-storage", str(runs / "saved")]) == 2
    )
    error = capsys.readouterr().err
    assert output in error
    assert error.count("\n") == 1


@pytest.mark.parametrize(
    ("text", "output"),
    [
        ("family_wise_error_rate = 3", "family_wise_error_rate = 3 is no error rate"),
        ("[saved]\nspeed = 0.1", "names a metric 'speed'; there are: step, "),
        ("[saved]\nstep = -1", "a budget of -1 for step"),
        ('[[row]]\ncells = "m9-*"\nmetric = "step"\nbudget = 0.1\nreason = ""', "matches no cell"),
        ('[[row]]\ncells = "m1-*"\nmetric = "step"\nbudget = 0.1\nraeson = ""', "raeson"),
        ("family_wise_error_rate = [", "budgets.toml"),
    ],
)
def test_a_broken_file_of_budgets_is_reported_in_one_line(runs: Path, text: str, output: str) -> None:
    path = runs / "budgets.toml"
    path.write_text(text)
    with pytest.raises(UsageError, match=r"budgets\.toml") as error:
        read_budgets(path, [Cell("m1", "compiler", Mode.INFERENCE)])
    assert output in str(error.value)
    assert "\n" not in str(error.value)


def test_the_other_forms_hold_every_comparison(runs: Path, capsys: pytest.CaptureFixture[str]) -> None:
    save(runs, 1, matrix(1, 2))
    save(runs, 2, [*matrix(1), found("m2", [1.3 * v for v in noise(2)])])
    assert call(runs, "compare", "--json") == 0  # the last two
    body = json.loads(capsys.readouterr().out)
    assert [(c["cell"], c["verdict"]) for c in body["changes"]] == [
        ("m1-compiler-inference", "same"),
        ("m2-compiler-inference", "worse"),
    ]
    call(runs, "compare", "1", "2", "--csv")
    assert capsys.readouterr().out.splitlines()[2].startswith("m2-compiler-inference,step,worse,")
    call(runs, "compare", "1", "2", "--markdown", "--report", str(runs / "summary.md"))
    assert capsys.readouterr().out == (runs / "summary.md").read_text()
    assert "| m2\\-" not in (runs / "summary.md").read_text()


@pytest.mark.parametrize(("width", "word"), [(140, "word"), (100, "word"), (80, "word"), (140, "語" * 6), (80, "語" * 6)])
def test_one_long_note_wraps_alone(width: int, word: str) -> None:
    note = "ok → error: " + " ".join(f"{word}{n}" for n in range(20))
    same = [Change(cell=Cell(f"m{n}", "compiler", Mode.INFERENCE), metric="step", verdict=Verdict.SAME) for n in range(9)]
    broken = Change(cell=Cell("long", "compiler", Mode.INFERENCE), metric=CELL, verdict=Verdict.BROKEN, note=note)
    text = Report(baseline="1", candidate="2", comparison=Comparison(changes=(*same, broken))).terminal(width)
    assert all(cell_len(line) <= width for line in text.splitlines())
    assert " ".join(text.split()).count(note) == 1
    assert all(line.startswith(" ") for line in text.splitlines()[1:] if line)  # the first column keeps to itself
    grouped = "long-compiler-inference" in map(str.strip, text.splitlines())  # a line of its own, and the note below
    assert grouped == (width < 140 or word != "word")
    if grouped:
        return
    at = next(line.index("verdict") for line in text.splitlines() if "verdict" in line)
    assert {line[at - 1 : at] for line in text.splitlines()[2:]} <= {" ", "─", ""}  # a column of its own


@pytest.mark.parametrize("width", [80, 100, 120])
def test_a_narrow_terminal_gets_a_cells_figures_below_its_name(width: int) -> None:
    cell = Cell("a_model_with_a_name", "torch_inductor_dynamic", Mode.TRAINING)
    figures = {"ratio": 1.057, "floor": 0.012, "low": 1.031, "high": 1.082}
    step = Change(cell=cell, metric="step", verdict=Verdict.WORSE, baseline=1.23e-3, candidate=1.3e-3, **figures)
    peak = Change(cell=cell, metric="compile_peak", verdict=Verdict.SAME, baseline=2**30, candidate=2**30, **figures)
    other = replace(step, cell=replace(cell, model="other"), note="why " * 20)
    text = Report(baseline="1", candidate="2", comparison=Comparison(changes=(step, peak, other))).terminal(
        width, everything=True
    )
    lines = [line.split() for line in text.splitlines()]
    assert [lines.count([str(c)]) for c in (cell, other.cell)] == [1, 1]
    assert text.index(str(cell)) < text.index("peak") < text.index(str(other.cell)) < text.index("why")
    output = " ".join(text.split())
    assert output.count("step 1.23 ms 1.3 ms 1.057 ±1.2% [1.031, 1.082] slower") == 2
    assert "memory, compile peak 1024 MiB 1024 MiB 1.057 ±1.2% [1.031, 1.082] same" in output
    assert all(cell_len(line) <= width for line in text.splitlines())
