"""Does `bakeoff doctor` find what is bad about a machine, and say how to fix it? On invented machines."""

from dataclasses import replace
from typing import Any

import pytest

from bakeoff.machine.doctor import Finding, Mark, examine
from bakeoff.machine.host import Busy, Facts, Folder
from bakeoff.records.neighbours import Neighbour, Neighbours

GIB = 2**30
QUIET = Facts(
    threads=3,
    python=(3, 12, 1),
    versions={"torch": "2.13.0", "tensorflow": "2.21.0"},
    compiler="/usr/bin/g++",
    compiler_version="g++ 13.2",
    cpu="Example 9000",
    cores=4,
    affinity=4,
    governors=("performance",),
    driver="acpi-cpufreq",
    turbo=False,
    clock="tsc",
    memory_bytes=16 * GIB,
    available_bytes=12 * GIB,
    pressure={"cpu": 0.0, "memory": 0.0, "io": 0.0},
    folders=(Folder("runs", "/here/.bakeoff", 50 * GIB),),
    one_time_cost=True,
)


def neighbours(slowdown: float, slowest: float = 0.004) -> Neighbours:
    """CPU 1 beside CPU 0, in ten rounds that take 4 ms alone, and two that take `slowest`."""
    alone = (0.004,) * 10 + (slowest,) * 2
    beside = tuple(slowdown * s for s in alone)
    other = Neighbour(cpu=0, before_s=alone, beside_s=beside, after_s=alone)
    return Neighbours(cpu=1, others=(other,), threads_per_core=1)


def of(about: str, **changes: Any) -> list[Finding]:
    return [finding for finding in examine(replace(QUIET, **changes)) if finding.about == about]


def only(about: str, **changes: Any) -> Finding:
    (finding,) = of(about, **changes)
    return finding


def test_a_quiet_machine_is_fine() -> None:
    assert {finding.mark for finding in examine(QUIET)} == {Mark.OK}
    assert str(only("frequency")) == "ok    frequency: governor performance"


@pytest.mark.parametrize(
    ("about", "changes", "mark", "fix"),
    [
        ("Python", {"python": (3, 10, 2)}, Mark.BAD, "3.11"),
        ("tensorflow", {"versions": {"torch": "2.13.0", "tensorflow": None}}, Mark.WARN, "pip install '.[tensorflow]'"),
        ("torch", {"versions": {"torch": None, "tensorflow": None}}, Mark.BAD, "pip install '.[torch]'"),
        ("C++ compiler", {"compiler": None}, Mark.WARN, "apt-get install g++"),
        ("C++ compiler", {"compiler": None, "cxx": "icpc"}, Mark.BAD, "unset CXX"),
        ("CPUs", {"threads": 8}, Mark.BAD, "--threads 4"),
        ("CPUs", {"threads": 4}, Mark.WARN, "the default is one less"),
        ("CPUs", {"quota": 1.5}, Mark.BAD, "--threads 1"),
        ("CPUs", {"quota": 0.5, "threads": 1}, Mark.BAD, "cpu.max"),
        ("CPUs", {"cores": 1, "affinity": 1, "threads": 1}, Mark.WARN, "two CPUs"),
        ("SMT", {"siblings": 2}, Mark.WARN, "smt/control"),
        ("neighbours", {"neighbours": neighbours(1.9)}, Mark.WARN, "bakeoff ab"),
        ("neighbours", {"neighbours_unknown": "a child ended early"}, Mark.WARN, "wait"),
        ("frequency", {"governors": ("powersave",)}, Mark.BAD, "cpupower"),
        ("frequency", {"governors": ("powersave",), "driver": "intel_pstate"}, Mark.WARN, "cpupower"),
        ("frequency", {"governors": ("performance", "schedutil")}, Mark.WARN, "cpupower"),
        ("turbo", {"turbo": True}, Mark.WARN, "no_turbo"),
        ("power", {"battery": True}, Mark.WARN, "plug it in"),
        ("clock", {"clock": "hpet"}, Mark.WARN, "echo tsc"),
        ("load", {"load_1min": 7.9}, Mark.BAD, "bakeoff ab"),
        ("load", {"load_1min": 1.2}, Mark.WARN, "wait"),
        ("others", {"busy_cpus": 2.5, "busiest": (Busy(12, "indexer", 0.9),)}, Mark.BAD, "end them"),
        ("others", {"busy_cpus": 0.9, "busiest": (Busy(12, "indexer", 0.9),)}, Mark.WARN, "end them"),
        ("cpu pressure", {"pressure": {"cpu": 0.4}}, Mark.BAD, "wait"),
        ("memory pressure", {"pressure": {"memory": 0.02}}, Mark.WARN, "wait"),
        ("memory", {"available_bytes": GIB // 2}, Mark.BAD, "90%"),
        ("memory", {"available_bytes": 3 * GIB // 2}, Mark.WARN, "90%"),
        ("swap", {"swap_bytes": GIB}, Mark.WARN, "swapoff"),
        ("virtual machine", {"virtual": True}, Mark.WARN, "bakeoff ab"),
        ("steal", {"virtual": True, "steal": 0.2}, Mark.BAD, "wait"),
        ("runs", {"folders": (Folder("runs", "/r", 50 * GIB, "no permission to write to /r"),)}, Mark.BAD, "make it writable"),
        ("runs", {"folders": (Folder("runs", "/r", GIB // 4),)}, Mark.BAD, "free some space"),
        ("runs", {"folders": (Folder("runs", "/r", GIB),)}, Mark.WARN, "free some space"),
        ("variables", {"variables": {"TF_ENABLE_ONEDNN_OPTS": "0"}}, Mark.WARN, "unset"),
        ("variables", {"variables": {"LD_PRELOAD": "x.so"}}, Mark.WARN, "unset"),
    ],
)
def test_what_is_not_fine_is_marked_and_fixed(about: str, changes: dict[str, Any], mark: Mark, fix: str) -> None:
    finding = only(about, **changes)
    assert finding.mark is mark
    assert fix in finding.fix
    assert str(finding).startswith(f"{mark:<4}  {about}: ")
    assert fix not in " ".join(found.fix for found in of(about))  # on the quiet machine there is nothing to fix


def test_the_busiest_processes_are_named() -> None:
    assert "indexer (process 12) 90% of a CPU" in only("others", busy_cpus=0.9, busiest=(Busy(12, "indexer", 0.9),)).message


def test_variables_are_classified_and_their_values_not_shown() -> None:
    mine = {"OMP_NUM_THREADS": "16", "MKL_NUM_THREADS": "3", "TORCHINDUCTOR_FREEZING": "secret", "HOME": "/root"}
    children = {"OMP_NUM_THREADS": "3", "MKL_NUM_THREADS": "3"}
    ours, kept = of("variables", variables=mine, children=children)
    assert (ours.mark, kept.mark) == (Mark.OK, Mark.WARN)
    assert ours.message.endswith("OMP_NUM_THREADS (3)")
    assert kept.message.endswith("TORCHINDUCTOR_FREEZING")
    assert "secret" not in str(kept)


def test_the_one_time_cost_is_reported_if_a_stack_needs_it() -> None:
    assert "not yet paid" in only("one-time cost of Inductor", one_time_cost=False).message
    assert of("one-time cost of Inductor", one_time_cost=None) == []


def test_cpus_that_share_a_core_are_named() -> None:
    found = only("neighbours", neighbours=neighbours(1.9)).message
    assert found.startswith("CPU 1 shares a core with CPU 0: a loop on CPU 1 takes 1.9 times as long while CPU 0 is busy")
    calm = only("neighbours", neighbours=neighbours(1.02))
    assert (calm.mark, calm.message) == (Mark.OK, "keeping CPU 0 busy did not slow a loop on CPU 1 just now (4.0 to 4.0 ms)")
    left = replace(neighbours(1.0), left_out=(2, 3))
    assert only("neighbours", neighbours=left).message.endswith("; not tried: CPUs 2 and 3")


def test_a_loop_that_is_slow_alone_is_reported() -> None:
    """Its core has other work that this machine cannot see, such as another virtual machine's."""
    calm, restless = of("neighbours", neighbours=neighbours(1.0, slowest=0.008))
    assert (calm.mark, restless.mark) == (Mark.OK, Mark.WARN)
    assert "alone, the loop on CPU 1 took 4.0 to 8.0 ms of CPU time" in restless.message
