"""All that touches pytest: names × modes → test ids, measuring before the questions are asked, and the matrix at the end.

ERROR means that a cell has no measurement, FAILED that a claim about it is false.
"""

import shlex
import shutil
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from bakeoff import tasks
from bakeoff.analysis.results import CellResult, by_cell
from bakeoff.archive import saving, storage
from bakeoff.authoring.discovery import ROOT
from bakeoff.authoring.errors import UsageError
from bakeoff.expectations.gaps import Gap, read_gaps
from bakeoff.expectations.graph_breaks import ExpectedEverywhere
from bakeoff.pytest_plugin import selection
from bakeoff.pytest_plugin.fixtures import CELL_FIXTURES, PLUGIN_NAME, cell_of, of_task
from bakeoff.records.cell import Cell, Mode
from bakeoff.records.trial import Start
from bakeoff.runner import options
from bakeoff.runner.plan import Plan
from bakeoff.runner.session import TIMING, Session
from bakeoff.tasks import tables

EXPERIMENTS = ROOT / "experiments"
EXPERIMENTS_PACKAGE = "bakeoff.experiments"  # as --pyargs names it
MARKERS = (
    "cells(models, stacks, modes, when, example, apart): which cells an experiment asks about: of its models those selected, "
    "its modes where the mode `when` is asked for; of a series of shapes its stacks unless --stacks names others, of other "
    "questions those that --stacks leaves in; `example`: its models where --models names none; `apart`: only where its file "
    "or --models is named; test_deploy: every deployment format",
    "kernels(stacks): single operations on these stacks, beside the matrix",
)


def pytest_addoption(parser: pytest.Parser) -> None:
    """The same options as the command line's."""
    group = parser.getgroup("bakeoff", "bakeoff: models × compiler stacks × modes")
    for flag, keywords in (options.MATRIX | options.RUN | tasks.options()).items():
        group.addoption(flag, **keywords)
    group.addoption(
        "--require-all", action="store_true", default=False, help="a cell that is unavailable here is an error, not a skip (CI)"
    )
    group.addoption(
        "--accept-breaks",
        action="store_true",
        default=False,
        help="let experiments/graph_breaks.toml say what was found of the cells that were asked about",
    )
    group.addoption(
        "--accept-code",
        action="store_true",
        default=False,
        help="with --target: let experiments/compiled.toml say what the cells that were asked about compiled to",
    )
    group.addoption(
        "--allow-unsteady",
        action="store_true",
        default=False,
        help="a cell that does not settle is a skip, not an error, and gets no further trials (shared machines, CI)",
    )


@pytest.hookimpl(tryfirst=True)  # before pytest-benchmark reads its options
def pytest_configure(config: pytest.Config) -> None:
    """Markers, the folder of saved runs, and one plugin object per session, which holds its state."""
    for marker in MARKERS:
        config.addinivalue_line("markers", marker)
    config.option.benchmark_save_data = True  # a saved run holds every sample
    if config.getoption("benchmark_storage") == storage.PYTEST_BENCHMARK_DEFAULT:
        config.option.benchmark_storage = storage.default_storage()
    config.pluginmanager.register(MatrixPlugin(config), PLUGIN_NAME)
    for task in tasks.every():
        if task.fixture is not None:
            fixtures = ModuleType(f"bakeoff-{task.name}")  # pytest looks for fixtures in modules and classes
            setattr(fixtures, task.fixture, of_task(task))
            config.pluginmanager.register(fixtures, fixtures.__name__)


class MatrixPlugin:
    """One pytest session's matrix."""

    def __init__(self, config: pytest.Config) -> None:
        self.config = config
        self.session: Session | None = None
        self.results: dict[Cell, CellResult] = {}
        self.expected_breaks: ExpectedEverywhere | None = None
        self._plan: Plan | None = None
        self._saved = False
        self._gaps: list[Gap] | None = None
        self._tables: list[Callable[[dict[Cell, CellResult]], str]] = []

    @property
    def plan(self) -> Plan:
        """What the options ask for; read when the first experiment is collected, so that other tests never pay for it."""
        if self._plan is None:
            try:
                self._plan = options.plan(self.config.getoption)
            except UsageError as error:
                raise pytest.UsageError(str(error)) from None
        return self._plan

    def every_cell(self) -> list[Cell]:
        """All cells that there could be, selected or not: what rows of data may name."""
        plan = self.plan
        return [Cell(m.name, s.name, mode) for m in plan.all_models for s in plan.all_stacks for mode in Mode]

    @pytest.hookimpl(tryfirst=True)
    def pytest_collection(self) -> None:
        """Refuse bad options in one line, before every question would stumble over them."""
        names = [str(argument).split("::")[0] for argument in self.config.args]
        paths = [Path(name).resolve() for name in names]
        installed = self.config.getoption("pyargs") and any(name.startswith(EXPERIMENTS_PACKAGE) for name in names)
        if installed or any(path.is_relative_to(EXPERIMENTS) or EXPERIMENTS.is_relative_to(path) for path in paths):
            plan = self.plan
            try:
                tasks.planned(plan, self.config.getoption)
            except UsageError as error:
                raise pytest.UsageError(str(error)) from None

    def pytest_generate_tests(self, metafunc: pytest.Metafunc) -> None:
        if "numerics" in metafunc.fixturenames:
            metafunc.parametrize("kernel", selection.kernels(self.plan, self.config.getoption))
        elif set(CELL_FIXTURES) <= set(metafunc.fixturenames):
            names, rows = selection.asked(metafunc, self.plan, self.config.getoption)
            metafunc.parametrize(names, rows, ids=["-".join(row) for row in rows])

    @pytest.hookimpl(tryfirst=True)
    def pytest_collection_modifyitems(self, items: list[pytest.Item]) -> None:
        # a question about no cell that was selected is no skip, it is not asked
        items[:] = [item for item in items if not any("empty parameter set" in str(m) for m in item.iter_markers("skip"))]
        asked = [(item, cell) for item in items if (cell := cell_of(item)) is not None]
        if not asked:
            return
        modules: dict[Any, None] = dict.fromkeys(getattr(item, "module", None) for item, _ in asked)
        self._tables = [module.table for module in modules if hasattr(module, "table")]
        if getattr(self.config.option, "numprocesses", None):
            raise pytest.UsageError("cells run one after another, or they would time each other: leave out -n")
        questions = {item.originalname for item, _ in asked if isinstance(item, pytest.Function)}
        try:
            self._gaps = read_gaps(EXPERIMENTS / "known_gaps.toml", self.every_cell(), _questions() | questions)
            ours, accept = EXPERIMENTS / "graph_breaks.toml", self.config.getoption("accept_breaks")
            self.expected_breaks = ExpectedEverywhere(ours, self.plan.all_models, self.plan.all_stacks, Mode, accept=accept)
        except UsageError as error:
            raise pytest.UsageError(str(error)) from None
        for item, cell in asked:
            for gap in [] if self.plan.settings.target else self._gaps:  # gaps are of cells that run
                if gap.covers(cell, getattr(item, "originalname", item.name)):
                    reason = f"{gap.kind}: {gap.reason}"
                    item.add_marker(pytest.mark.xfail(reason=reason, raises=gap.exception, strict=True))

    @pytest.hookimpl(wrapper=True)
    def pytest_runtestloop(self, session: pytest.Session) -> Iterator[None]:
        """Measure every cell that some question is about; then let pytest ask the questions."""
        asked: dict[str, dict[Cell, None]] = {task.name: {} for task in tasks.every()}
        for item in session.items:
            if (cell := cell_of(item)) is not None:
                task = selection.task_of(getattr(item, "fixturenames", ()))
                for name in {TIMING if task is None or task.timed else task.name, TIMING if task is None else task.name}:
                    asked[name][cell] = None
        if any(asked.values()) and not self.config.getoption("collectonly"):
            warm = any(_start(item) is Start.WARM for item in session.items)
            verify = not self.config.getoption("allow_unsteady")
            plan = replace(self._plan_of(frozenset(asked[TIMING])), warm=warm, verify=verify)
            cells = {name: [plan.found(cell) for cell in found] for name, found in asked.items()}
            self._measure(tasks.planned(plan, self.config.getoption, cells))
        return (yield)

    def _plan_of(self, cells: frozenset[Cell]) -> Plan:
        """What is selected, and further models, stacks and modes that a question names by itself."""
        plan, models, stacks = self.plan, {cell.model for cell in cells}, {cell.stack for cell in cells}
        return replace(
            plan,
            cells=cells,
            models=[*plan.models, *(m for m in plan.all_models if m.name in models and m not in plan.models)],
            stacks=[*plan.stacks, *(s for s in plan.all_stacks if s.name in stacks and s not in plan.stacks)],
            modes=list(dict.fromkeys((*plan.modes, *(cell.mode for cell in sorted(cells))))),
        )

    def _measure(self, plan: Plan) -> None:
        try:
            saving.need_storage(self.config.getoption)
        except UsageError as error:
            raise pytest.UsageError(str(error)) from None
        reporter: Any = self.config.pluginmanager.get_plugin("terminalreporter")
        reporter.ensure_newline()
        try:
            self.session = Session(
                plan,
                options.store(self.config.getoption),
                tasks.every(),
                resume=self.config.getoption("resume"),
                say=reporter.write_line,
            )
        except UsageError as error:
            raise pytest.UsageError(str(error)) from None
        try:
            self.session.run()
        except (UsageError, OSError) as error:
            raise pytest.UsageError(f"{error}; what was measured is kept: go on with --resume") from None
        except KeyboardInterrupt:
            reporter.write_line("")
            reporter.write_line(f"interrupted; {len(self.session.trials)} trials are kept: go on with --resume")
            raise
        finally:
            self.results = by_cell(self.session.trials)

    def pytest_benchmark_update_json(self, output_json: dict[str, Any]) -> None:
        if self.session is not None:
            self._saved = True
            output_json.update(saving.parts(self.session, self._command()))

    @pytest.hookimpl(wrapper=True)
    def pytest_benchmark_compare_machine_info(self, benchmarksession: Any) -> Iterator[None]:
        """pytest-benchmark 5.3 warns of another machine with the storage's path relative to the current folder.

        It raises where the storage lies elsewhere.
        """
        try:
            return (yield)
        except ValueError:
            benchmarksession.logger.warning(f"Benchmark machine_info is different (location: {benchmarksession.storage})")
            return None

    def _command(self) -> str:
        return shlex.join(["pytest", *map(str, self.config.invocation_params.args)])

    @pytest.hookimpl(trylast=True)
    def pytest_sessionfinish(self) -> None:
        """A run in which no benchmark ran is saved, too: or whoever compares the latest one would take an older one for it."""
        wanted = self.config.getoption("benchmark_save") or self.config.getoption("benchmark_autosave")
        folder = storage.local(self.config.getoption("benchmark_storage"))
        if wanted and folder is not None and not self._saved and self.session is not None and self.session.trials:
            name = wanted if isinstance(wanted, str) else "nothing_ran"
            saving.save(folder, name, saving.parts(self.session, self._command()))

    @pytest.hookimpl(trylast=True)
    def pytest_terminal_summary(self, terminalreporter: Any) -> None:
        if self.session is None:
            return
        terminalreporter.section("bakeoff")
        run = self.session
        terminalreporter.write(tables.terminal(run.trials, run.one_time_costs, run.records, _width(terminalreporter)))
        for table in self._tables:
            terminalreporter.write(table(self.results))
        own = 1 - self.session.children_s / self.session.wall_s if self.session.wall_s else 0.0
        terminalreporter.write_line(
            f"{len(self.session.trials)} trials in {self.session.wall_s:.0f} s, of which {own:.1%} outside children; "
            f"logs in {self.session.folder.logs}"
        )


def _width(reporter: Any) -> int:
    """Of the terminal; a file is as wide as the table of the six main stacks."""
    from bakeoff.system.terminal import FILE_WIDTH

    return shutil.get_terminal_size().columns if reporter.isatty else FILE_WIDTH


def _start(item: pytest.Item) -> Start | None:
    start = getattr(getattr(item, "callspec", None), "params", {}).get("start")
    return None if start is None else Start(start)


def _questions() -> set[str]:
    """Names of the questions in experiments/, asked in this session or not."""
    import re

    found = re.compile(r"^def (test_\w+)", re.MULTILINE)
    return {name for path in EXPERIMENTS.glob("test_*.py") for name in found.findall(path.read_text())}
