"""How does pytest report verdicts? As test items after all cells, so that `-rf`, JUnit XML and the exit code include them.

--gate-against RUN compares what this session measures with a saved run. --ab-against ARM measures pairs of this checkout and
another revision, checkout or environment.
"""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from bakeoff import tasks
from bakeoff.analysis import summary
from bakeoff.analysis.metrics import in_pairs_by_default
from bakeoff.archive import saved_runs, storage
from bakeoff.archive.saved_runs import Commit, Run
from bakeoff.authoring.discovery import ROOT
from bakeoff.authoring.errors import UsageError
from bakeoff.compare.budgets import read_budgets
from bakeoff.compare.gate import GateExit
from bakeoff.compare.pairs import INTERIM_ANALYSES
from bakeoff.compare.report import Report, formatted
from bakeoff.compare.verdicts import Verdict
from bakeoff.pytest_plugin.fixtures import PLUGIN_NAME, cell_of
from bakeoff.records.cell import Cell
from bakeoff.runner import options
from bakeoff.system.terminal import clean

WHOLE = "matrix"  # the item that fails if the runs cannot be compared


def pytest_addoption(parser: pytest.Parser) -> None:
    """What to compare with, and by which rules."""
    group = parser.getgroup("bakeoff verdicts", "bakeoff: verdicts against another run")
    group.addoption(
        "--gate-against",
        metavar="RUN",
        help="a saved run by number, name or path: compare with it, and report each verdict as a test",
    )
    group.addoption(
        "--ab-against",
        metavar="ARM",
        help="a git revision, checkout, virtual environment or NAME=VALUE: measure pairs, and report each verdict as a test",
    )
    group.addoption(
        "--budgets",
        metavar="FILE",
        default=str(ROOT / "experiments" / "budgets.toml"),
        help="default: experiments/budgets.toml",
    )
    group.addoption(
        "--interim-analyses",
        metavar="N,N",
        default=",".join(map(str, INTERIM_ANALYSES)),
        help="numbers of pairs after which --ab-against does an interim analysis",
    )
    group.addoption(
        "--verdict-markdown",
        metavar="FILE",
        help="append the comparison to FILE as Markdown, for example as the summary of a CI job",
    )
    group.addoption(
        "--allow-undecided", action="store_true", default=False, help="an undecided verdict is a skip, not a failure"
    )


def pytest_configure(config: pytest.Config) -> None:
    """Register the plugin if verdicts are asked for."""
    if config.getoption("gate_against") or config.getoption("ab_against"):
        config.pluginmanager.register(VerdictPlugin(config), "bakeoff-verdicts")


class VerdictItem(pytest.Item):
    """The verdict of one cell, or of the whole matrix."""

    def __init__(self, *, cell: Cell | None, how: str, **keywords: Any) -> None:
        super().__init__(**keywords)
        self.cell, self.how = cell, how

    def runtest(self) -> None:
        plugin: VerdictPlugin = self.config.pluginmanager.get_plugin("bakeoff-verdicts")  # type: ignore[assignment]
        plugin.judge(self)

    def repr_failure(self, excinfo: Any, style: Any = None) -> str:
        return str(excinfo.value)

    def reportinfo(self) -> tuple[Path, None, str]:
        return self.path, None, self.name


class VerdictsFile(pytest.File):
    """The parent of the verdict items: the file of budgets."""

    def collect(self) -> Iterator[pytest.Item]:
        return iter(())


class VerdictFailed(Exception):
    """A verdict that is not accepted. Its message is the whole report."""


class VerdictPlugin:
    """The verdicts of one session."""

    def __init__(self, config: pytest.Config) -> None:
        self.config = config
        self.baseline: Run | None = None
        self._reports: dict[str, Report | str] = {}
        self._judged: set[Cell] = set()  # cells that have an item

    @pytest.hookimpl(trylast=True)
    def pytest_collection_modifyitems(self, session: pytest.Session, items: list[pytest.Item]) -> None:
        asked = list(dict.fromkeys(cell for item in items if (cell := cell_of(item)) is not None))
        try:
            budgets = Path(self.config.getoption("budgets"))
            read_budgets(budgets)
            if self.config.getoption("verdict_markdown"):
                options.need_writable({"--verdict-markdown": Path(self.config.getoption("verdict_markdown")).absolute().parent})
            if self.config.getoption("gate_against"):
                folder = storage.folder(self.config.getoption("benchmark_storage"))
                self.baseline = saved_runs.read_summaries(saved_runs.find(self.config.getoption("gate_against"), folder))
        except UsageError as error:
            raise pytest.UsageError(str(error)) from None
        parent = VerdictsFile.from_parent(session, path=budgets.resolve())
        for how, cells in (("gate", [*asked, *self._vanished(asked)]), ("ab", asked)):
            if self.config.getoption(f"{how}_against"):
                self._judged |= set(cells)
                for cell in (None, *cells):
                    name = f"{how}[{cell or WHOLE}]"
                    items.append(VerdictItem.from_parent(parent, name=name, cell=cell, how=how))

    def _vanished(self, asked: list[Cell]) -> list[Cell]:
        """Cells of the baseline that this session does not have, unless options or names exclude them."""
        if self.baseline is None:
            return []
        plan = self._matrix.plan
        chosen = {
            "model": None if self.config.getoption("models") is None else {m.name for m in plan.models},
            "stack": None if self.config.getoption("stacks") is None else {s.name for s in plan.stacks},
            "mode": set(plan.modes),
        }
        gone = []
        for found in self.baseline.summaries:
            inside = all(names is None or getattr(found.cell, part) in names for part, names in chosen.items())
            if found.cell not in asked and inside and not self._picked:
                gone.append(found.cell)
        return gone

    @property
    def _picked(self) -> bool:
        """Did -k, -m or a node id exclude tests?"""
        named = any("::" in str(argument) for argument in self.config.args)
        return named or bool(self.config.getoption("keyword") or self.config.getoption("markexpr"))

    @property
    def _matrix(self) -> Any:
        return self.config.pluginmanager.get_plugin(PLUGIN_NAME)

    def judge(self, item: VerdictItem) -> None:
        """Pass, or raise VerdictFailed."""
        report = self._report(item.how)
        if isinstance(report, str):
            raise VerdictFailed(report if item.cell is None else f"no verdict: see {item.how}[{WHOLE}] for the reason")
        assert report.decision is not None
        if item.cell is None:
            if report.decision.exit is GateExit.NOT_COMPARABLE:
                raise VerdictFailed(report.decision.summary)
            others = [formatted(c, GateExit.REGRESSION) for c in report.decision.failed if c.cell not in self._judged]
            if others:
                raise VerdictFailed("\n".join([*others, f"to accept it: {report.accept}"]))
            return
        compared = any(c.cell == item.cell for c in report.comparison.changes)
        if not compared and not self._compared_by_status(item):
            raise VerdictFailed(f"{item.cell} was not compared: it was not measured")
        failed = [formatted(c, GateExit.REGRESSION) for c in report.decision.failed if c.cell == item.cell]
        open_changes = [c for c in report.decision.undecided if c.cell == item.cell]
        undecided = [formatted(c, GateExit.UNDECIDED) for c in open_changes]
        undecided += [report.decision.too_noisy] * any(c.verdict is Verdict.WORSE for c in open_changes)
        if failed:
            raise VerdictFailed("\n".join([*failed, f"to accept it: {report.accept}"]))
        if undecided and self.config.getoption("allow_undecided"):
            pytest.skip("undecided: " + "; ".join(undecided))
        if undecided:
            raise VerdictFailed("\n".join(["undecided:", *undecided]))

    def _compared_by_status(self, item: VerdictItem) -> bool:
        """Was the cell measured? A cell that fails in the same way in both runs has no row, and counts as unchanged."""
        found = {f.cell for f in summary.of_trials(self._matrix.session.trials)} if self._matrix.session else set()
        return item.cell in found

    def _report(self, how: str) -> Report | str:
        """The comparison, made once; a line with the reason if the runs cannot be compared."""
        if how not in self._reports:
            try:
                self._reports[how] = report = self._gate() if how == "gate" else self._ab()
                self._write(report.markdown())
            except UsageError as error:
                self._reports[how] = str(error)
                self._write(clean(str(error)))
        return self._reports[how]

    def _write(self, text: str) -> None:
        if self.config.getoption("verdict_markdown"):
            with Path(self.config.getoption("verdict_markdown")).open("a") as file:
                file.write(text + "\n")

    def _gate(self) -> Report:
        from bakeoff.compare.reports import of_runs

        assert self.baseline is not None
        session = self._matrix.session
        measured = summary.of_trials(session.trials) if session is not None else []
        now = Run(path=Path("this session"), summaries=measured, commit=Commit())
        wanted = {*(f.cell for f in measured), *self._vanished([f.cell for f in measured])}
        before = [f for f in self.baseline.summaries if f.cell in wanted]
        accept = 'save both runs, and: bakeoff gate BASELINE CANDIDATE --accept "WHY"'
        budgets = read_budgets(Path(self.config.getoption("budgets")))
        return of_runs(self.baseline, now, before, measured, budgets, gate=True, accept=accept)

    def _ab(self) -> Report:
        from bakeoff.ab import session
        from bakeoff.ab.paired_session import PairedSession
        from bakeoff.compare.reports import of_pairs

        matrix = self._matrix
        reporter: Any = self.config.pluginmanager.get_plugin("terminalreporter")
        store, budgets = options.store(self.config.getoption), read_budgets(Path(self.config.getoption("budgets")))
        at = session.interim_analyses(self.config.getoption("interim_analyses"))
        cells = frozenset(matrix.results)
        plan = replace(matrix.plan, cells=cells)
        reporter.ensure_newline()
        with session.armed(plan, store, self.config.getoption("ab_against"), ".") as arms:
            whole = [self.config.getoption(n) is None and not self._picked for n in ("models", "stacks")]
            gone = session.vanished(matrix.plan, arms[0], models=whole[0], stacks=whole[1])
            say = reporter.write_line
            judged, more = in_pairs_by_default(), tasks.additions(self.config.getoption)
            pairing = PairedSession(
                plan, arms, store, budgets, metrics=judged, interim_analyses=at, say=say, additions=more, vanished=gone
            )
            folder = storage.folder(self.config.getoption("benchmark_storage"))
            path = session.run_and_save(pairing, folder, matrix.command)
        return of_pairs(saved_runs.read_summaries(path), budgets, gate=True, accept=f'bakeoff gate {path} --accept "WHY"')
