"""Does adding a file or folder suffice for a new stack, model, task or metric to appear everywhere?"""

import json
import re
import sys
from collections.abc import Iterator
from dataclasses import replace
from importlib.resources import files
from pathlib import Path

import msgspec
import pytest

from bakeoff import tasks
from bakeoff.__main__ import main
from bakeoff.analysis.metric import UNITS, JudgedBy, Metric, MetricPart, Unit
from bakeoff.analysis.metrics import METRICS
from bakeoff.analysis.ratios import Ratios
from bakeoff.analysis.results import by_cell
from bakeoff.archive import saved_runs
from bakeoff.authoring import discovery
from bakeoff.compare.changes import compare
from bakeoff.compare.verdicts import Verdict
from bakeoff.machine import available
from bakeoff.machine.available import Machine
from bakeoff.pytest_plugin import selection
from bakeoff.report import facts, page, sections, tensorboard
from bakeoff.runner import options
from bakeoff.tasks import tables
from bakeoff.views import kernel_table
from bakeoff.views.matrix import Matrix
from tests.support import summaries
from tests.support.builders import measurement, save, trial
from tests.support.planting import FAKES, plant

TASK = '''
"""What is the answer?"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from bakeoff.records.trial import Trial
from bakeoff.runner.plan import TaskPlan
from bakeoff.runner.session import Session
from bakeoff.runner.task import Section, Task, TaskOption


@dataclass(frozen=True)
class Answer:
    value: int


class Answering(Task[Answer]):
    name, title, record, fixture = "answer", "Answers", Answer, "answer"
    options = {"--answer": TaskOption(keywords={"type": int, "default": 42, "metavar": "N", "help": "the answer"})}

    def key(self, record: Answer) -> str:
        return str(record.value)

    def run(self, session: Session, plan: TaskPlan) -> Iterator[Answer]:
        yield Answer(42)

    def table(self, records: Sequence[Answer], trials: Sequence[Trial], width: int) -> str:
        return "".join(f"the answer is {record.value}" for record in records)

    def section(self, records: Sequence[Answer], trials: Sequence[Trial]) -> Section | None:
        rows = [(str(record.value),) for record in records]
        return Section(title=self.title, legend="", columns=("answer",), rows=rows) if rows else None


TASK = Answering()
'''


@pytest.fixture
def answering(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """A task in a folder of its own."""
    (tmp_path / "answer").mkdir()
    (tmp_path / "answer" / "__init__.py").touch()
    (tmp_path / "answer" / "task.py").write_text(TASK)
    monkeypatch.setattr(tasks, "__path__", [*tasks.__path__, str(tmp_path)])
    tasks.every.cache_clear()
    yield
    tasks.every.cache_clear()
    for name in [name for name in sys.modules if name.startswith("bakeoff.tasks.answer")]:
        del sys.modules[name]


def test_a_task_is_a_folder(answering: None, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    task = tasks.named("answer")
    assert tasks.options()["--answer"]["default"] == 42
    assert "the answer is 7" in tables.terminal([trial(measurement())], (), {"answer": [task.record(7)]}, 100)
    path = tmp_path / "0001_x.json"
    document = {"schema_version": 2, "trials": [trial(measurement())], "tasks": {"answer": [{"value": 7}]}}
    path.write_bytes(msgspec.json.encode(document))
    assert main(["show", str(path)]) == 0
    assert "the answer is 7" in capsys.readouterr().out
    assert [section[1] for section in sections.of(saved_runs.read(path))] == ["Answers"]


def test_an_option_of_a_task_is_offered_where_the_task_says(answering: None) -> None:
    assert "--answer" in tasks.options("task")
    assert [verb for verb in ("run", "explain", "pick", "ab") if "--answer" in tasks.options(verb)] == []
    assert tasks.defaults()["answer"] == 42
    (diagnose,) = tasks.additions(tasks.defaults().__getitem__)
    assert diagnose.done == "diagnosed"
    assert tasks.additions({"no_diagnosis": True}.__getitem__) == []


def test_a_task_that_is_gone_leaves_saved_runs_readable(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "0001_x.json"
    document = {"schema_version": 2, "trials": [trial(measurement())], "tasks": {"no_such_task": [{"value": 7}]}}
    path.write_bytes(msgspec.json.encode(document))
    assert main(["show", str(path)]) == 0
    assert "toy" in capsys.readouterr().out


def test_a_stack_and_a_model_are_a_file_each(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    plant(tmp_path / "stacks", "Compiler")
    (tmp_path / "models").mkdir()
    (tmp_path / "models" / "mine.py").write_text((FAKES / "toy.py").read_text())
    assert "compiler" in discovery.stacks([tmp_path / "stacks"]).names
    assert "mine" in discovery.models([tmp_path / "models"]).names
    monkeypatch.setattr(
        available,
        "this_machine",
        lambda stacks, others: Machine(installed={sys.executable: {}}, compiler=None, gpu=False, cpus=1, interpreters={}),
    )
    assert main(["list", "--compilers-from", str(tmp_path / "stacks"), "--models-from", str(tmp_path / "models")]) == 0
    listed = capsys.readouterr().out
    assert "mine" in listed
    assert "compiler" in listed


def test_a_single_operation_of_a_user_is_one_everywhere(tmp_path: Path) -> None:
    """By the name of its file: apart from the matrix, in the table of single operations, and for the marker `kernels`."""
    (tmp_path / "kernel_mine.py").write_text((FAKES / "toy.py").read_text())
    source = discovery.models([tmp_path])["kernel_mine"]
    assert (source.operation, source.is_kernel, source.in_matrix) == ("mine", True, False)
    assert "\nmine  " in kernel_table.terminal(Ratios.of([trial(measurement(), "kernel_mine")]))
    given = {k[2:].replace("-", "_"): v.get("default") for k, v in (options.MATRIX | options.RUN).items()}
    asked = given | {"models_from": [str(tmp_path)], "models": "kernel_mine", "stacks": "torch_eager"}
    plan = options.plan(asked.__getitem__)
    assert selection.kernel_cells(asked.__getitem__, plan, "torch_eager") == [("kernel_mine", "torch_eager", "inference")]
    assert selection.kernels(plan, asked.__getitem__) == []  # there is no kernel of Bakeoff to check
    nothing_named = options.plan((asked | {"models": None}).__getitem__)
    assert "kernel_mine" not in [model.name for model in nothing_named.models]


def test_the_operations_of_bakeoff_are_named_so() -> None:
    assert {m.name for m in discovery.models() if m.path.parent == discovery.KERNELS} == {
        m.name for m in discovery.models() if m.is_kernel
    }


def test_a_metric_is_one_definition(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """In tables, comparison, CSV, JSON, history, TensorBoard's tags, report, pick and budgets, by its definition alone."""
    toy = Metric(
        name="first_call_wall",
        title="first call, wall",
        unit=Unit.SECONDS,
        judged_by=JudgedBy.INTERVAL,
        words=("faster", "slower"),
        per_trial=lambda result: [m.first_call_s for m in result.measurements],
        parts=(MetricPart(line=15, legend="first call", text=lambda value: f"{value:.4f} s at first"),),
    )
    monkeypatch.setitem(METRICS, toy.name, toy)
    for number, first_call_s in ((1, 0.5), (2, 2.0)):
        trials = [trial(measurement(first_call_s=first_call_s + 0.001 * index), index=index) for index in range(12)]
        save(tmp_path, number, trials)
    where = ["--benchmark-storage", str(tmp_path / "saved")]
    (tmp_path / "budgets.toml").write_text("[saved]\nfirst_call_wall = 0.1\n")
    budgets = ["--budgets", str(tmp_path / "budgets.toml")]
    for form in ("--all", "--csv", "--json", "--markdown"):
        assert main(["compare", "1", "2", form, *budgets, *where]) == 0
        text = capsys.readouterr().out
        assert toy.name in text or toy.title in text, form
    assert main(["gate", "1", "2", *budgets, *where]) == 1
    assert "first call, wall: slower" in capsys.readouterr().out
    assert main(["history", "toy-*", "--metric", toy.name, *where]) == 0
    assert toy.title in capsys.readouterr().out
    (result,) = by_cell(trials).values()
    assert tensorboard.scalars(result)[toy.tensorboard_tag] == pytest.approx(2.0055)
    ((facts_, _),) = facts.of(Matrix.of(trials), None)
    assert facts_.metrics[toy.name] == pytest.approx(2.0055, rel=1e-3)
    run = saved_runs.read(saved_runs.find("2", tmp_path / "saved"))
    written = page.html(page.Page(run=run, label="2", stem="0002"), tmp_path)
    assert f'<option value="{toy.name}">{toy.title}</option>' in written
    matrix = Matrix.of(trials)
    lines = [line.partition(":")[0] for line in matrix.about(result, 200)[1:4]]
    assert lines == ["  compile s cold", "  first call", "  items/s"]
    assert "  first call: 2.0055 s at first\n" in matrix.terminal(200, verbose=True)
    assert main(["show", "2", "toy-compiler", *where]) == 0
    assert "  first call: 2.0055 s at first\n" in capsys.readouterr().out
    assert main(["pick", "toy", "--steps", "5", "--run", "2", "--json", "--models-from", str(FAKES), *where]) == 0
    assert json.loads(capsys.readouterr().out)["ranking"][0]["metrics"][toy.name] == pytest.approx(2.0055)


@pytest.mark.parametrize(("affected", "verdict"), [(True, Verdict.UNDECIDED), (False, Verdict.WORSE)])
def test_a_metric_says_whether_contention_affects_it(affected: bool, verdict: Verdict, monkeypatch: pytest.MonkeyPatch) -> None:
    toy = Metric(
        name="toy_bytes", title="toy bytes", unit=Unit.BYTES, judged_by=JudgedBy.INTERVAL, affected_by_contention=affected
    )
    monkeypatch.setitem(METRICS, toy.name, toy)
    before, after = (summaries.found(values={toy.name: summaries.noise(1, level=level)}) for level in (1e6, 2e6))
    change = summaries.only(compare([before], [replace(after, cpu_share=0.3)], summaries.rules()), toy.name)
    assert change.verdict is verdict


def test_every_unit_has_its_formats() -> None:
    """A unit has one in text, and one in the page."""
    assert list(UNITS) == list(Unit)
    script = files("bakeoff.report").joinpath("draw.js").read_text(encoding="utf-8")
    (formats,) = re.findall(r"const formats = \{(.*)\};", script)
    assert {unit.in_page for unit in UNITS.values()} == set(re.findall(r"(\w+)(?::[^,]+)?(?:, | )", formats.replace("=>", "")))


def test_no_script_of_the_page_names_a_metric() -> None:
    for name in ("draw.js", "cell.js", "page.js"):
        script = files("bakeoff.report").joinpath(name).read_text(encoding="utf-8")
        assert re.findall(rf"metrics\.({'|'.join(METRICS)})\b", script) == []
