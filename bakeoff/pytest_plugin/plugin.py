"""What does Bakeoff add to a pytest session? Test ids from cells, measuring before the tests run, and the matrix at the end.

A test with status ERROR has no measurement of its cell. A test with status FAILED makes a claim about the cell that is false.
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
from bakeoff.analysis.ratios import Ratios
from bakeoff.analysis.results import CellResult, by_cell
from bakeoff.archive import saving, storage
from bakeoff.authoring.discovery import ROOT
from bakeoff.authoring.errors import UsageError
from bakeoff.expectations.gaps import Gap, read_gaps
from bakeoff.expectations.graph_breaks import ExpectedEverywhere
from bakeoff.pytest_plugin import selection
from bakeoff.pytest_plugin.fixtures import CELL_FIXTURES, PLUGIN_NAME, cell_of, of_task
from bakeoff.records.cell import Cell, Mode
from bakeoff.runner import options
from bakeoff.runner.plan import Plan
from bakeoff.runner.session import TIMING, Session
from bakeoff.tasks import tables

EXPERIMENTS = ROOT / "experiments"
EXPERIMENTS_PACKAGE = "bakeoff.experiments"  # its name for --pyargs
MARKERS = (
    "cells(models, stacks, modes, when, example): the cells of an experiment. `models`, `stacks` and `modes` default to "
    "the selected ones; --models and --stacks restrict them (in a series of shapes --stacks replaces them). `when`: only if "
    "this mode is selected. `example`: the models if --models is not given",
    "kernels(stacks): the cells are single operations on these stacks, outside the matrix",
)


def pytest_addoption(parser: pytest.Parser) -> None:
    """The options of the command line, and those that only pytest has."""
    group = parser.getgroup("bakeoff", "bakeoff: models × compiler stacks × modes")
    for flag, keywords in (options.MATRIX | options.RUN | tasks.options()).items():
        group.addoption(flag, **keywords)
    group.addoption(
        "--require-all",
        action="store_true",
        default=False,
        help="a cell that is unavailable on this machine is an error, not a skip (for CI)",
    )
    group.addoption(
        "--accept-breaks",
        action="store_true",
        default=False,
        help="write the graph breaks that were found in the selected cells to experiments/graph_breaks.toml",
    )
    group.addoption(
        "--accept-code",
        action="store_true",
        default=False,
        help="with --target: write what the selected cells compiled to to experiments/compiled.toml",
    )
    group.addoption(
        "--allow-unsteady",
        action="store_true",
        default=False,
        help="an unsteady cell is a skip, not an error (for shared machines and CI)",
    )


@pytest.hookimpl(tryfirst=True)  # before pytest-benchmark reads its options
def pytest_configure(config: pytest.Config) -> None:
    """Register markers and the plugin object, which holds the state of the session; set the folder of saved runs."""
    for marker in MARKERS:
        config.addinivalue_line("markers", marker)
    config.option.benchmark_save_data = True  # save every sample
    given = any(str(word).startswith(storage.FLAG) for word in config.invocation_params.args)
    if config.getoption("benchmark_storage") == storage.PYTEST_BENCHMARK_DEFAULT and not given:
        config.option.benchmark_storage = storage.default_storage()
    config.pluginmanager.register(MatrixPlugin(config), PLUGIN_NAME)
    for task in tasks.every():
        if task.fixture is not None:
            fixtures = ModuleType(f"bakeoff-{task.name}")  # pytest looks for fixtures in modules and classes
            setattr(fixtures, task.fixture, of_task(task))
            config.pluginmanager.register(fixtures, fixtures.__name__)


class MatrixPlugin:
    """The matrix of one pytest session."""

    def __init__(self, config: pytest.Config) -> None:
        self.config = config
        self.session: Session | None = None
        self.results: dict[Cell, CellResult] = {}
        self.ratios = Ratios({})
        self.expected_breaks: ExpectedEverywhere | None = None
        self._plan: Plan | None = None
        self._saved = False
        self._gaps: list[Gap] | None = None
        self._tables: list[Callable[[Ratios], str]] = []

    @property
    def plan(self) -> Plan:
        """What the options select. Read when the first experiment is collected, so that other tests do not pay for it."""
        if self._plan is None:
            try:
                self._plan = options.plan(self.config.getoption)
            except UsageError as error:
                raise pytest.UsageError(str(error)) from None
        return self._plan

    def every_cell(self) -> list[Cell]:
        """All possible cells, selected or not: rows of the expectation files may name any of them."""
        plan = self.plan
        return [Cell(m.name, s.name, mode) for m in plan.all_models for s in plan.all_stacks for mode in Mode]

    @pytest.hookimpl(tryfirst=True)
    def pytest_collection(self) -> None:
        """Report bad options once, in one line, before every test fails because of them."""
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
        # a test without a selected cell is removed, not skipped
        items[:] = [item for item in items if not any("empty parameter set" in str(m) for m in item.iter_markers("skip"))]
        asked = [(item, cell) for item in items if (cell := cell_of(item)) is not None]
        if not asked:
            return
        modules: dict[Any, None] = dict.fromkeys(getattr(item, "module", None) for item, _ in asked)
        self._tables = [module.table for module in modules if hasattr(module, "table")]
        if getattr(self.config.option, "numprocesses", None):
            raise pytest.UsageError(
                "cells run one after another, because parallel cells would slow each other down: leave out -n"
            )
        collected = {item.originalname for item, _ in asked if isinstance(item, pytest.Function)}
        try:
            self._gaps = read_gaps(EXPERIMENTS / "known_gaps.toml", self.every_cell(), _experiment_names() | collected)
            path, accept = EXPERIMENTS / "graph_breaks.toml", self.config.getoption("accept_breaks")
            self.expected_breaks = ExpectedEverywhere(path, self.plan.all_models, self.plan.all_stacks, Mode, accept=accept)
        except UsageError as error:
            raise pytest.UsageError(str(error)) from None
        for item, cell in asked:
            for gap in [] if self.plan.settings.target else self._gaps:  # gaps apply to cells that run
                if gap.covers(cell, getattr(item, "originalname", item.name)):
                    reason = f"{gap.kind}: {gap.reason}"
                    item.add_marker(pytest.mark.xfail(reason=reason, raises=gap.exception, strict=True))

    @pytest.hookimpl(wrapper=True)
    def pytest_runtestloop(self, session: pytest.Session) -> Iterator[None]:
        """Measure every cell that a test is about; then let pytest run the tests."""
        asked: dict[str, dict[Cell, None]] = {task.name: {} for task in tasks.every()}
        for item in session.items:
            if (cell := cell_of(item)) is not None:
                task = selection.task_of(getattr(item, "fixturenames", ()))
                for name in {TIMING if task is None or task.timed else task.name, TIMING if task is None else task.name}:
                    asked[name][cell] = None
        if any(asked.values()) and not self.config.getoption("collectonly"):
            plan = self._plan_of(frozenset(asked[TIMING]))
            cells = {name: [plan.found(cell) for cell in found] for name, found in asked.items()}
            self._measure(tasks.planned(plan, self.config.getoption, cells))
        return (yield)

    def _plan_of(self, cells: frozenset[Cell]) -> Plan:
        """What is selected, plus models, stacks and modes that an experiment names itself."""
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
            raise pytest.UsageError(f"{error}; finished trials are kept: continue with --resume") from None
        except KeyboardInterrupt:
            reporter.write_line("")
            reporter.write_line(f"interrupted; {len(self.session.trials)} trials are kept: continue with --resume")
            raise
        finally:
            self.results = by_cell(self.session.trials)
            self.ratios = Ratios.of(self.session.trials, plan.band, results=self.results)

    def pytest_benchmark_update_json(self, output_json: dict[str, Any]) -> None:
        if self.session is not None:
            self._saved = True
            output_json.update(saving.parts(self.session, self.command))

    @pytest.hookimpl(wrapper=True)
    def pytest_benchmark_compare_machine_info(self, benchmarksession: Any) -> Iterator[None]:
        """Log pytest-benchmark's warning about another machine if pytest-benchmark cannot.

        Its version 5.3 prints the storage's path relative to the current folder, which raises ValueError for a path outside it.
        """
        try:
            return (yield)
        except ValueError:
            benchmarksession.logger.warning(f"Benchmark machine_info is different (location: {benchmarksession.storage})")
            return None

    @property
    def command(self) -> str:
        """The command line of this session."""
        return shlex.join(["pytest", *map(str, self.config.invocation_params.args)])

    @pytest.hookimpl(trylast=True)
    def pytest_sessionfinish(self) -> None:
        """Save a run in which no benchmark ran, too. Otherwise a comparison with the latest run would use an older one."""
        wanted = self.config.getoption("benchmark_save") or self.config.getoption("benchmark_autosave")
        folder = storage.local(self.config.getoption("benchmark_storage"))
        if wanted and folder is not None and not self._saved and self.session is not None and self.session.trials:
            name = wanted if isinstance(wanted, str) else "nothing_ran"
            saving.save(folder, name, saving.parts(self.session, self.command))

    @pytest.hookimpl(trylast=True)
    def pytest_terminal_summary(self, terminalreporter: Any) -> None:
        if self.session is None:
            return
        terminalreporter.section("bakeoff")
        run = self.session
        found, width = (run.trials, run.one_time_costs, run.records), _width(terminalreporter)
        terminalreporter.write(tables.terminal(*found, width, run.neighbours, band=run.plan.band))
        for table in self._tables:
            terminalreporter.write(table(self.ratios))
        own = 1 - self.session.children_s / self.session.wall_s if self.session.wall_s else 0.0
        terminalreporter.write_line(
            f"{len(self.session.trials)} trials in {self.session.wall_s:.0f} s, of which {own:.1%} outside children; "
            f"logs in {self.session.folder.logs}"
        )


def _width(reporter: Any) -> int:
    """The width of the terminal; for a file, the width of the table of the six main stacks."""
    from bakeoff.system.terminal import FILE_WIDTH

    return shutil.get_terminal_size().columns if reporter.isatty else FILE_WIDTH


def _experiment_names() -> set[str]:
    """The names of all tests in experiments/, collected in this session or not."""
    import re

    found = re.compile(r"^def (test_\w+)", re.MULTILINE)
    return {name for path in EXPERIMENTS.glob("test_*.py") for name in found.findall(path.read_text())}
