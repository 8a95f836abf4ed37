"""How much memory and CPU time does a process use? Read from /proc. Also: who ends it, and who gets its orphans?

Peak memory is VmHWM, not `ru_maxrss`, which a process inherits from its parent over exec.
"""

import ctypes
import os
import resource
import time
from pathlib import Path

_TICK_S = 1 / os.sysconf("SC_CLK_TCK")
_PAGE = os.sysconf("SC_PAGE_SIZE")


def resident_bytes(pid: int | str = "self") -> int:
    """The present resident set size in bytes."""
    return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * _PAGE


def peak_bytes() -> int:
    """The largest resident set size since the last `reset_peak`, in bytes (VmHWM)."""
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith("VmHWM:"):
            return int(line.split()[1]) * 1024
    return resident_bytes()


def reset_peak() -> None:
    """Reset VmHWM to the present resident set size (proc(5): 5 written to clear_refs)."""
    Path("/proc/self/clear_refs").write_text("5")


def trim() -> None:
    """Return freed memory from the allocator to the kernel. Only glibc has it (malloc_trim(3))."""
    give_back = getattr(ctypes.CDLL(None), "malloc_trim", None)
    if give_back is not None:
        give_back(0)


def thread_cpu_s() -> dict[str, float]:
    """Thread id → CPU seconds that the thread has used."""
    used = {}
    for task in Path("/proc/self/task").iterdir():
        try:
            fields = (task / "stat").read_text().rpartition(")")[2].split()
        except OSError:  # the thread has just ended
            continue
        used[task.name] = (int(fields[11]) + int(fields[12])) * _TICK_S
    return used


def cpu_s_with_children() -> float:
    """CPU seconds of this process and of its children that have ended and been waited for."""
    own, children = resource.getrusage(resource.RUSAGE_SELF), resource.getrusage(resource.RUSAGE_CHILDREN)
    return own.ru_utime + own.ru_stime + children.ru_utime + children.ru_stime


def descendants_cpu_s() -> float:
    """CPU seconds of the descendants of this process that run."""
    used = 0.0
    for pid in descendants():
        try:
            used += time.clock_gettime(~pid << 3 | 2)  # the CPU clock of a process, as clock_getcpuclockid(3) makes it
        except OSError:  # it has just ended
            continue
    return used


def descendants() -> list[int]:
    """Process ids of the children of this process that run, and of their children."""
    found: list[int] = []
    try:  # reading the lists of many threads takes a millisecond; most processes have no child
        os.waitid(os.P_ALL, 0, os.WEXITED | os.WNOHANG | os.WNOWAIT)
    except ChildProcessError:
        return found
    parents = [os.getpid()]
    while parents:
        parent = parents.pop()
        for task in _tasks(parent):
            try:
                with open(f"/proc/{parent}/task/{task}/children", "rb") as file:  # noqa: PTH123 - in every slice; Path is slower
                    children = [int(pid) for pid in file.read().split()]
            except OSError:
                continue
            found += children
            parents += children
    return found


def _tasks(pid: int) -> list[str]:
    try:
        return os.listdir(f"/proc/{pid}/task")  # noqa: PTH208 - as above
    except OSError:
        return []


class CpuWait:
    """How long has the first thread waited for a CPU? Other threads of this process count, too (/proc/self/schedstat)."""

    def __init__(self) -> None:
        try:
            self._file = os.open("/proc/self/schedstat", os.O_RDONLY | os.O_CLOEXEC)
        except OSError:
            self._file = -1

    def ns(self) -> int:
        """Nanoseconds so far; 0 where the kernel does not report it. The file stays open, since opening it takes too long."""
        return int(os.pread(self._file, 128, 0).split()[1]) if self._file >= 0 else 0


def involuntary_switches() -> int:
    """How often the scheduler has taken the CPU away from this process."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_nivcsw


def pressure_s() -> float | None:
    """Seconds since boot for which some task of this machine waited for a CPU (PSI); None where the kernel does not tell."""
    try:
        some = Path("/proc/pressure/cpu").read_text().split("\n", 1)[0]
    except OSError:
        return None
    return int(some.rpartition("total=")[2]) / 1e6


def out_of_memory_kills() -> int | None:
    """How many processes the kernel has killed because memory ran out; None where it does not report it."""
    for path, key in (("/sys/fs/cgroup/memory.events", "oom_kill "), ("/proc/vmstat", "oom_kill ")):
        try:
            for line in Path(path).read_text().splitlines():
                if line.startswith(key):
                    return int(line.split()[1])
        except OSError:
            continue
    return None


def available_bytes() -> int:
    """Bytes that a new process can use without swapping, within the limit of this control group."""
    meminfo = dict(line.split(":", 1) for line in Path("/proc/meminfo").read_text().splitlines())
    available = int(meminfo["MemAvailable"].split()[0]) * 1024
    try:
        limit = int(Path("/sys/fs/cgroup/memory.max").read_text())
        used = int(Path("/sys/fs/cgroup/memory.current").read_text())
        stat = dict(line.split() for line in Path("/sys/fs/cgroup/memory.stat").read_text().splitlines())
        return min(available, limit - used + int(stat["inactive_file"]))  # the kernel frees cached files when memory is needed
    except (OSError, ValueError, KeyError):  # no control group, or no limit ("max")
        return available


def memory_limit() -> int:
    """The most that a child may use, in bytes: nine tenths of the free memory, so that the parent survives."""
    return available_bytes() * 9 // 10


def end_with_parent(signal_number: int) -> None:
    """Have this process sent a signal when the thread that started it ends; 0: not any more (prctl(2), PR_SET_PDEATHSIG)."""
    ctypes.CDLL(None).prctl(1, signal_number)


def adopt_orphans() -> None:
    """Make descendants of this process whose parent ends its own children (prctl(2), PR_SET_CHILD_SUBREAPER)."""
    ctypes.CDLL(None).prctl(36, 1)
