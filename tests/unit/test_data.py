"""Is bad data refused in one line that names the place, and good data read back as it was written?"""

import json
from pathlib import Path

import pytest

from bakeoff.archive import saved_runs
from bakeoff.authoring import discovery
from bakeoff.authoring.errors import UsageError
from bakeoff.expectations import gaps
from bakeoff.expectations.graph_breaks import ExpectedBreaks
from bakeoff.records.cell import Cell, Mode
from bakeoff.records.trial import OneTimeCost, Trial
from bakeoff.runner import store
from tests.support.builders import SETTINGS, measurement, trial

CELLS = [Cell("toy", stack, Mode.INFERENCE) for stack in ("eager", "compiler")]
GAP = '[[gap]]\ncells = "{}"\nkind = "{}"\nraises = "{}"\nreason = "because"\n'


def one_line(error: pytest.ExceptionInfo[UsageError]) -> str:
    assert "\n" not in str(error.value)
    return str(error.value)


def test_names_come_from_files() -> None:
    assert "resnet50" in discovery.models().names
    stacks = {s.name: s for s in discovery.stacks()}
    assert [s for s in stacks if stacks[s].default] == [
        "tf_eager",
        "tf_function",
        "tf_xla",
        "torch_eager",
        "torch_inductor",
        "torch_script",
    ]
    assert stacks["torch_inductor"].framework == "torch"
    assert stacks["torch_inductor"].disk_cache
    assert {s for s in stacks if stacks[s].eager} == {"tf_eager", "torch_eager"}


def test_unknown_name_lists_what_there_is() -> None:
    with pytest.raises(UsageError) as error:
        discovery.stacks().pick("tf_eager,tf_xlaa")
    assert one_line(error).startswith("there is no stack tf_xlaa; there are: served_")
    assert ", tf_eager, tf_function, tf_function_relaxed, " in one_line(error)


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("def broken(:\n", "line 1"),
        ("STACK = 1\n", "has no HEADER; add HEADER = "),
        ("X = 1\n", "defines no STACK"),
        ("", "defines no STACK"),
    ],
)
def test_bad_stack_file(tmp_path: Path, text: str, says: str) -> None:
    (tmp_path / "mine.py").write_text(text)
    (mine,) = [source for source in discovery.stacks([tmp_path]) if source.name == "mine"]
    with pytest.raises(UsageError) as error:
        discovery.check(mine, "STACK")
    assert "mine.py" in one_line(error)
    assert says in one_line(error)


def test_two_files_of_one_name(tmp_path: Path) -> None:
    (tmp_path / "mlp.py").write_text("MODEL = None\n")
    with pytest.raises(UsageError, match="two files define the model mlp"):
        discovery.models([tmp_path])


def test_gaps_are_read(tmp_path: Path) -> None:
    (tmp_path / "known_gaps.toml").write_text(GAP.format("toy-eager-*", "never", "Unsupported"))
    (gap,) = gaps.read_gaps(tmp_path / "known_gaps.toml", CELLS, {"test_parity"})
    assert gap.covers(CELLS[0], "test_parity")
    assert not gap.covers(CELLS[1], "test_parity")
    assert gap.exception.__name__ == "CellUnsupported"


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("[[gap]\n", "known_gaps.toml"),
        (GAP.format("toy-eagre-*", "never", "Wrong"), "no cell and question match 'toy-eagre-*'"),
        (GAP.format("toy-*", "someday", "Wrong"), "someday"),
        (GAP.format("toy-*", "never", "Wrnog"), "there are: AssertionError, Crash"),
        (GAP.format("toy-*", "never", "Wrong") + 'flavour = "x"\n', "flavour"),
        ('[[gap]]\ncells = "toy-*"\n', "kind"),
    ],
)
def test_bad_gaps(tmp_path: Path, text: str, says: str) -> None:
    (tmp_path / "known_gaps.toml").write_text(text)
    with pytest.raises(UsageError) as error:
        gaps.read_gaps(tmp_path / "known_gaps.toml", CELLS, {"test_parity"})
    assert says in one_line(error)


def test_expected_breaks_of_no_cell(tmp_path: Path) -> None:
    (tmp_path / "graph_breaks.toml").write_text('[[break]]\ncell = "x-y-inference"\nwhere = "a.py:1"\n')
    with pytest.raises(UsageError, match="there is no cell 'x-y-inference'"):
        ExpectedBreaks(tmp_path / "graph_breaks.toml", CELLS)


def test_saved_run_reads_back(tmp_path: Path) -> None:
    tool = OneTimeCost(stack="s", wall_s=1.0, files=1, bytes=2, measured_at="now")
    path = tmp_path / "0001_x.json"
    path.write_text(json.dumps({"benchmarks": [], "trials": saved_runs.to_json([trial(measurement())]), "one_time_costs": []}))
    assert saved_runs.read(path).trials == [trial(measurement())]
    assert saved_runs.to_json(tool)["stack"] == "s"


@pytest.mark.parametrize("cut", [0, 1, 50, 1000, -1])
def test_saved_run_that_was_cut(tmp_path: Path, cut: int) -> None:
    whole = json.dumps({"trials": saved_runs.to_json([trial(measurement())])})
    path = tmp_path / "0001_x.json"
    path.write_text(whole[:cut])
    with pytest.raises(UsageError) as error:
        saved_runs.read(path)
    assert "is not a complete saved run" in one_line(error)


def test_saved_run_of_another_shape_names_the_field(tmp_path: Path) -> None:
    path = tmp_path / "0001_x.json"
    text = json.dumps({"trials": saved_runs.to_json([trial(measurement())])}).replace('"index": 0', '"index": "first"')
    path.write_text(text)
    with pytest.raises(UsageError) as error:
        saved_runs.read(path)
    assert "$.trials[0].index" in one_line(error)
    path.write_text('{"benchmarks": []}')
    with pytest.raises(UsageError, match="trials"):
        saved_runs.read(path)


def test_finding_a_run(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="make experiments"):
        saved_runs.find(None, tmp_path)
    (tmp_path / "machine").mkdir()
    for name in ("0001_a.json", "0002_b.json"):
        (tmp_path / "machine" / name).touch()
    assert saved_runs.find(None, tmp_path).name == "0002_b.json"
    assert saved_runs.find("1", tmp_path).name == "0001_a.json"
    with pytest.raises(UsageError, match=r"there is no saved run 9 .*0001_a.json"):
        saved_runs.find("9", tmp_path)


def test_resume_needs_an_unfinished_run_of_the_same_settings(tmp_path: Path) -> None:
    from dataclasses import replace

    home = store.Store(tmp_path)
    with pytest.raises(UsageError, match="there is no unfinished run"):
        home.resume(SETTINGS, ["a"], 1)
    run = home.begin(SETTINGS, ["a"], 1)
    run.save("timing", "toy", trial(measurement()))
    with pytest.raises(UsageError, match="is still in progress"):
        home.resume(SETTINGS, ["a"], 1)
    run.close()  # as the end of its process does
    with pytest.raises(UsageError, match="has another size, number of threads, choice of cells, number of trials"):
        home.resume(replace(SETTINGS, size="full", threads=2), ["a", "b"], 2)
    (run.path / "timing" / "cut.json").write_text('{"cell"')
    again = home.resume(SETTINGS, ["a"], 1)
    assert list(again.records("timing", Trial)) == [trial(measurement())]
    again.finish()
    with pytest.raises(UsageError, match="there is no unfinished run"):
        home.resume(SETTINGS, ["a"], 1)


def test_unwritable_store(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(UsageError, match="cannot write to"):
        store.Store(tmp_path / "file" / "store").begin(SETTINGS, ["a"], 1)
