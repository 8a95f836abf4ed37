"""What is recorded when a cell is only compiled? The kernels for a GPU that this machine lacks, or an interpreted step.

Standard library only, for the reason given in measurement.py.
"""

from dataclasses import dataclass

from bakeoff.records.measurement import Parity

INTERPRETER = "interpreter"
TARGETS = ("cuda:sm_80", "cuda:sm_90", "cuda:sm_100", INTERPRETER)


def family(target: str) -> str:
    """The target as it is named under `targets` in a stack's HEADER: "cuda" for "cuda:sm_80", or "interpreter"."""
    return target.partition(":")[0]


@dataclass(frozen=True, slots=True, kw_only=True)
class Kernel:
    """One generated kernel, compiled in its first configuration. The numbers are those that the assembler reports."""

    name: str
    configurations: int  # how many were compiled; choosing the fastest one would take the device
    warps: int
    registers: int  # per thread
    spill_bytes: int  # per thread, stored to local memory because registers ran out
    shared_bytes: int  # per block
    code_bytes: int  # of the binary
    registers_each: tuple[int, ...] = ()  # per thread, for each configuration
    occupancy: float | None = None  # resident warps that registers and shared memory allow, as a share of the maximum


@dataclass(frozen=True, slots=True, kw_only=True)
class CompileOnly:
    """The result of a child that compiled for a target.

    Its step ran with kernels that do nothing, or in an interpreter, so it has no speed. Times are seconds.
    """

    target: str
    import_s: float
    build_s: float
    first_call_s: float  # compiling, and one step without the device
    first_call_cpu_s: float
    kernels: tuple[Kernel, ...] = ()
    parity: Parity | None = None  # of an interpreted step; None where nothing was computed
    gaps: tuple[str, ...] = ()  # known differences from the code that would be compiled on the device

    @property
    def registers(self) -> int:
        """The largest number of registers per thread over all kernels; 0 without kernels."""
        return max((k.registers for k in self.kernels), default=0)

    @property
    def spill_bytes(self) -> int:
        """The sum over all kernels of the bytes that each thread spills."""
        return sum(k.spill_bytes for k in self.kernels)

    @property
    def shared_bytes(self) -> int:
        """The largest shared memory per block over all kernels; 0 without kernels."""
        return max((k.shared_bytes for k in self.kernels), default=0)
