"""What on this machine would disturb a measurement, and how is it fixed? Pure: facts → a finding each.

`bad`: figures would be wrong, or there would be none. `warn`: they would be noisier, or not comparable with others.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from enum import StrEnum

from bakeoff.machine.host import Facts, Folder
from bakeoff.system.environment import RECORDED

GIB = 2**30
OLDEST, NEWEST = (3, 11), (3, 13)
MOST_LOAD = 0.5  # tasks that may want a CPU beside the children
MUCH_BUSY = 0.25  # of a CPU, taken by others
MEMORY_LIMITS = (1 * GIB, 2 * GIB)  # a child that imports a framework holds half a GiB before it compiles
DISK = (GIB // 2, 2 * GIB)  # a one-time cost has 150 MiB, a sandbox as much, saved runs some MiB each
SWAP = 64 * 2**20
PRESSURE = {"cpu": (0.25, 0.05), "memory": (0.10, 0.01), "io": (0.60, 0.20)}  # shares of the last 10 s: bad, warn
STEAL = (0.10, 0.01)
GOOD_CLOCKS = ("", "tsc", "arch_sys_counter", "kvm-clock", "hyperv_clocksource_tsc_page")
# beside those that are recorded with each trial (bakeoff/system/environment.py)
UNRECORDED = ("LD_PRELOAD", "MALLOC_", "GLIBC_TUNABLES", "PYTHONMALLOC", "PYTHONDEVMODE", "PYTHONOPTIMIZE", "KERAS_BACKEND")


class Mark(StrEnum):
    """How bad is it? As a word, since colours may be missing."""

    OK = "ok"
    WARN = "warn"
    BAD = "bad"


@dataclass(frozen=True, slots=True)
class Finding:
    """One line. `fix`: what to do, if anything is to be done."""

    mark: Mark
    about: str
    message: str
    fix: str = ""

    def __str__(self) -> str:
        return f"{self.mark:<4}  {self.about}: {self.message}" + (f"; {self.fix}" if self.fix else "")


def examine(facts: Facts) -> list[Finding]:
    """All findings, in the order in which one would fix them."""
    judges: Sequence[Callable[[Facts], Iterator[Finding]]] = (
        _software, _compiler, _cpus, _frequency, _others, _memory, _virtual, _folders, _variables, _one_time_cost
    )  # fmt: skip
    return [finding for judge in judges for finding in judge(facts)]


def _software(facts: Facts) -> Iterator[Finding]:
    message = ".".join(map(str, facts.python))
    if OLDEST <= facts.python[:2] <= NEWEST:
        yield Finding(Mark.OK, "Python", message)
    else:
        yield Finding(Mark.BAD, "Python", f"{message} is not one that Bakeoff is made for", "take 3.11 to 3.13")
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
        yield Finding(Mark.OK, "C++ compiler", f"{facts.compiler_version or 'of unknown version'} ({facts.compiler})")
    elif facts.cxx:
        yield Finding(Mark.BAD, "C++ compiler", f"CXX names {facts.cxx}, which cannot be run", "name another one, or unset CXX")
    else:
        fix = "apt-get install g++, or name one in CXX"
        yield Finding(Mark.WARN, "C++ compiler", "none: Inductor's cells will be unavailable", fix)


def _cpus(facts: Facts) -> Iterator[Finding]:
    message = (
        f"{facts.cpu or 'of unknown make'}, {facts.cores} CPUs, {facts.affinity} of them ours, {facts.threads} for a child"
    )
    granted = facts.affinity if facts.quota is None else min(facts.affinity, facts.quota)
    if facts.threads > facts.affinity:
        yield Finding(Mark.BAD, "CPUs", message, f"--threads {facts.affinity}")
    elif facts.threads > granted:
        what = f"{message}; the control group grants {facts.quota:g} and would stop children for the rest of each period"
        fix = f"--threads {int(granted)}" if granted >= 1 else "raise its quota (cpu.max) to 1 or more"
        yield Finding(Mark.BAD, "CPUs", what, fix)
    elif facts.threads + 1 > granted:
        fix = "leave it out: the default is one less" if granted >= 2 else "a machine with two CPUs"
        yield Finding(Mark.WARN, "CPUs", f"{message}: none is left for whatever else runs", fix)
    else:
        yield Finding(Mark.OK, "CPUs", message)
    if facts.siblings:
        what = f"{facts.siblings} of a child's CPUs share their core with another one, whose work slows them"
        yield Finding(Mark.WARN, "SMT", what, "echo off > /sys/devices/system/cpu/smt/control, as root")


def _frequency(facts: Facts) -> Iterator[Finding]:
    names = ", ".join(facts.governors)
    set_it = "cpupower frequency-set --governor performance, as root"
    if "powersave" in facts.governors and "pstate" not in facts.driver:
        yield Finding(Mark.BAD, "frequency", f"governor {names} holds the lowest one", set_it)
    elif facts.governors and facts.governors != ("performance",):
        yield Finding(Mark.WARN, "frequency", f"governor {names} follows the load, with a delay", set_it)
    elif facts.governors:
        yield Finding(Mark.OK, "frequency", f"governor {names}")
    if facts.turbo is not None:
        what = "on: the clock falls as the processor warms" if facts.turbo else "off"
        fix = "echo 1 > /sys/devices/system/cpu/intel_pstate/no_turbo, or echo 0 > .../cpufreq/boost, as root"
        yield Finding(Mark.WARN if facts.turbo else Mark.OK, "turbo", what, fix if facts.turbo else "")
    if facts.battery:
        yield Finding(Mark.WARN, "power", "on battery: the processor is held back", "plug it in")
    if facts.clock not in GOOD_CLOCKS:
        what = f"{facts.clock} takes long to read, which short steps pay for"
        yield Finding(Mark.WARN, "clock", what, "echo tsc > /sys/devices/system/clocksource/clocksource0/current_clocksource")


def _others(facts: Facts) -> Iterator[Finding]:
    message = f"load {facts.load_1min:.1f} in the last minute on {facts.cores} CPUs"
    spare = facts.cores - facts.threads
    wait = "wait, or measure in pairs: bakeoff ab"
    if facts.load_1min >= facts.cores:
        yield Finding(Mark.BAD, "load", message, wait)
    elif facts.load_1min > max(MOST_LOAD, spare):
        yield Finding(Mark.WARN, "load", f"{message}, of which children want {facts.threads}", wait)
    else:
        yield Finding(Mark.OK, "load", message)
    names = ", ".join(f"{one.name} (process {one.pid}) {one.share:.0%} of a CPU" for one in facts.busiest)
    message = f"{facts.busy_cpus:.1f} CPUs busy just now" + (f": {names}" if names else "")
    if facts.busy_cpus > spare + MUCH_BUSY:
        yield Finding(Mark.BAD, "others", f"{message}; children would have to share theirs", "end them, or wait")
    elif facts.busy_cpus > MUCH_BUSY:
        yield Finding(Mark.WARN, "others", message, "end them, or wait")
    else:
        yield Finding(Mark.OK, "others", message)
    for name, share in facts.pressure.items():
        mark = _mark(share, PRESSURE[name])
        fix = "" if mark is Mark.OK else "wait until it is less"
        yield Finding(mark, f"{name} pressure", f"some task waited for {share:.0%} of the last 10 s", fix)


def _memory(facts: Facts) -> Iterator[Finding]:
    free = facts.available_bytes
    message = f"{free / GIB:.1f} GiB free of {facts.memory_bytes / GIB:.1f}"
    mark = Mark.BAD if free < MEMORY_LIMITS[0] else Mark.WARN if free < MEMORY_LIMITS[1] else Mark.OK
    fix = "end what holds it: children may have nine tenths of what is free, or are `out of memory`"
    yield Finding(mark, "memory", message, "" if mark is Mark.OK else fix)
    if facts.swap_bytes > SWAP:
        what = f"{facts.swap_bytes / GIB:.2f} GiB in use: what is fetched back takes its time from steps"
        yield Finding(Mark.WARN, "swap", what, "swapoff -a and swapon -a, as root, once there is room")
    else:
        yield Finding(Mark.OK, "swap", f"{facts.swap_bytes >> 20} MiB in use")


def _virtual(facts: Facts) -> Iterator[Finding]:
    mark = _mark(facts.steal, STEAL)
    if facts.virtual and mark is Mark.OK:
        what = "yes: neighbours that we cannot see share caches and memory bandwidth"
        yield Finding(Mark.WARN, "virtual machine", what, "--trials 5 shows it, bakeoff ab lives with it")
    if facts.virtual or mark is not Mark.OK:
        fix = "" if mark is Mark.OK else "wait, or take a machine of one's own"
        yield Finding(mark, "steal", f"the hypervisor gave {facts.steal:.1%} of the CPU time to others just now", fix)


def _folders(facts: Facts) -> Iterator[Finding]:
    for folder in facts.folders:
        yield _folder(folder)


def _folder(folder: Folder) -> Finding:
    if folder.error:
        return Finding(Mark.BAD, folder.what, f"{folder.path}: {folder.error}", "name another folder, or make it yours")
    message = f"{folder.free_bytes / GIB:.1f} GiB free in {folder.path}"
    mark = Mark.BAD if folder.free_bytes < DISK[0] else Mark.WARN if folder.free_bytes < DISK[1] else Mark.OK
    return Finding(mark, folder.what, message, "" if mark is Mark.OK else "make room there")


def _variables(facts: Facts) -> Iterator[Finding]:
    """Names only: nobody knows what is in them."""
    known = [name for name in sorted(facts.variables) if name.startswith((*RECORDED, *UNRECORDED))]
    ours = [n for n in known if n in facts.children and facts.children[n] != facts.variables[n]]
    kept = [n for n in known if n not in facts.children and n.startswith(RECORDED)]
    quiet = [n for n in known if n not in facts.children and not n.startswith(RECORDED)]
    if ours:
        message = ", ".join(f"{name} ({facts.children[name] or 'empty'})" for name in ours)
        yield Finding(Mark.OK, "variables", f"set here, and what children get all the same: {message}")
    if kept:
        what = f"children get them and each trial records them: {', '.join(kept)}"
        yield Finding(Mark.WARN, "variables", what, "unset what you do not want to measure")
    if quiet:
        what = f"children get them, and no trial records them: {', '.join(quiet)}"
        yield Finding(Mark.WARN, "variables", what, "unset them")
    if not known:
        yield Finding(Mark.OK, "variables", "none is set that would change what is measured")


def _one_time_cost(facts: Facts) -> Iterator[Finding]:
    if facts.one_time_cost is not None:
        message = "paid" if facts.one_time_cost else "not yet paid: the first run does, before any cell is timed"
        yield Finding(Mark.OK, "Inductor's once-per-machine cost", message)


def _mark(share: float, limits: tuple[float, float]) -> Mark:
    return Mark.BAD if share >= limits[0] else Mark.WARN if share >= limits[1] else Mark.OK
