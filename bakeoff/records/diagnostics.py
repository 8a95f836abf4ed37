"""How did a stack compile a program? Graph breaks with their reasons, compile phases, and what was compiled.

There is one record for all stacks. Two children fill it. The timed child reads counters that the framework keeps anyway:
graphs, number of breaks, cache hits, phases. The diagnosing child compiles the same program with collectors on, which would
slow a timed compile, and finds the places, reasons, hints and the code. `joined` merges both and notes where they disagree.

Standard library only, for the reason given in measurement.py. Kinds and counters of each stack: docs/diagnostics.md.
"""

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from enum import StrEnum


class Kind(StrEnum):
    """In which way does a program differ from one compiled graph?"""

    GRAPH_BREAK = "graph_break"  # Dynamo: the graph ends here, Python runs, another graph begins
    SKIPPED_FRAME = "skipped_frame"  # Dynamo: the whole function runs eagerly
    HOST_CALLBACK = "host_callback"  # TensorFlow: an operation that calls Python or prints from inside the graph
    PYTHON_FALLBACK = "python_fallback"  # TorchScript: a call back into Python
    AUTOGRAPH_FALLBACK = "autograph_fallback"  # TensorFlow: AutoGraph does not convert a function; it runs as Python in tracing
    SIDE_EFFECT = "side_effect"  # a side effect of Python code happens once, while tracing, and not at each call
    BAKED_IN = "baked_in"  # tracing recorded a value or the branch taken as a constant
    RECOMPILE_LIMIT = "recompile_limit"  # Dynamo: too many recompilations; from then on the function runs eagerly
    TRACE_ERROR = "trace_error"  # capturing fails with an exception
    UNSUPPORTED_OPERATION = "unsupported_operation"  # captured, but the compiler has no kernel for an operation
    COMPILE_ERROR = "compile_error"  # captured, but compiling fails


@dataclass(frozen=True, slots=True, kw_only=True)
class GraphBreak:
    """One place where the compiler does not run the program as written."""

    kind: Kind
    reason: str  # one line, in the framework's own words where it gives any
    where: str  # the user's file:line, relative to the project
    count: int = 1
    code: str | None = None  # the framework's identifier for it, such as Dynamo's GB0059
    hint: str = ""  # how to avoid it


@dataclass(frozen=True, slots=True, kw_only=True)
class Recompile:
    """A repeated compilation of the same code, and what triggered it."""

    trigger: str
    where: str = ""
    count: int = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class CompilePhase:
    """One part of the first call, in seconds, as the stack's own counters measure it. Phases do not overlap.

    `seconds` is None where the stack does not count this phase separately; `note` says where its time is included.
    """

    name: str
    seconds: float | None
    note: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Compiled:
    """What was the program compiled to? A field is None where the stack does not report it."""

    operations_captured: int | None = None  # in the graphs as captured
    operations_fused: int | None = None  # of the graphs as run
    kernels: int | None = None  # generated
    library_calls: int | None = None  # calls of precompiled kernels
    code_bytes: int | None = None  # generated source
    figures: dict[str, float] = field(default_factory=dict)  # values that only this stack reports, by name


@dataclass(frozen=True, slots=True, kw_only=True)
class Diagnostics:
    """How did the stack compile the program? A field is None where it does not apply: eager captures no graph."""

    graphs: int | None = None
    captured_share: float | None = None  # share of the operations dispatched by eager that run in a graph, 0 to 1
    breaks: tuple[GraphBreak, ...] = ()
    counted: Mapping[str, int] = field(default_factory=dict)  # kind, or kinds joined by "+" → number in the timed child
    recompiles: int | None = None  # compilations after the first call, all before timing
    recompile_triggers: tuple[Recompile, ...] = ()
    cache_hits: int | None = None  # how often compiled code was read from a disk cache
    phases: tuple[CompilePhase, ...] = ()  # of the timed first call
    compiled: Compiled | None = None
    warnings: tuple[str, ...] = ()
    remarks: tuple[str, ...] = ()  # by Bakeoff: where the two children disagree, what is missing

    @property
    def break_count(self) -> int:
        """The number of breaks: those located, or, if none are, those that the timed child counted."""
        return sum(b.count for b in self.breaks) if self.breaks else sum(self.counted.values())


def merged(breaks: Iterable[GraphBreak]) -> tuple[GraphBreak, ...]:
    """Equal breaks merged into one with the sum of their counts; sorted by file, line, kind and reason."""
    counts: Counter[GraphBreak] = Counter()
    for found in breaks:
        counts[replace(found, count=1)] += found.count
    return tuple(sorted((replace(b, count=n) for b, n in counts.items()), key=lambda b: (_place(b.where), b.kind, b.reason)))


def with_residual(phases: Iterable[CompilePhase], first_call_s: float) -> tuple[CompilePhase, ...]:
    """The phases, and one more for the remaining time, so that they add up to `first_call_s` (seconds)."""
    counted = tuple(phases)
    rest = first_call_s - sum(phase.seconds or 0.0 for phase in counted)
    return (*counted, CompilePhase(name="first run, and time without a counter", seconds=rest))


def joined(timed: Diagnostics | None, found: Diagnostics | None, why_not: str = "") -> Diagnostics | None:
    """One record of the timed child's counters and the diagnosing child's findings.

    Where there is only one of the two, that one is returned, with `why_not` among its remarks if it is given.
    """
    if timed is None or found is None:
        only = timed or found
        return replace(only, remarks=(*only.remarks, why_not)) if only is not None and why_not else only
    totals: Counter[str] = Counter()
    for b in found.breaks:
        totals[b.kind] += b.count
    remarks = [*timed.remarks, *found.remarks]
    for kinds, count in timed.counted.items():
        located = sum(totals[kind] for kind in kinds.split("+"))
        if located != count:
            remarks.append(f"the timed child counted {count} {kinds}, the diagnosing child found {located}")
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
