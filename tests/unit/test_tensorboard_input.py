"""Is bad input to the export reported in one line, and does no file content write outside the folder?"""

import sys
from dataclasses import replace
from pathlib import Path

import pytest

from bakeoff.__main__ import main
from bakeoff.records.trial import Start
from tests.support.builders import measurement, trial
from tests.support.needs import needs_tensorboard
from tests.support.summaries import save
from tests.support.tensorboard import cell, export, good

pytestmark = needs_tensorboard


@pytest.mark.parametrize("name", ["../../outside", "/etc/outside", "a/b", "..", "", "a\x00b", "x" * 101])
@pytest.mark.parametrize("field", ["model", "stack"])
def test_no_name_leaves_the_folder(tmp_path: Path, capsys: pytest.CaptureFixture[str], name: str, field: str) -> None:
    hostile = replace(cell(), **{field: name})
    save(tmp_path, 1, [], trials=[*good(), replace(good()[0], cell=hostile)])
    assert export(tmp_path, tmp_path / "deep" / "er" / "board") == 2
    output = capsys.readouterr().err
    assert "letters, digits and underscores" in output
    assert output.count("\n") == 1
    assert not list((tmp_path / "deep" / "er" / "board").iterdir())


@pytest.mark.parametrize("commit", ["../../outside", "/outside", "..", "\x1b[2J", "a\nb"])
@pytest.mark.parametrize("file", ["0004_run.json", "....json", "series.json", "a b.json"])
def test_no_label_leaves_the_folder(tmp_path: Path, capsys: pytest.CaptureFixture[str], commit: str, file: str) -> None:
    path = save(tmp_path, 4, [], trials=good(), commit_info={"id": commit, "dirty": True, "branch": None})
    path = path.rename(path.with_name(file))
    board = tmp_path / "deep" / "er" / "board"
    assert export(tmp_path, board, str(path)) == 0
    (home,) = board.iterdir()
    assert home.name.startswith(("0004-", "run-"))
    assert set(home.name) <= set("abcdefghijklmnopqrstuvwxyz0123456789_+-JURN2")
    assert {p.name for p in tmp_path.iterdir()} == {"saved", "deep"}
    assert [p.name for p in (tmp_path / "deep").iterdir()] == ["er"]
    assert "\x1b" not in capsys.readouterr().out


def test_impossible_values_are_reported_in_one_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    warm_alone = [trial(measurement(), start=Start.WARM)]
    much = [trial(measurement(steps_per_sample=2**40))]
    endless = [trial(measurement(first_call_cpu_s=1e300))]
    for trials in (warm_alone, much, endless):
        save(tmp_path, 1, [], trials=trials)
        assert export(tmp_path, tmp_path / "board") == 2
        output = capsys.readouterr().err
        assert "is not a complete saved run" in output
        assert output.count("\n") == 1


def test_bad_input_is_reported_in_one_line(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    board = tmp_path / "board"
    for arguments, reported in (
        ((), "no saved run in"),
        (("12",), "no saved run 12"),
        (("--profile", "mlp"), "write a cell as model-stack-mode"),
        (("--profile", "mlp-torch_eager-serving"), "there is no mode serving"),
        (("--profile", "mlp-torch_eagre"), "there is no stack torch_eagre; there are:"),
        (("--profile", "nothing-*"), "matches no cell"),
        (("--profile", "mlp-torch_eager", "--threads", "0"), "--threads 0"),
    ):
        assert export(tmp_path, board, *arguments) == 2
        output = capsys.readouterr().err
        assert reported in output
        assert output.count("\n") == 1
    save(tmp_path, 1, [], trials=good())
    assert export(tmp_path, board, "--cells", "resnet*") == 2
    assert "matches no cell of 0001-000000000" in capsys.readouterr().err
    assert main(["export", "--tensorboard", "s3://bucket/board"]) == 2
    assert "must be a local folder" in capsys.readouterr().err
    for name in [name for name in sys.modules if name.partition(".")[0] == "tensorboardX"]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "tensorboardX", None)
    assert export(tmp_path, board) == 2
    assert capsys.readouterr().err == "bakeoff: --tensorboard needs tensorboardX: pip install '.[tensorboard]'\n"


def test_help_ends_with_an_example(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main(["export", "--help"])
    assert capsys.readouterr().out.endswith("tensorboard --logdir board\n")
