"""Does `bakeoff run` measure the named cells, save them and suggest next steps? Do all commands use the same saved runs?"""

import json
import os
import signal
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from bakeoff.__main__ import _parser, main
from bakeoff.archive import saved_runs, saving, storage
from bakeoff.authoring import discovery
from bakeoff.authoring.discovery import ROOT
from bakeoff.authoring.errors import UsageError
from bakeoff.cli._names import Chosen, chosen
from bakeoff.records.cell import Cell, Mode
from tests.support.commands import NO_FRAMEWORK, SHORT
from tests.support.planting import FAKES, plant

MODELS, STACKS = discovery.models(), discovery.stacks()


@pytest.mark.parametrize(
    ("words", "found"),
    [
        ([], Chosen(["mlp"], None, ["inference"])),
        (["lstm"], Chosen(["lstm"], None, ["inference"])),
        (["tf_xla", "lstm", "mlp"], Chosen(["lstm", "mlp"], ["tf_xla"], ["inference"])),
        (["training", "tf_xla,torch_eager"], Chosen(["mlp"], ["tf_xla", "torch_eager"], ["training"])),
        (["lstm-tf_xla"], Chosen(["lstm"], ["tf_xla"], ["inference"], frozenset({Cell("lstm", "tf_xla", Mode.INFERENCE)}))),
        (
            ["lstm-tf_xla-training", "mlp-tf_eager-loss"],
            Chosen(
                ["lstm", "mlp"],
                ["tf_xla", "tf_eager"],
                ["training", "loss"],
                frozenset({Cell("lstm", "tf_xla", Mode.TRAINING), Cell("mlp", "tf_eager", Mode.LOSS)}),
            ),
        ),
    ],
)
def test_names_come_in_any_order(words: list[str], found: Chosen) -> None:
    assert chosen(words, MODELS, STACKS, "mlp") == found


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (["tf_xlaa"], "no model, stack or mode tf_xlaa; did you mean tf_xla"),
        (["nothing_like_it"], "`bakeoff list` prints all of them"),
        (["mlp-tf_xla", "lstm"], "not both"),
        (["mlp-tf_xlaa"], "there is no stack tf_xlaa"),
        (["mlpp-tf_xla"], "there is no model mlpp"),
        (["mlp-tf_xla-serving"], "there is no mode serving"),
        (["a-b-c-d"], "write a cell as model-stack-mode"),
    ],
)
def test_a_wrong_name_is_reported_in_one_line(words: list[str], says: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["run", *words]) == 2
    output = capsys.readouterr().err
    assert says in output
    assert output.count("\n") == 1


def test_a_name_of_two_kinds_is_refused(tmp_path: Path) -> None:
    (tmp_path / "mlp.py").write_text('FRAMEWORK = "numpy"\nSTACK = None\n')
    with pytest.raises(UsageError, match="mlp is a model and a stack: name the cell"):
        chosen(["mlp"], MODELS, discovery.stacks([tmp_path]), "mlp")


VERBS = ("run", "show", "pick", "report", "compare", "gate", "history", "export", "ab", "doctor")
NEEDED = {
    "pick": ["mlp", "--steps", "1"],
    "gate": ["1"],
    "history": ["mlp-*"],
    "export": ["--tensorboard", "x"],
    "ab": ["main"],
}


@pytest.mark.parametrize("verb", VERBS)
def test_every_command_uses_the_same_saved_runs(verb: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.delenv(storage.VARIABLE, raising=False)
    monkeypatch.chdir(tmp_path)
    words = [verb, *NEEDED.get(verb, [])]
    assert storage.folder(_parser().parse_args(words).benchmark_storage) == ROOT / ".benchmarks"
    assert _parser().parse_args([*words, "--benchmark-storage", "file://x"]).benchmark_storage == "file://x"
    monkeypatch.setenv(storage.VARIABLE, str(tmp_path / "mine"))
    assert storage.folder(_parser().parse_args(words).benchmark_storage) == tmp_path / "mine"


def test_a_storage_is_a_folder(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.chdir(tmp_path)
    assert storage.folder("runs") == storage.folder("file://runs") == storage.folder("file://./runs") == tmp_path / "runs"
    assert main(["show", "--benchmark-storage", "elasticsearch+http://there/index"]) == 2
    output = capsys.readouterr().err
    assert "elasticsearch+http://there/index: name a folder" in output
    assert output.count("\n") == 1


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for fault in ("Eager", "Compiler", "WrongOutput", "HangsIfTold", "RaisesInCompile"):
        plant(tmp_path / "stacks", fault)
    (tmp_path / "models").mkdir()
    (tmp_path / "models" / "toy.py").write_text((FAKES / "toy.py").read_text())
    return tmp_path


def words(folder: Path, *names: str) -> list[str]:
    rooms = {
        "--models-from": "models",
        "--compilers-from": "stacks",
        "--bakeoff-storage": "runs",
        "--benchmark-storage": "saved",
    }
    places = [f"{flag}={folder / room}" for flag, room in rooms.items()]
    return [sys.executable, "-m", "bakeoff", "run", *names, *places, *NO_FRAMEWORK, SHORT, "--threads", "1"]


def how(folder: Path) -> dict[str, object]:
    there = {**os.environ, "PYTHONPATH": str(ROOT)}
    return {"capture_output": True, "text": True, "cwd": folder, "timeout": 120, "check": False, "env": there}


def test_a_run_is_saved_and_next_commands_are_suggested(folder: Path) -> None:
    ran = subprocess.run(words(folder, "compiler", "toy", "eager"), **how(folder))
    assert ran.returncode == 0, ran.stderr
    (path,) = saved_runs.runs(folder / "saved")
    assert path.name == "0001_run_toy.json"
    run = saved_runs.read(path)
    assert {trial.cell.stack for trial in run.trials} == {"eager", "compiler"}
    assert run.command.startswith("bakeoff run compiler toy eager ")
    assert "toy inference, 10,000 steps:\n" in ran.stdout
    assert "winner" in ran.stdout or "undecided: " in ran.stdout  # of noise, or of other work
    table, _, following = ran.stdout.partition(f"\nsaved: {path}\nnext:\n")
    assert table.lstrip().startswith("inference")
    commands = [line.partition("  # ")[0].split() for line in following.splitlines()]
    assert [command[:2] for command in commands] == [["bakeoff", "report"], ["bakeoff", "pick"], ["bakeoff", "explain"]]
    assert main(commands[1][1:]) == 0
    again = ["--benchmark-storage", str(folder / "saved")]
    assert main(["show", "1", *again]) == 0
    assert main(["compare", "1", "1", *again]) == 0


def test_a_cell_that_is_not_ok_is_exit_code_1_and_is_saved(folder: Path) -> None:
    ran = subprocess.run(words(folder, "toy-eager", "toy-wrongoutput"), **how(folder))
    assert ran.returncode == 1, ran.stderr
    assert "wrong" in ran.stdout
    assert len(saved_runs.runs(folder / "saved")) == 1


def test_json_is_the_trials(folder: Path) -> None:
    ran = subprocess.run([*words(folder, "toy", "compiler"), "--json"], **how(folder))
    assert ran.returncode == 0, ran.stderr
    assert json.loads(ran.stdout)[0]["measurement"]["parity"]["checks"]


def test_an_interrupt_keeps_finished_trials_and_resume_continues(folder: Path) -> None:
    call = words(folder, "toy", "raisesincompile", "eager", "hangsiftold")
    there = {**os.environ, "PYTHONPATH": str(ROOT), "HANG": "1"}
    child = subprocess.Popen(call, cwd=folder, env=there, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
    deadline = time.monotonic() + 60
    while not list(folder.glob("runs/runs/*/logs/toy-hangsiftold-*.log")):
        assert time.monotonic() < deadline
        time.sleep(0.1)
    time.sleep(1)
    child.send_signal(signal.SIGINT)
    output = child.communicate(timeout=60)[1]
    assert child.returncode == 130
    assert "continue with --resume" in output
    assert saved_runs.runs(folder / "saved") == []
    resumed = subprocess.run([*call, "--resume"], **how(folder))
    assert resumed.returncode == 1, resumed.stderr
    assert "toy-raisesincompile-inference: " not in resumed.stderr  # it is not tried twice
    (path,) = saved_runs.runs(folder / "saved")
    assert {trial.cell.stack for trial in saved_runs.read(path).trials} == {"raisesincompile", "eager", "hangsiftold"}


def test_pytest_saves_where_show_reads_from_any_folder(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without an option for it; a storage that is named still wins, and comparing with a saved run still works."""
    elsewhere = folder / "elsewhere"
    elsewhere.mkdir()
    there = {**how(elsewhere)["env"], storage.VARIABLE: str(folder / "mine")}
    rooms = [
        f"--models-from={folder / 'models'}",
        f"--compilers-from={folder / 'stacks'}",
        f"--bakeoff-storage={folder / 'runs'}",
    ]
    asked = [sys.executable, "-m", "pytest", str(ROOT / "experiments" / "test_step_time.py"), "--benchmark-autosave"]
    asked += ["--models=toy", "--stacks=eager", "--no-diagnosis", SHORT, *rooms, *NO_FRAMEWORK]
    for more in ([], ["--benchmark-compare"]):
        for path in saved_runs.runs(folder / "mine"):  # as of another machine, of which pytest-benchmark warns
            path.write_text(path.read_text().replace('"node": "', '"node": "another-'))
        ran = subprocess.run([*asked, *more], **{**how(elsewhere), "env": there})
        assert ran.returncode == 0, ran.stdout + ran.stderr
    assert len(saved_runs.runs(folder / "mine")) == 2
    shown = subprocess.run([sys.executable, "-m", "bakeoff", "show"], **{**how(folder), "env": there})
    assert shown.returncode == 0, shown.stderr
    assert "toy" in shown.stdout
    named = subprocess.run([*asked, f"--benchmark-storage=file://{folder / 'named'}"], **{**how(elsewhere), "env": there})
    assert named.returncode == 0, named.stdout
    assert len(saved_runs.runs(folder / "named")) == 1


def test_runs_that_end_together_have_different_numbers(tmp_path: Path) -> None:
    with ThreadPoolExecutor(8) as pool:
        paths = list(pool.map(lambda n: saving.save(tmp_path, f"run_{n}", {"trials": []}), range(16)))
    assert sorted(int(path.name[:4]) for path in paths) == list(range(1, 17))
