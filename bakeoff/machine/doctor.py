"""What on this machine would disturb a measurement, and how is it fixed? Pure functions from facts to findings.

`bad`: results would be wrong or missing. `warn`: they would be noisier, or not comparable with those of other machines.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from enum import StrEnum

from bakeoff.machine.host import Facts, Folder
from bakeoff.records.neighbours import SLOWED, named
from bakeoff.system.environment import RECORDED

GIB = 2**30
OLDEST, NEWEST = (3, 11), (3, 13)
MOST_LOAD = 0.5  # number of other running tasks that is accepted
MUCH_BUSY = 0.25  # CPUs that other processes may use
MEMORY_LIMITS = (1 * GIB, 2 * GIB)  # bad, warn; importing a framework takes 0.5 GiB before anything is compiled
DISK = (GIB // 2, 2 * GIB)  # bad, warn; files of a one-time cost take 150 MiB, a sandbox as much, a saved run some MiB
SWAP = 64 * 2**20
PRESSURE = {"cpu": (0.25, 0.05), "memory": (0.10, 0.01), "io": (0.60, 0.20)}  # shares of the last 10 s: bad, warn
STEAL = (0.10, 0.01)  # shares of all CPU time: bad, warn
GOOD_CLOCKS = ("", "tsc", "arch_sys_counter", "kvm-clock", "hyperv_clocksource_tsc_page")
# variables that change speed and are not recorded with each trial (RECORDED in bakeoff/system/environment.py are)
UNRECORDED = ("LD_PRELOAD", "MALLOC_", "GLIBC_TUNABLES", "PYTHONMALLOC", "PYTHONDEVMODE", "PYTHONOPTIMIZE", "KERAS_BACKEND")


class Mark(StrEnum):
    """How serious is a finding? A word, since a terminal may have no colours."""

    OK = "ok"
    WARN = "warn"
    BAD = "bad"


@dataclass(frozen=True, slots=True)
class Finding:
    """One line of `bakeoff doctor`. `fix`: what to do about it; empty if nothing."""

    mark: Mark
    about: str
    message: str
    fix: str = ""

    def __str__(self) -> str:
        return f"{self.mark:<4}  {self.about}: {self.message}" + (f"; {self.fix}" if self.fix else "")


def examine(facts: Facts) -> list[Finding]:
    """All findings, in the order in which to fix them."""
    judges: Sequence[Callable[[Facts], Iterator[Finding]]] = (
        _software, _compiler, _cpus, _neighbours, _frequency, _others, _memory, _virtual, _folders, _variables, _one_time_cost
    )  # fmt: skip
    return [finding for judge in judges for finding in judge(facts)]


def _software(facts: Facts) -> Iterator[Finding]:
    message = ".".join(map(str, facts.python))
    if OLDEST <= facts.python[:2] <= NEWEST:
        yield Finding(Mark.OK, "Python", message)
    else:
        yield Finding(Mark.BAD, "Python", f"{message} is not supported", "use 3.11 to 3.13")
    missing = [name for name, version in facts.versions.items() if version is None]
    for name, version in facts.versions.items():
        if version is not None:
            yield Finding(Mark.OK, name, version)
        else:
            mark = Mark.BAD if len(missing) == len(facts.versions) else Mark.WARN
            fix = f"pip install '.[{name}]', or --interpreter {name}=PATH"
            yield Finding(mark, name, "not installed: its cells will be unavailable", fix)


def _compiler(facts: Facts) -> Iterator[Finding]:
    if facts.compiler is not None:
        yield Finding(Mark.OK, "C++ compiler", f"{facts.compiler_version or 'unknown version'} ({facts.compiler})")
    elif facts.cxx:
        yield Finding(Mark.BAD, "C++ compiler", f"CXX names {facts.cxx}, which cannot be run", "name another one, or unset CXX")
    else:
        fix = "apt-get install g++, or name one in CXX"
        yield Finding(Mark.WARN, "C++ compiler", "none: Inductor's cells will be unavailable", fix)


def _cpus(facts: Facts) -> Iterator[Finding]:
    message = (
        f"{facts.cpu or 'unknown model'}, {facts.cores} CPUs, {facts.affinity} of them usable, {facts.threads} for a child"
    )
    granted = facts.affinity if facts.quota is None else min(facts.affinity, facts.quota)
    if facts.threads > facts.affinity:
        yield Finding(Mark.BAD, "CPUs", message, f"--threads {facts.affinity}")
    elif facts.threads > granted:
        what = f"{message}; the control group allows {facts.quota:g}, and pauses children that use more"
        fix = f"--threads {int(granted)}" if granted >= 1 else "raise its quota (cpu.max) to 1 or more"
        yield Finding(Mark.BAD, "CPUs", what, fix)
    elif facts.threads + 1 > granted:
        fix = "omit --threads: the default is one less" if granted >= 2 else "use a machine with two CPUs"
        yield Finding(Mark.WARN, "CPUs", f"{message}: none is left for other processes", fix)
    else:
        yield Finding(Mark.OK, "CPUs", message)
    if facts.siblings:
        what = f"{facts.siblings} of a child's CPUs share their core with another CPU, whose load slows them"
        yield Finding(Mark.WARN, "SMT", what, "echo off > /sys/devices/system/cpu/smt/control, as root")


def _neighbours(facts: Facts) -> Iterator[Finding]:
    found = facts.neighbours
    if facts.neighbours_unknown:
        yield Finding(Mark.WARN, "neighbours", facts.neighbours_unknown, "wait until the machine is calm")
    if found is None:
        return
    compare = "compare by ratios of one run or bakeoff ab, not by seconds of different runs"
    for sentence in found.sentences():
        yield Finding(Mark.WARN, "neighbours", sentence, f"keep that CPU idle while measuring; {compare}")
    low, high = found.alone_s
    took = f"{1e3 * low:.1f} to {1e3 * high:.1f} ms"
    if not found.shared:
        others = named([other.cpu for other in found.others])
        left = f"; not tried: {named(found.left_out)}" if found.left_out else ""
        yield Finding(
            Mark.OK, "neighbours", f"keeping {others} busy did not slow a loop on CPU {found.cpu} just now ({took}){left}"
        )
    if high >= SLOWED * low:
        what = f"alone, the loop on CPU {found.cpu} took {took} of CPU time"
        why = "other work shares its core for some of the time, or its frequency changes"
        yield Finding(Mark.WARN, "neighbours", f"{what}: {why}", compare)


def _frequency(facts: Facts) -> Iterator[Finding]:
    names = ", ".join(facts.governors)
    set_it = "cpupower frequency-set --governor performance, as root"
    if "powersave" in facts.governors and "pstate" not in facts.driver:
        yield Finding(Mark.BAD, "frequency", f"governor {names} keeps the lowest frequency", set_it)
    elif facts.governors and facts.governors != ("performance",):
        yield Finding(Mark.WARN, "frequency", f"governor {names} adapts to the load with a delay", set_it)
    elif facts.governors:
        yield Finding(Mark.OK, "frequency", f"governor {names}")
    if facts.turbo is not None:
        what = "on: the frequency falls when the processor gets warm" if facts.turbo else "off"
        fix = "echo 1 > /sys/devices/system/cpu/intel_pstate/no_turbo, or echo 0 > .../cpufreq/boost, as root"
        yield Finding(Mark.WARN if facts.turbo else Mark.OK, "turbo", what, fix if facts.turbo else "")
    if facts.battery:
        yield Finding(Mark.WARN, "power", "on battery: the processor is slowed down", "plug it in")
    if facts.clock not in GOOD_CLOCKS:
        what = f"reading {facts.clock} takes long, which adds to short steps"
        yield Finding(Mark.WARN, "clock", what, "echo tsc > /sys/devices/system/clocksource/clocksource0/current_clocksource")


def _others(facts: Facts) -> Iterator[Finding]:
    message = f"load {facts.load_1min:.1f} in the last minute on {facts.cores} CPUs"
    spare = facts.cores - facts.threads
    wait = "wait, or compare with bakeoff ab, which measures in pairs"
    if facts.load_1min >= facts.cores:
        yield Finding(Mark.BAD, "load", message, wait)
    elif facts.load_1min > max(MOST_LOAD, spare):
        yield Finding(Mark.WARN, "load", f"{message}, of which a child needs {facts.threads}", wait)
    else:
        yield Finding(Mark.OK, "load", message)
    names = ", ".join(f"{one.name} (process {one.pid}) {one.share:.0%} of a CPU" for one in facts.busiest)
    message = f"{facts.busy_cpus:.1f} CPUs busy just now" + (f": {names}" if names else "")
    if facts.busy_cpus > spare + MUCH_BUSY:
        yield Finding(Mark.BAD, "others", f"{message}; children would have to share their CPUs", "end them, or wait")
    elif facts.busy_cpus > MUCH_BUSY:
        yield Finding(Mark.WARN, "others", message, "end them, or wait")
    else:
        yield Finding(Mark.OK, "others", message)
    for name, share in facts.pressure.items():
        mark = _mark(share, PRESSURE[name])
        fix = "" if mark is Mark.OK else "wait until it is lower"
        yield Finding(mark, f"{name} pressure", f"some task waited during {share:.0%} of the last 10 s", fix)


def _memory(facts: Facts) -> Iterator[Finding]:
    free = facts.available_bytes
    message = f"{free / GIB:.1f} GiB free of {facts.memory_bytes / GIB:.1f}"
    mark = Mark.BAD if free < MEMORY_LIMITS[0] else Mark.WARN if free < MEMORY_LIMITS[1] else Mark.OK
    fix = "end processes that use much: a child that needs more than 90% of the free memory is stopped as `out of memory`"
    yield Finding(mark, "memory", message, "" if mark is Mark.OK else fix)
    if facts.swap_bytes > SWAP:
        what = f"{facts.swap_bytes / GIB:.2f} GiB in use: reading memory back from swap slows steps"
        yield Finding(Mark.WARN, "swap", what, "swapoff -a and swapon -a, as root, when enough memory is free")
    else:
        yield Finding(Mark.OK, "swap", f"{facts.swap_bytes >> 20} MiB in use")


def _virtual(facts: Facts) -> Iterator[Finding]:
    mark = _mark(facts.steal, STEAL)
    if facts.virtual and mark is Mark.OK:
        what = "yes: other machines on the same host share caches and memory bandwidth, and cannot be seen from here"
        yield Finding(Mark.WARN, "virtual machine", what, "--trials 5 shows the noise; bakeoff ab compares in spite of it")
    if facts.virtual or mark is not Mark.OK:
        fix = "" if mark is Mark.OK else "wait, or use a machine that is not shared"
        yield Finding(mark, "steal", f"the hypervisor gives {facts.steal:.1%} of the CPU time to other machines", fix)


def _folders(facts: Facts) -> Iterator[Finding]:
    for folder in facts.folders:
        yield _folder(folder)


def _folder(folder: Folder) -> Finding:
    if folder.error:
        return Finding(Mark.BAD, folder.what, f"{folder.path}: {folder.error}", "name another folder, or make it writable")
    message = f"{folder.free_bytes / GIB:.1f} GiB free in {folder.path}"
    mark = Mark.BAD if folder.free_bytes < DISK[0] else Mark.WARN if folder.free_bytes < DISK[1] else Mark.OK
    return Finding(mark, folder.what, message, "" if mark is Mark.OK else "free some space there")


def _variables(facts: Facts) -> Iterator[Finding]:
    """Names without values: a value may be secret."""
    known = [name for name in sorted(facts.variables) if name.startswith((*RECORDED, *UNRECORDED))]
    overridden = [n for n in known if n in facts.children and facts.children[n] != facts.variables[n]]
    recorded = [n for n in known if n not in facts.children and n.startswith(RECORDED)]
    unrecorded = [n for n in known if n not in facts.children and not n.startswith(RECORDED)]
    if overridden:
        message = ", ".join(f"{name} ({facts.children[name] or 'empty'})" for name in overridden)
        yield Finding(Mark.OK, "variables", f"set here, and overridden for children: {message}")
    if recorded:
        what = f"children inherit them, and each trial records them: {', '.join(recorded)}"
        yield Finding(Mark.WARN, "variables", what, "unset what you do not want to measure")
    if unrecorded:
        what = f"children inherit them, and no trial records them: {', '.join(unrecorded)}"
        yield Finding(Mark.WARN, "variables", what, "unset them")
    if not known:
        yield Finding(Mark.OK, "variables", "no variable that changes the results is set")


def _one_time_cost(facts: Facts) -> Iterator[Finding]:
    if facts.one_time_cost is not None:
        message = "paid" if facts.one_time_cost else "not yet paid: the first run pays it before any cell is timed"
        yield Finding(Mark.OK, "one-time cost of Inductor", message)


def _mark(share: float, limits: tuple[float, float]) -> Mark:
    return Mark.BAD if share >= limits[0] else Mark.WARN if share >= limits[1] else Mark.OK
