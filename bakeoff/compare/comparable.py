"""Are two runs of the same question on the same machine? Each difference is one line; some forbid a comparison."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

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


SETTINGS: tuple[tuple[str, Callable[[Settings], object], bool], ...] = (
    ("another size", lambda s: s.size, True),
    ("another batch size", lambda s: s.batch_size or "the model's own", True),
    ("another shape", lambda s: ", ".join(s.shape) or "the model's own", True),
    ("another dtype", lambda s: s.dtype, True),
    ("another target", lambda s: s.target or "none", True),
    ("another device", lambda s: s.device, True),
    ("another number of threads", lambda s: s.threads, True),
    ("another seed", lambda s: s.seed, False),
    ("another time budget per trial", lambda s: f"{s.timed_s:g} s", False),
)
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
        found += _unlike(SETTINGS, x.settings, y.settings)
        if x.environment is not None and y.environment is not None:
            found += _unlike(MACHINE, x.environment, y.environment)
            found += _named("version", x.environment.versions, y.environment.versions)
            found += _named("variable", x.environment.variables, y.environment.variables)
    return list(dict.fromkeys(found))


def alike(left: Iterable[CellSummary], right: Iterable[CellSummary]) -> bool:
    """May they be in one series over time?"""
    return not any(d.forbids for d in differences(list(left), list(right)))


def _unlike(questions: Iterable[tuple[str, Callable[..., object], bool]], x: object, y: object) -> list[Difference]:
    return [Difference(what, str(ask(x)), str(ask(y)), forbids) for what, ask, forbids in questions if ask(x) != ask(y)]


def _named(kind: str, x: dict[str, str], y: dict[str, str]) -> list[Difference]:
    names = sorted(name for name in {*x, *y} if x.get(name) != y.get(name))
    return [
        Difference(
            f"another {kind} of {name}" if kind == "version" else f"another {name}", x.get(name, "none"), y.get(name, "none")
        )
        for name in names
    ]
