"""What a stack made of a program: one record for all stacks. Where it broke and why, what compiling took, what came of it.

Two children fill it. The timed one reads counters that the framework keeps anyway (graphs, how many breaks, cache hits,
phases); another one compiles the same program with collectors on, since those would slow the timed compile, and brings the
places, reasons, hints and the code. `joined` makes one record of both and says where they do not agree.

Only the standard library here, as in measurement.py. Kinds and counters per stack: docs/diagnostics.md.
"""

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from enum import StrEnum


class Kind(StrEnum):
    """How a program departs from one compiled graph."""

    GRAPH_BREAK = "graph_break"  # Dynamo: the graph ends here, Python runs, another graph begins
    SKIPPED_FRAME = "skipped_frame"  # Dynamo: the whole function runs eager
    HOST_CALLBACK = "host_callback"  # TensorFlow: an operation that calls Python or prints from inside the graph
    PYTHON_FALLBACK = "python_fallback"  # TorchScript: a call back into Python
    AUTOGRAPH_FALLBACK = "autograph_fallback"  # TensorFlow: a function runs unconverted while tracing
    SIDE_EFFECT = "side_effect"  # Python's effect happens while tracing, once, and not per call
    BAKED_IN = "baked_in"  # tracing recorded a value or a path as a constant
    RECOMPILE_LIMIT = "recompile_limit"  # Dynamo: compiled again and again, until it gave up and ran the function eager
    TRACE_ERROR = "trace_error"  # capturing stops with an exception
    UNSUPPORTED_OPERATION = "unsupported_operation"  # captured, but the compiler has no kernel for it
    COMPILE_ERROR = "compile_error"  # captured, but the compiler refuses


FATAL = frozenset({Kind.TRACE_ERROR, Kind.UNSUPPORTED_OPERATION, Kind.COMPILE_ERROR})


@dataclass(frozen=True, slots=True, kw_only=True)
class GraphBreak:
    """One place where the program is not what the compiler runs."""

    kind: Kind
    reason: str  # one line, the framework's own words where it has some
    where: str  # the user's file:line, relative to the project
    count: int = 1
    code: str | None = None  # the framework's own name for it, such as Dynamo's GB0059
    hint: str = ""  # what to do

    @property
    def fatal(self) -> bool:
        """Does the stack not run the program at all?"""
        return self.kind in FATAL


@dataclass(frozen=True, slots=True, kw_only=True)
class Recompile:
    """A compilation after the first one of the same code, and what triggered it."""

    trigger: str
    where: str = ""
    count: int = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class CompilePhase:
    """Seconds of the first call that a stack's own counters tell apart; phases do not overlap.

    None: the stack cannot tell it apart, and `note` says where it is counted.
    """

    name: str
    seconds: float | None
    note: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Compiled:
    """What it compiled to. None: the stack does not tell."""

    operations_captured: int | None = None  # in the graphs as captured
    operations_fused: int | None = None  # of the graphs as run
    kernels: int | None = None  # generated
    library_calls: int | None = None  # left to ready-made kernels
    code_bytes: int | None = None  # generated source
    figures: dict[str, float] = field(default_factory=dict)  # the stack's own, by name


@dataclass(frozen=True, slots=True, kw_only=True)
class Diagnostics:
    """The record. None where the stack has no such notion: eager captures nothing."""

    graphs: int | None = None
    captured_share: float | None = None  # of the operations that eager dispatches, those that a graph runs
    breaks: tuple[GraphBreak, ...] = ()
    counted: Mapping[str, int] = field(default_factory=dict)  # kind, or kinds joined by +, → how many the timed child counted
    recompiles: int | None = None  # compilations after the first call, all before timing
    recompile_triggers: tuple[Recompile, ...] = ()
    cache_hits: int | None = None  # compiled code taken from a disk cache
    phases: tuple[CompilePhase, ...] = ()  # of the timed first call
    compiled: Compiled | None = None
    warnings: tuple[str, ...] = ()
    remarks: tuple[str, ...] = ()  # of the instrument: what the two children do not agree on, what could not be had

    @property
    def break_count(self) -> int:
        """How many in all: by place where they are known, else as the timed child counted them."""
        return sum(b.count for b in self.breaks) if self.breaks else sum(self.counted.values())


def merged(breaks: Iterable[GraphBreak]) -> tuple[GraphBreak, ...]:
    """Equal breaks counted together, in the order of their places."""
    counts: Counter[GraphBreak] = Counter()
    for found in breaks:
        counts[replace(found, count=1)] += found.count
    return tuple(sorted((replace(b, count=n) for b, n in counts.items()), key=lambda b: (_place(b.where), b.kind, b.reason)))


def with_residual(phases: Iterable[CompilePhase], first_call_s: float) -> tuple[CompilePhase, ...]:
    """The phases and what no counter accounts for, so that they add up to `first_call_s`; the residual is never hidden."""
    told = tuple(phases)
    rest = first_call_s - sum(phase.seconds or 0.0 for phase in told)
    return (*told, CompilePhase(name="first run, and what no counter tells", seconds=rest))


def joined(timed: Diagnostics | None, found: Diagnostics | None, why_not: str = "") -> Diagnostics | None:
    """One record of what the timed child counted and what the diagnosing child found; `why_not` if it found nothing."""
    if timed is None or found is None:
        only = timed or found
        return replace(only, remarks=(*only.remarks, why_not)) if only is not None and why_not else only
    totals: Counter[str] = Counter()
    for b in found.breaks:
        totals[b.kind] += b.count
    remarks = [*timed.remarks, *found.remarks]
    for kinds, count in timed.counted.items():
        there = sum(totals[kind] for kind in kinds.split("+"))
        if there != count:
            remarks.append(f"the timed child counted {count} {kinds}, the diagnosing child found {there}")
    if timed.graphs != found.graphs:
        remarks.append(f"the timed child captured {timed.graphs} graphs, the diagnosing child {found.graphs}")
    return replace(
        found,
        graphs=timed.graphs,
        counted=timed.counted,
        recompiles=timed.recompiles,
        cache_hits=timed.cache_hits,
        phases=timed.phases,
        warnings=tuple(dict.fromkeys((*timed.warnings, *found.warnings))),
        remarks=tuple(remarks),
    )


def _place(where: str) -> tuple[str, int]:
    path, _, line = where.rpartition(":")
    return (path, int(line)) if line.isdigit() else (where, 0)
