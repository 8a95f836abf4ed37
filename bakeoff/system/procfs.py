"""What the kernel knows of this process. `ru_maxrss` is inherited from the parent over exec and lies; VmHWM does not."""

import ctypes
import os
import resource
from pathlib import Path

_TICK_S = 1 / os.sysconf("SC_CLK_TCK")
_PAGE = os.sysconf("SC_PAGE_SIZE")


def resident_bytes(pid: int | str = "self") -> int:
    """Resident set size now."""
    return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * _PAGE


def peak_bytes() -> int:
    """Peak resident set size since the last reset (VmHWM)."""
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith("VmHWM:"):
            return int(line.split()[1]) * 1024
    return resident_bytes()


def reset_peak() -> None:
    """Let VmHWM start again from the present size (proc(5), clear_refs: 5)."""
    Path("/proc/self/clear_refs").write_text("5")


def trim() -> None:
    """Give the kernel back what the allocator keeps of freed memory, where it is glibc's (malloc_trim(3))."""
    give_back = getattr(ctypes.CDLL(None), "malloc_trim", None)
    if give_back is not None:
        give_back(0)


def thread_cpu_s() -> dict[str, float]:
    """Thread id → CPU seconds used by it."""
    used = {}
    for task in Path("/proc/self/task").iterdir():
        try:
            fields = (task / "stat").read_text().rpartition(")")[2].split()
        except OSError:  # the thread has just ended
            continue
        used[task.name] = (int(fields[11]) + int(fields[12])) * _TICK_S
    return used


def cpu_s_with_children() -> float:
    """CPU seconds of this process and of the children that it has waited for."""
    own, children = resource.getrusage(resource.RUSAGE_SELF), resource.getrusage(resource.RUSAGE_CHILDREN)
    return own.ru_utime + own.ru_stime + children.ru_utime + children.ru_stime


class CpuWait:
    """For how long the first thread was ready to run while another had its CPU, be it of this process (schedstat)."""

    def __init__(self) -> None:
        try:
            self._file = os.open("/proc/self/schedstat", os.O_RDONLY | os.O_CLOEXEC)
        except OSError:
            self._file = -1

    def ns(self) -> int:
        """So far; 0 where the kernel doesn't tell. From a file that stays open: half the price of a short step is too much."""
        return int(os.pread(self._file, 128, 0).split()[1]) if self._file >= 0 else 0


def involuntary_switches() -> int:
    """How often the scheduler took the CPU away."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_nivcsw


def pressure_s() -> float | None:
    """Total seconds for which some task on this machine waited for a CPU (PSI); None where the kernel doesn't tell."""
    try:
        some = Path("/proc/pressure/cpu").read_text().split("\n", 1)[0]
    except OSError:
        return None
    return int(some.rpartition("total=")[2]) / 1e6


def out_of_memory_kills() -> int | None:
    """How many processes the kernel has killed for memory, here or in this control group."""
    for path, key in (("/sys/fs/cgroup/memory.events", "oom_kill "), ("/proc/vmstat", "oom_kill ")):
        try:
            for line in Path(path).read_text().splitlines():
                if line.startswith(key):
                    return int(line.split()[1])
        except OSError:
            continue
    return None


def available_bytes() -> int:
    """Memory that a new process could have without swapping, within this control group's limit."""
    meminfo = dict(line.split(":", 1) for line in Path("/proc/meminfo").read_text().splitlines())
    available = int(meminfo["MemAvailable"].split()[0]) * 1024
    try:
        limit = int(Path("/sys/fs/cgroup/memory.max").read_text())
        used = int(Path("/sys/fs/cgroup/memory.current").read_text())
        stat = dict(line.split() for line in Path("/sys/fs/cgroup/memory.stat").read_text().splitlines())
        return min(available, limit - used + int(stat["inactive_file"]))  # the kernel drops cached files when asked
    except (OSError, ValueError, KeyError):  # no control group, or no limit ("max")
        return available


def memory_limit() -> int:
    """What a child may hold: nine tenths of what is free now, so that the session outlives it."""
    return available_bytes() * 9 // 10
