"""Which facts of this machine could affect a measurement? Read here, judged in doctor.py.

Standard library and psutil. A fact that the kernel does not show, as in a container or a virtual machine, is None or empty.
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

from bakeoff.machine import neighbours
from bakeoff.records.neighbours import Neighbours
from bakeoff.system import procfs
from bakeoff.system.environment import child_cpus, cpu_model

SAMPLED_S = 0.5  # how long other processes are observed
CPU = Path("/sys/devices/system/cpu")
CGROUP = Path("/sys/fs/cgroup")


@dataclass(frozen=True, slots=True)
class Busy:
    """Another process, and the share of one CPU that it uses."""

    pid: int
    name: str
    share: float


@dataclass(frozen=True, slots=True)
class Folder:
    """A folder that is to be written to. `error`: why that is impossible; empty if it is possible."""

    what: str
    path: str
    free_bytes: int
    error: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Facts:
    """The state of the machine at one moment."""

    threads: int  # of each child
    python: tuple[int, ...] = (3, 11, 0)
    versions: Mapping[str, str | None] = field(default_factory=dict)  # framework → version
    compiler: str | None = None  # path of the C++ compiler that Inductor would use
    compiler_version: str = ""
    cxx: str = ""  # the environment variable CXX
    cpu: str = ""  # model name
    cores: int = 1  # CPUs of the machine
    affinity: int = 1  # CPUs that this process may use
    quota: float | None = None  # CPUs that the control group allows; None: no limit
    siblings: int = 0  # CPUs of a child that share their core with another CPU, as the kernel says
    neighbours: Neighbours | None = None  # None: there is only one CPU, or it could not be measured
    neighbours_unknown: str = ""  # why it could not be measured
    governors: tuple[str, ...] = ()  # of frequency scaling
    driver: str = ""  # of frequency scaling
    turbo: bool | None = None
    clock: str = ""  # clock source of the kernel
    battery: bool = False  # is the machine running on battery?
    load_1min: float = 0.0
    busy_cpus: float = 0.0  # CPUs that other processes kept busy during SAMPLED_S
    busiest: tuple[Busy, ...] = ()  # at most three of these processes
    steal: float = 0.0  # share of all CPU time that the hypervisor gave to other machines
    virtual: bool = False  # is this a virtual machine?
    memory_bytes: int = 0
    available_bytes: int = 0
    swap_bytes: int = 0  # in use
    pressure: Mapping[str, float] = field(default_factory=dict)  # cpu, memory, io → see _pressure
    folders: Sequence[Folder] = ()
    variables: Mapping[str, str] = field(default_factory=dict)  # the user's environment
    children: Mapping[str, str] = field(default_factory=dict)  # variables that children get in any case, with their values
    one_time_cost: bool | None = None  # has Inductor's been paid here? None: no stack needs it


def read(
    threads: int,
    *,
    versions: Mapping[str, str | None],
    compiler: str | None,
    folders: Mapping[str, Path],
    children: Mapping[str, str],
    one_time_cost: bool | None,
) -> Facts:
    """Read all facts. Takes SAMPLED_S seconds, and what neighbours.py takes.

    `folders`: purpose → folder that will be written to. The other arguments are fields of Facts.
    """
    busiest, busy, steal = _sampled()
    unknown: list[str] = []
    measured = neighbours.of_this_machine(child_cpus(threads), unknown.append)
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
        neighbours=measured,
        neighbours_unknown=" ".join(unknown),
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
    """The first line that the C++ compiler prints for --version; empty if it prints none."""
    if path is None:
        return ""
    try:
        text = subprocess.run([path, "--version"], capture_output=True, text=True, timeout=10, check=True).stdout
    except (OSError, subprocess.SubprocessError):
        return ""
    return text.splitlines()[0] if text else ""


def _folders(wanted: Mapping[str, Path]) -> list[Folder]:
    """Each folder, judged by itself or by the nearest parent that exists. Nothing is written."""
    found = []
    for what, path in {**wanted, "temporary files": Path(tempfile.gettempdir())}.items():
        existing = next(p for p in (path, *path.parents) if p.exists())
        error = "" if existing.is_dir() else f"{existing} is not a folder"
        if not error and not os.access(existing, os.W_OK | os.X_OK):  # also detects a read-only file system
            error = f"no permission to write to {existing}"
        found.append(Folder(what, str(path), shutil.disk_usage(existing).free, error))
    return found


def _sampled() -> tuple[tuple[Busy, ...], float, float]:
    """(other processes that use most CPU time, CPUs that others keep busy, stolen share of all CPU time) during SAMPLED_S."""
    others = {p.pid: p for p in psutil.process_iter() if p.pid != os.getpid()}
    before = {pid: _used(p) for pid, p in others.items()}
    machine, own, start = psutil.cpu_times(), sum(os.times()[:2]), time.monotonic()
    time.sleep(SAMPLED_S)
    took = time.monotonic() - start
    after, own = psutil.cpu_times(), sum(os.times()[:2]) - own
    spent = {name: getattr(after, name) - getattr(machine, name) for name in machine._fields}
    total = sum(value for name, value in spent.items() if not name.startswith("guest")) or 1.0
    idle = spent["idle"] + spent.get("iowait", 0.0)
    shares = []
    for pid, process in others.items():
        used, had = _used(process), before[pid]
        if used is not None and had is not None and (share := (used[1] - had[1]) / took) >= 0.05:
            shares.append(Busy(pid, used[0], share))
    busy = max(0.0, total - idle - spent.get("steal", 0.0) - own) / took
    return tuple(sorted(shares, key=lambda one: -one.share)[:3]), busy, spent.get("steal", 0.0) / total


def _used(process: psutil.Process) -> tuple[str, float] | None:
    """(name, CPU seconds so far) of a process; None if it has ended or may not be read."""
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
    """Is this a virtual machine? An x86 processor reports it as a flag; other machines are known by their maker's name."""
    maker = _line(Path("/sys/class/dmi/id/sys_vendor")) + _line(Path("/sys/class/dmi/id/product_name"))
    known = ("QEMU", "KVM", "VMware", "VirtualBox", "Xen", "Virtual Machine", "Google Compute", "Amazon EC2", "Firecracker")
    flags = next((line for line in Path("/proc/cpuinfo").read_text().splitlines() if line.startswith("flags")), "")
    return "hypervisor" in flags.split() or any(name in maker for name in known)


def _pressure(resource: str) -> float | None:
    """The share of the last 10 s in which some task waited for the resource (pressure stall information)."""
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
