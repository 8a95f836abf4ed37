"""Is what was exported served without the model's code, called wrong where it is, and a row with a reason if there is none?"""

import json
import re
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from bakeoff.analysis.results import CellResult, by_cell
from bakeoff.archive import saved_runs
from bakeoff.authoring import discovery
from bakeoff.authoring.discovery import ROOT, Source, StackSource
from bakeoff.authoring.errors import UsageError
from bakeoff.records.cell import Cell, Mode
from bakeoff.records.measurement import Check, Parity
from bakeoff.records.trial import Export, Failure, Phase, Status
from bakeoff.runner.launch import Launcher
from bakeoff.runner.plan import Plan
from bakeoff.runner.session import Session
from bakeoff.runner.store import Store
from bakeoff.tasks.export import table as deploy_table
from bakeoff.views import tables
from bakeoff.worker import __main__ as worker
from tests.builders import SETTINGS, measurement, trial
from tests.conftest import TOY, plant, planted, settings
from tests.test_plugin import experiments, saved

FORMATS = {
    "Served": (Status.OK, ""),
    "Corrupted": (Status.WRONG, "off by 0.001"),
    "Refuses": (Status.UNSUPPORTED, "this format has no matrix product"),
    "Lacks": (Status.UNAVAILABLE, "pip install fakelib"),
    "Breaks": (Status.ERROR, "RuntimeError: planted in export"),
    "Empty": (Status.ERROR, "exported nothing"),
    "Truncated": (Status.ERROR, "ValueError"),
}


def serve(folder: Path, name: str) -> Path:
    """A leaf file that makes a class of fakes/served.py a stack of that name."""
    path = folder / f"{name.lower()}.py"
    header = 'HEADER = {"framework": "numpy", "default": False, "exported_by": "eager"}'
    path.write_text(f"{header}\nfrom tests.fakes import served\nSTACK = served.{name}()\n")
    return path


def run(folder: Path, model: Source, *stacks: StackSource, **changes: object) -> tuple[Session, dict[str, CellResult]]:
    every = [*planted(folder / "eager", "Eager"), *discovery.stacks()]
    options = {"settings": settings(), "modes": [Mode.INFERENCE], "all_stacks": every, "verify": False, **changes}
    session = Session(Plan(models=[model], stacks=stacks, **options), Store(folder / "store"), say=lambda line: None)
    session.run()
    return session, {cell.stack: result for cell, result in by_cell(session.trials).items()}


@pytest.fixture(scope="module")
def fakes(tmp_path_factory: pytest.TempPathFactory) -> tuple[Session, dict[str, CellResult]]:
    folder = tmp_path_factory.mktemp("served")
    stacks = [
        StackSource(name=name.lower(), path=serve(folder, name), framework="numpy", exported_by="eager") for name in FORMATS
    ]
    return run(folder, TOY, *stacks)


@pytest.mark.parametrize("name", FORMATS)
def test_each_format_is_a_row_with_its_status(fakes: tuple[Session, dict[str, CellResult]], name: str) -> None:
    result = fakes[1][name.lower()]
    status, words = FORMATS[name]
    if not (status is Status.OK and result.status is Status.UNSTEADY):  # a busy machine's doing
        assert result.status is status, result.reason
        assert words in result.reason


def test_the_serving_child_has_nothing_of_the_model(fakes: tuple[Session, dict[str, CellResult]]) -> None:
    (measured,) = fakes[1]["served"].measurements
    assert measured.notes == ()  # the fake's notes are the models' modules
    assert measured.items_per_step == 4
    assert measured.memory.weights_bytes == 8 * 3 * 4
    assert measured.parity is not None
    assert {check.when for check in measured.parity.checks} == {"timed", "held-out"}


def test_what_was_exported_is_recorded_and_what_was_not_has_the_childs_words(
    fakes: tuple[Session, dict[str, CellResult]],
) -> None:
    exports = {made.cell.stack: made for made in fakes[0].exports}
    assert set(exports) == {name.lower() for name in FORMATS}
    made = exports["served"]
    assert (made.exporter, made.framework) == ("eager", "numpy")
    assert made.export_s is not None
    assert 0 < made.export_s < made.wall_s
    assert list(made.files) == ["w.npy"]
    assert made.artifact_bytes == made.files["w.npy"] > 8 * 3 * 4
    refused = exports["refuses"].failure
    assert refused is not None
    assert (refused.phase, refused.status) == (Phase.EXPORT, Status.UNSUPPORTED)
    assert exports["corrupted"].failure is None
    assert exports["truncated"].failure is None
    assert list(saved_runs.SavedRun(trials=[], exports=list(fakes[0].folder.exports())).exports)


def test_it_is_exported_once_however_many_trials_there_are(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    made, honest = [], Launcher.export

    def counting(self: Launcher, cell: Cell, *rest: object) -> Export:
        made.append(cell)
        return honest(self, cell, *rest)  # type: ignore[arg-type]

    monkeypatch.setattr(Launcher, "export", counting)
    stack = StackSource(name="served", path=serve(tmp_path, "Served"), framework="numpy", exported_by="eager")
    session, results = run(tmp_path, TOY, stack, trials=2)
    assert len(made) == 1
    assert len(results["served"].measurements) == 2
    assert not (session.folder.scratch).exists()


def test_training_and_an_unknown_exporter_are_told_in_one_line(tmp_path: Path) -> None:
    stack = StackSource(name="served", path=serve(tmp_path, "Served"), framework="numpy", exported_by="eager")
    _, results = run(tmp_path, TOY, stack, modes=[Mode.TRAINING])
    assert results["served"].status is Status.UNSUPPORTED
    assert results["served"].reason == "served serves inference: a deployment format holds no training step"
    with pytest.raises(UsageError, match="HEADER's exported_by is 'eagre', which is no stack; there are: eager, "):
        run(tmp_path, TOY, replace(stack, exported_by="eagre"))


@pytest.mark.slow
def test_the_question_is_asked_saved_and_shown(tmp_path: Path) -> None:
    (tmp_path / "stacks").mkdir()
    plant(tmp_path / "stacks", "Eager")
    for name in ("Served", "Refuses"):
        serve(tmp_path / "stacks", name)
    (tmp_path / "models").mkdir()
    (tmp_path / "models" / "toy.py").write_text(TOY.path.read_text())
    done = experiments(tmp_path, "--benchmark-autosave", names="eager,served,refuses")
    assert "ERROR experiments/test_deploy.py::test_deploy[toy-refuses-inference]" in done.stdout, done.stdout
    assert "test_step_time[toy-served-inference]" not in done.stdout  # deployment formats have one question
    (path,) = saved(tmp_path)
    run_ = json.loads(path.read_text())
    assert {made["cell"]["stack"] for made in run_["exports"]} == {"served", "refuses"}
    recorded = next((b for b in run_["benchmarks"] if b["name"] == "test_deploy[toy-served-inference]"), None)
    assert recorded is not None, done.stdout  # else a machine too busy for a step of a millisecond to settle
    assert set(recorded["extra_info"]) >= {"export_s", "artifact_bytes", "load_s", "first_answer_s", "parity_error"}

    shown = subprocess.run(
        [sys.executable, "-m", "bakeoff", "show", str(path), "--markdown"], capture_output=True, text=True, cwd=ROOT, check=True
    ).stdout
    assert re.search(r"\| toy \| served \| [\d.]+ .?s \| 0\.00 \|.* ×[\d.]+ \| \de-\d\d \| ok \|", shown), shown
    assert "| toy | refuses | – | – | – | – | – | – | – | unsupported |" in shown
    assert "this format has no matrix product" in shown
    assert "| | eager |" in shown  # the matrix has no column for formats


def test_a_runtime_that_is_missing_is_named_with_what_installs_it() -> None:
    missing = ModuleNotFoundError("No module named 'onnxruntime'", name="onnxruntime")
    told = worker.failure(missing, Phase.IMPORT, "onnxruntime", "deploy")
    assert (told.status, told.message) == (Status.UNAVAILABLE, "onnxruntime is not installed: pip install '.[deploy]'")


def test_what_is_asked(tmp_path: Path) -> None:
    def collected(*arguments: str) -> set[str]:
        command = [sys.executable, "-m", "pytest", "experiments/test_deploy.py", "--collect-only", "-q", *arguments]
        out = subprocess.run(command, capture_output=True, text=True, cwd=ROOT, check=False).stdout
        return set(re.findall(r"test_deploy\[([\w-]+)\]", out))

    formats = {s.name for s in discovery.stacks() if s.exported_by}
    assert len(formats) >= 7
    assert collected() == {f"mlp-{name}-inference" for name in formats}
    one = "served_savedmodel"
    assert collected("--models", "lstm,dlrm", "--stacks", f"tf_eager,{one}") == {
        f"{m}-{one}-inference" for m in ("lstm", "dlrm")
    }
    assert not collected("--modes", "training")
    assert not collected("--stacks", "torch_eager")
    assert not collected("--target", "cuda:sm_90")


def test_the_table_shows_no_speed_of_what_is_wrong() -> None:
    wrong = Parity(tolerance=1e-5, checks=(Check(batch=0, when="timed", error=0.1),))
    trials = [
        trial(measurement(), stack="eager", framework="fake", eager=True),
        trial(measurement([0.0005] * 100), stack="served_good", diagnostics=None),
        trial(measurement(parity=wrong), stack="served_bad", diagnostics=None),
    ]
    exports = [
        Export(
            cell=t.cell,
            settings=SETTINGS,
            exporter="eager",
            framework="fake",
            wall_s=2.0,
            finished_at="",
            export_s=1.5,
            files={"a/b": 2**20, "c": 2**19},
        )
        for t in trials[1:]
    ]
    rows = {row.export.cell.stack: row.cells for row in deploy_table.rows(by_cell(trials), exports)}
    assert rows["served_good"] == ["toy", "good", "1.5 s", "1.50", "100 ms", "500 ms", "500 µs", "×2.00", "1e-07", "ok"]
    assert rows["served_bad"] == ["toy", "bad", "1.5 s", "1.50", "–", "–", "–", "–", "–", "wrong"]
    failed = Failure(status=Status.UNAVAILABLE, phase=Phase.START, error="Unavailable", message="no runtime")
    exports[1] = replace(exports[1], export_s=None, files={}, failure=failed)
    text = tables.terminal([*trials[:2], replace(trials[2], measurement=None, failure=failed)], (), exports, (), 128)
    assert "unavailable: no runtime" in text
    assert text.count("eager") >= 2


IMPORTED = "\nimport sys, pathlib\npathlib.Path({!r}).open('a').write(pathlib.Path(sys.argv[1]).name + '\\n')\n"


def corrupted(tmp_path: Path, stack: StackSource, corrupt: str) -> StackSource:
    """The same format with an export that changes a weight."""
    path = tmp_path / "corrupted.py"
    path.write_text(
        f'HEADER = {{"framework": "{stack.framework}"}}\n'
        f"from bakeoff.compilers.{stack.name} import STACK\nhonest = STACK.export\n"
        f"def export(program, *rest):\n    {corrupt}\n    honest(program, *rest)\nSTACK.export = export\n"
    )
    return replace(stack, name="corrupted", path=path)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "corrupt"),
    [
        pytest.param("served_torch_script", "program.module.head.bias.add_(1.0)", marks=pytest.mark.torch),
        pytest.param("served_savedmodel", "program.module.head.bias.assign_add([1.0] * 10)", marks=pytest.mark.tensorflow),
    ],
)
def test_a_real_format_and_one_whose_weights_were_changed(tmp_path: Path, name: str, corrupt: str) -> None:
    stack = discovery.stacks()[name]
    path, seen = tmp_path / "copied.py", tmp_path / "seen"  # a model's file that notes every child that imports it
    path.write_text((ROOT / "models" / "mlp.py").read_text() + IMPORTED.format(str(seen)))
    small = settings(shape=("width=64", "depth=1"), timeout_s=120.0)
    both, exporter = (stack, corrupted(tmp_path, stack, corrupt)), discovery.stacks()[stack.exported_by]
    _, results = run(tmp_path, Source("copied", path), *both, settings=small, all_stacks=[exporter])
    assert set(seen.read_text().split()) == {"export-cold.request", "reference-cold.request"}
    right, wrong = results[name], results["corrupted"]
    assert right.status in (Status.OK, Status.UNSTEADY), right.reason
    assert right.parity_error < 1e-5
    assert wrong.status is Status.WRONG, wrong.reason
