"""Are two runs of the same question on the same machine? Each difference is one line; some forbid a comparison."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

from bakeoff.analysis.settings import SETTINGS, differing
from bakeoff.analysis.summary import CellSummary
from bakeoff.records.trial import Environment, Settings


@dataclass(frozen=True, slots=True)
class Difference:
    """One difference. `forbids`: a comparison of the numbers would mean nothing."""

    what: str
    baseline: str
    candidate: str
    forbids: bool = False

    def __str__(self) -> str:
        return f"{self.what}: {self.baseline} in the baseline, {self.candidate} in the candidate"


MACHINE: tuple[tuple[str, Callable[[Environment], object], bool], ...] = (
    ("another machine, by its processor", lambda e: e.cpu, True),
    ("another machine, by its cores", lambda e: e.cores, True),
    ("another machine, by its memory", lambda e: f"{e.memory_bytes / 2**30:.0f} GiB", False),
    ("another machine, by its device", lambda e: e.device, True),
    ("another system", lambda e: e.platform, False),
    ("another Python", lambda e: e.python, False),
)


def differences(baseline: Sequence[CellSummary], candidate: Sequence[CellSummary]) -> list[Difference]:
    """Of the cells that both runs have; each difference once."""
    after = {f.cell: f for f in candidate}
    pairs = [(f, after[f.cell]) for f in baseline if f.cell in after]
    found: list[Difference] = []
    for x, y in pairs:
        found += of_settings(x.settings, y.settings)
        if x.environment is not None and y.environment is not None:
            found += _of_machines(x.environment, y.environment)
            found += _named("version", x.environment.versions, y.environment.versions)
            found += _named("variable", x.environment.variables, y.environment.variables)
    return list(dict.fromkeys(found))


def alike(left: Iterable[CellSummary], right: Iterable[CellSummary]) -> bool:
    """May they be in one series over time?"""
    return not any(d.forbids for d in differences(list(left), list(right)))


def of_settings(x: Settings, y: Settings) -> list[Difference]:
    """The settings that a comparison notes and that differ."""
    noted = differing(x, y, [setting for setting in SETTINGS if setting.compared])
    return [Difference(f"another {s.title}", s.shown(x), s.shown(y), s.forbids) for s in noted]


def _of_machines(x: Environment, y: Environment) -> list[Difference]:
    return [Difference(what, str(ask(x)), str(ask(y)), forbids) for what, ask, forbids in MACHINE if ask(x) != ask(y)]


def _named(kind: str, x: dict[str, str], y: dict[str, str]) -> list[Difference]:
    names = sorted(name for name in {*x, *y} if x.get(name) != y.get(name))
    return [
        Difference(
            f"another {kind} of {name}" if kind == "version" else f"another {name}", x.get(name, "none"), y.get(name, "none")
        )
        for name in names
    ]
