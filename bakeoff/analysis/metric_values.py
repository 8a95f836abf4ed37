"""How are those metrics read that take more than one attribute of a cell's result? Pure."""

from collections.abc import Callable

from bakeoff.analysis.results import CellResult


def compile_cpu_s(result: CellResult) -> list[float]:
    """CPU time of the first calls: steadier than wall time. Eager compiles nothing."""
    return [] if result.eager else [m.first_call_cpu_s for m in result.cold]


def warm_compile_cpu_s(result: CellResult) -> list[float]:
    """The same of warm starts."""
    found = [] if result.eager else [t.measurement for t in result.warm]
    return [m.first_call_cpu_s for m in found if m is not None]


def compile_s(result: CellResult) -> float:
    """Of a cell compiled for a target: its first call."""
    return result.compile_only.first_call_s if result.compile_only is not None else result.compile_s


def captured(name: str) -> Callable[[CellResult], float | None]:
    """A count in Diagnostics. Eager captures nothing, so it has none."""

    def read(result: CellResult) -> float | None:
        found = result.diagnostics
        count: int | None = getattr(found, name) if found is not None and found.graphs is not None else None
        return count

    return read


def compiled(name: str) -> Callable[[CellResult], float | None]:
    """A count in Compiled; a run without diagnosis does not know it."""

    def read(result: CellResult) -> float | None:
        found = result.diagnostics
        known = found is not None and found.graphs is not None and found.compiled is not None
        count: int | None = getattr(found.compiled, name) if known and found is not None else None
        return count

    return read


def assembled(name: str) -> Callable[[CellResult], float | None]:
    """A count of kernels that were compiled for a target and assembled."""

    def read(result: CellResult) -> float | None:
        made = result.compile_only
        count: int | None = getattr(made, name) if made is not None and made.kernels else None
        return count

    return read


def parity_error(result: CellResult) -> float | None:
    """None for kernels that were compiled for a target and did nothing."""
    if result.compile_only is None:
        return result.parity_error
    return result.compile_only.parity.error if result.compile_only.parity else None


def kernels_for_target(result: CellResult) -> float | None:
    """Of a cell compiled for a target: the assembled kernels, or where none were assembled those that its diagnosis counted."""
    if result.compile_only is not None and result.compile_only.kernels:
        return len(result.compile_only.kernels)
    found = result.diagnostics.compiled if result.diagnostics else None
    return found.kernels if found else None
