"""What this machine says of itself that could matter to a measurement: read here, judged in doctor.py.

Standard library and psutil. Whatever the kernel does not tell, as in a container or a virtual machine, is None or empty.
"""

import contextlib
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import psutil

from bakeoff.system import procfs
from bakeoff.system.environment import child_cpus, cpu_model

SAMPLED_S = 0.5
CPU = Path("/sys/devices/system/cpu")
CGROUP = Path("/sys/fs/cgroup")


@dataclass(frozen=True, slots=True)
class Busy:
    """Another process, and how much of one CPU it takes."""

    pid: int
    name: str
    share: float


@dataclass(frozen=True, slots=True)
class Folder:
    """Where something is to be written. `error`: why it cannot be."""

    what: str
    path: str
    free_bytes: int
    error: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Facts:
    """One look at the machine. Shares are of one CPU unless they say otherwise."""

    threads: int  # of each child
    python: tuple[int, ...] = (3, 11, 0)
    versions: Mapping[str, str | None] = field(default_factory=dict)  # framework → version
    compiler: str | None = None  # path of the C++ compiler that Inductor would take
    compiler_version: str = ""
    cxx: str = ""  # the user's CXX
    cpu: str = ""
    cores: int = 1  # of the machine
    affinity: int = 1  # CPUs that we may use
    quota: float | None = None  # CPUs that the control group grants
    siblings: int = 0  # of the children's CPUs, those that share their core with another CPU
    governors: tuple[str, ...] = ()
    driver: str = ""  # of frequency scaling
    turbo: bool | None = None
    clock: str = ""
    battery: bool = False  # does it run on one?
    load_1min: float = 0.0
    busy_cpus: float = 0.0  # CPUs that others kept busy while we looked
    busiest: tuple[Busy, ...] = ()
    steal: float = 0.0  # of all CPU time, what the hypervisor gave to others
    virtual: bool = False
    memory_bytes: int = 0
    available_bytes: int = 0
    swap_bytes: int = 0  # in use
    pressure: Mapping[str, float] = field(default_factory=dict)  # cpu, memory, io → share of the last 10 s
    folders: Sequence[Folder] = ()
    variables: Mapping[str, str] = field(default_factory=dict)  # of the user's environment
    children: Mapping[str, str] = field(default_factory=dict)  # what children get whatever the user has set
    one_time_cost: bool | None = None  # is what Inductor needs once per machine there? None: nobody would need it


def read(
    threads: int,
    *,
    versions: Mapping[str, str | None],
    compiler: str | None,
    folders: Mapping[str, Path],
    children: Mapping[str, str],
    one_time_cost: bool | None,
) -> Facts:
    """Look around; takes SAMPLED_S."""
    busiest, busy, steal = _sampled()
    return Facts(
        threads=threads,
        python=sys.version_info[:3],
        versions=versions,
        compiler=compiler,
        compiler_version=_compiler_version(compiler),
        cxx=os.environ.get("CXX", ""),
        cpu=cpu_model(),
        cores=os.cpu_count() or 1,
        affinity=len(os.sched_getaffinity(0)),
        quota=_quota(),
        siblings=_siblings(child_cpus(threads)),
        governors=tuple(sorted({_line(p) for p in CPU.glob("cpu[0-9]*/cpufreq/scaling_governor")} - {""})),
        driver=_line(CPU / "cpu0/cpufreq/scaling_driver"),
        turbo=_turbo(),
        clock=_line(Path("/sys/devices/system/clocksource/clocksource0/current_clocksource")),
        battery=any(_line(p) == "Discharging" for p in Path("/sys/class/power_supply").glob("BAT*/status")),
        load_1min=os.getloadavg()[0],
        busy_cpus=busy,
        busiest=busiest,
        steal=steal,
        virtual=_virtual(),
        memory_bytes=psutil.virtual_memory().total,
        available_bytes=procfs.available_bytes(),
        swap_bytes=_swap(),
        pressure={name: share for name in ("cpu", "memory", "io") if (share := _pressure(name)) is not None},
        folders=_folders(folders),
        variables=dict(os.environ),
        children=children,
        one_time_cost=one_time_cost,
    )


def _compiler_version(path: str | None) -> str:
    """The first line of what a C++ compiler says of its version; empty if nothing."""
    if path is None:
        return ""
    try:
        said = subprocess.run([path, "--version"], capture_output=True, text=True, timeout=10, check=True).stdout
    except (OSError, subprocess.SubprocessError):
        return ""
    return said.splitlines()[0] if said else ""


def _folders(wanted: Mapping[str, Path]) -> list[Folder]:
    """Each folder, or where it would be made: nothing is written."""
    found = []
    for what, path in {**wanted, "temporary files": Path(tempfile.gettempdir())}.items():
        there = next(p for p in (path, *path.parents) if p.exists())
        error = "" if there.is_dir() else f"{there} is no folder"
        if not error and not os.access(there, os.W_OK | os.X_OK):  # also where the file system is read-only
            error = f"no right to write to {there}"
        found.append(Folder(what, str(path), shutil.disk_usage(there).free, error))
    return found


def _sampled() -> tuple[tuple[Busy, ...], float, float]:
    """(other processes that take CPU time, CPUs that are busy with others, share of all CPU time stolen) for a moment."""
    ours = {os.getpid()}
    there = {p.pid: p for p in psutil.process_iter() if p.pid not in ours}
    before = {pid: _used(p) for pid, p in there.items()}
    machine, own, start = psutil.cpu_times(), sum(os.times()[:2]), time.monotonic()
    time.sleep(SAMPLED_S)
    took = time.monotonic() - start
    after, own = psutil.cpu_times(), sum(os.times()[:2]) - own
    spent = {name: getattr(after, name) - getattr(machine, name) for name in machine._fields}
    whole = sum(value for name, value in spent.items() if not name.startswith("guest")) or 1.0
    idle = spent["idle"] + spent.get("iowait", 0.0)
    shares = []
    for pid, process in there.items():
        used, had = _used(process), before[pid]
        if used is not None and had is not None and (share := (used[1] - had[1]) / took) >= 0.05:
            shares.append(Busy(pid, used[0], share))
    busy = max(0.0, whole - idle - spent.get("steal", 0.0) - own) / took
    return tuple(sorted(shares, key=lambda one: -one.share)[:3]), busy, spent.get("steal", 0.0) / whole


def _used(process: psutil.Process) -> tuple[str, float] | None:
    """(name, CPU seconds so far) of a process; None if it has gone, or is not ours to see."""
    with contextlib.suppress(psutil.Error):
        return process.name(), sum(process.cpu_times()[:2])
    return None


def _quota() -> float | None:
    """CPUs that the control group may use (cgroup v2: cpu.max; v1: cfs_quota_us)."""
    with contextlib.suppress(OSError, ValueError):
        granted, period = (CGROUP / "cpu.max").read_text().split()
        return None if granted == "max" else int(granted) / int(period)
    with contextlib.suppress(OSError, ValueError):
        old = CGROUP / "cpu"
        granted_us = int((old / "cpu.cfs_quota_us").read_text())
        return granted_us / int((old / "cpu.cfs_period_us").read_text()) if granted_us > 0 else None
    return None


def _siblings(cpus: Sequence[int]) -> int:
    shared = (_line(CPU / f"cpu{cpu}/topology/thread_siblings_list") for cpu in cpus)
    return sum("," in text or "-" in text for text in shared)


def _turbo() -> bool | None:
    if off := _line(CPU / "intel_pstate/no_turbo"):
        return off == "0"
    boost = _line(CPU / "cpufreq/boost")
    return boost == "1" if boost else None


def _virtual() -> bool:
    """Is there a hypervisor below us? The processor says so itself, where it is an x86."""
    maker = _line(Path("/sys/class/dmi/id/sys_vendor")) + _line(Path("/sys/class/dmi/id/product_name"))
    known = ("QEMU", "KVM", "VMware", "VirtualBox", "Xen", "Virtual Machine", "Google Compute", "Amazon EC2", "Firecracker")
    flags = next((line for line in Path("/proc/cpuinfo").read_text().splitlines() if line.startswith("flags")), "")
    return "hypervisor" in flags.split() or any(name in maker for name in known)


def _pressure(resource: str) -> float | None:
    """For which share of the last 10 s some task waited for it (PSI)."""
    with contextlib.suppress(OSError, ValueError):
        some = Path(f"/proc/pressure/{resource}").read_text().split("\n", 1)[0]
        return float(some.partition("avg10=")[2].split()[0]) / 100
    return None


def _swap() -> int:
    try:
        return int(psutil.swap_memory().used)
    except (OSError, RuntimeError):  # no /proc/vmstat in a sandbox
        return 0


def _line(path: Path) -> str:
    try:
        return path.read_text().strip()
    except OSError:
        return ""
