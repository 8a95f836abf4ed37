"""What a compiler made for a target that is not run at full speed here, or not at all: a GPU's code on a machine without one.

Only the standard library here, as in measurement.py.
"""

from dataclasses import dataclass

from bakeoff.records.measurement import Parity

INTERPRETER = "interpreter"
TARGETS = ("cuda:sm_80", "cuda:sm_90", "cuda:sm_100", INTERPRETER)


def family(target: str) -> str:
    """What a stack's file says it compiles for: cuda, or interpreter."""
    return target.partition(":")[0]


@dataclass(frozen=True, slots=True, kw_only=True)
class Kernel:
    """One generated kernel in the first of its configurations, by the assembler's own account."""

    name: str
    configurations: int  # compiled: without the device nobody can measure which is fastest
    warps: int
    registers: int  # of a thread
    spill_bytes: int  # stored to local memory for want of registers, of a thread
    shared_bytes: int  # of a block
    code_bytes: int  # of the binary
    registers_each: tuple[int, ...] = ()  # in each of its configurations
    occupancy: float | None = None  # resident warps that its registers and shared memory allow, of the most there can be


@dataclass(frozen=True, slots=True, kw_only=True)
class CompileOnly:
    """One child that compiled for a target. Its step ran with kernels that do nothing, or by an interpreter: no speed."""

    target: str
    import_s: float
    build_s: float
    first_call_s: float  # compiling, and one step that is no step
    first_call_cpu_s: float
    kernels: tuple[Kernel, ...] = ()
    parity: Parity | None = None  # of an interpreted step
    gaps: tuple[str, ...] = ()  # where it is known to differ from what the device itself would be given

    @property
    def registers(self) -> int:
        """The most that a kernel's thread has."""
        return max((k.registers for k in self.kernels), default=0)

    @property
    def spill_bytes(self) -> int:
        """Of all kernels together."""
        return sum(k.spill_bytes for k in self.kernels)

    @property
    def shared_bytes(self) -> int:
        """The most that a kernel's block has."""
        return max((k.shared_bytes for k in self.kernels), default=0)
