"""Is every planted fault (false results, crashes, hangs) detected and reported with the right status?"""

import re
from collections.abc import Callable

import pytest

from bakeoff.analysis.metrics import METRICS
from bakeoff.analysis.results import CellResult
from bakeoff.records.trial import TIMED, Phase, Status
from bakeoff.records.turns import ROUNDS
from tests.support.planting import FAKES, ROOMS, left_behind, planted, room_of

# fault → status, and words that its reason must hold
FAULTS = {
    "Eager": (Status.OK, ""),
    "Compiler": (Status.OK, ""),
    "Asynchronous": (Status.ERROR, "returned before its work was done"),
    "Lazy": (Status.ERROR, "returned before its work was done"),
    "AsynchronousHonest": (Status.OK, ""),
    "WrongOutput": (Status.WRONG, "timed batch"),
    "WrongShape": (Status.WRONG, "another shape, or is not finite"),
    "NotANumber": (Status.WRONG, "another shape, or is not finite"),
    "WrongOnSecondBatch": (Status.WRONG, "batch"),
    "WrongOnUnseen": (Status.WRONG, "held-out batch"),
    "CachesFirst": (Status.WRONG, "batch"),
    "CachesByContent": (Status.ERROR, "cached between calls"),
    "RecompilesWhileTimed": (Status.RECOMPILED, "while it was timed"),
    "CachesTinyWork": (Status.ERROR, "cached between calls"),
    "LazyTinyWork": (Status.ERROR, "returned before its work was done"),
    "CompilesForValues": (Status.RECOMPILED, "of the same shape with other values"),
    "CountsNoCompilations": (Status.ERROR, "nothing was ever compiled"),
    "ReusesItsBuffer": (Status.OK, ""),
    "StallsNowAndThen": (Status.UNSTEADY, "by the program's own doing"),
    "SlowAndSlower": (Status.UNSTEADY, "step time changed"),
    "TakesAllCores": (Status.ERROR, "CPUs instead of 1"),
    "StartsThreads": (Status.ERROR, "reports {'intra_op': 16} threads"),
    "ReturnsNumpyCounts": (Status.OK, ""),
    "LeavesADaemon": (Status.OK, ""),
    "KillsItselfOddly": (Status.CRASH, "in phase compile"),
    "NeverSettles": (Status.UNSTEADY, "step time changed"),
    "Leaks": (Status.UNSTEADY, "memory grew"),
    "SleepsInBuild": (Status.OK, ""),
    "HitsACache": (Status.ERROR, "took 1 compilations from a cache"),
    "Segfaults": (Status.CRASH, "SIGSEGV in phase compile"),
    "ExitsEarly": (Status.CRASH, "exit 3 in phase compile"),
    "Hangs": (Status.TIMEOUT, "in phase compile"),
    "HangsStubbornly": (Status.TIMEOUT, "in phase compile"),
    "PrintsGarbage": (Status.OK, ""),
    "EatsMemory": (Status.OUT_OF_MEMORY, "the limit is 1.0 GiB"),
    "HoldsMemory": (Status.OK, ""),
    "RaisesMemoryError": (Status.OUT_OF_MEMORY, "no 17 GiB here"),
    "KilledByKernel": (Status.CRASH, "SIGKILL"),
    "RaisesInBuild": (Status.ERROR, "planted in build"),
    "RaisesInCompile": (Status.ERROR, "planted in compile"),
    "RaisesInFirstStep": (Status.ERROR, "planted in first step"),
    "RaisesInWarmUp": (Status.ERROR, "planted in warm-up"),
    "RaisesInTiming": (Status.ERROR, "planted in timing"),
    "RaisesInFetch": (Status.ERROR, "planted in fetch"),
    "RaisesInDiagnose": (Status.ERROR, "planted in diagnose"),
    "ExitsWithSystemExit": (Status.ERROR, "SystemExit"),
    "SpinsAfterItsSlice": (Status.ERROR, "worked out of turn"),
    "CompilesInTheBackground": (Status.ERROR, "worked out of turn"),
    "WorksAhead": (Status.ERROR, "worked out of turn"),
    "HangsInASlice": (Status.TIMEOUT, "in phase timing"),
    "KilledInASlice": (Status.CRASH, "SIGKILL in phase timing"),
}
DISTURBING = ("SpinsAfterItsSlice", "CompilesInTheBackground", "WorksAhead", "HangsInASlice", "KilledInASlice")
HIDDEN_BY_COMPANY = ("StallsNowAndThen", "NeverSettles", "CachesByContent", "CachesTinyWork")
PHASES = {
    "RaisesInBuild": Phase.BUILD,
    "RaisesInCompile": Phase.COMPILE,
    "RaisesInFirstStep": Phase.COMPILE,
    "RaisesInWarmUp": Phase.WARM_UP,
    "RaisesInTiming": Phase.TIMING,
    "RaisesInFetch": Phase.TIMING,  # outputs are fetched before the next step may overwrite them
    "RaisesInDiagnose": Phase.DIAGNOSE,
}


@pytest.fixture(scope="module")
def results(
    measure_fakes: Callable[..., dict[str, CellResult]], tmp_path_factory: pytest.TempPathFactory
) -> dict[str, CellResult]:
    hang, slow, short = ("Hangs", "HangsStubbornly"), ("SlowAndSlower",), ("CachesByContent", "CachesTinyWork")
    apart = (*hang, *slow, *short, *DISTURBING)
    stacks = planted(tmp_path_factory.mktemp("faults"), *(fault for fault in FAULTS if fault not in apart))
    hanging = measure_fakes(*planted(tmp_path_factory.mktemp("hang"), *hang), timeout_s=4.0)  # others may need longer
    # its steps are long, and all others would wait for them
    slowing = measure_fakes(*planted(tmp_path_factory.mktemp("slow"), *slow), timeout_s=60.0)
    # what changes in one of two processes is noise, to which steps of a microsecond are exposed
    caching = measure_fakes(*planted(tmp_path_factory.mktemp("short"), *short), trials=2)
    return {**measure_fakes(*stacks, timeout_s=60.0, memory_limit_bytes=2**30), **hanging, **slowing, **caching}


LIMIT_S = 6.0


@pytest.fixture(scope="module")
def disturbed(
    measure_fakes: Callable[..., dict[str, CellResult]], tmp_path_factory: pytest.TempPathFactory
) -> dict[str, CellResult]:
    """Of a group with two correct stacks, the first and the last one to start."""
    folder = tmp_path_factory.mktemp("disturbed")
    return measure_fakes(*planted(folder, "Compiler", *DISTURBING, "Eager"), timeout_s=LIMIT_S)


@pytest.mark.parametrize("fault", FAULTS)
def test_fault_is_named(results: dict[str, CellResult], disturbed: dict[str, CellResult], fault: str) -> None:
    result = (disturbed if fault in DISTURBING else results)[fault.lower()]
    status, words = FAULTS[fault]
    if (
        status is Status.OK and result.status is Status.UNSTEADY
    ):  # a noisy minute; test_most_correct_stacks_become_steady bounds it
        return
    # by rule, not for want of a check: test_summary and test_steady have it with seconds that are given
    hidden = fault in HIDDEN_BY_COMPANY and result.status in TIMED and not result.trust.speed_can_be_compared
    if hidden and result.status is not status:
        pytest.skip(
            "another process had its CPU: nobody can say whose doing a stall is, nor tell a drift or a cache from the noise"
        )
    assert (result.status, result.reason if result.status != status else "") == (status, "")
    assert words in result.reason


@pytest.mark.parametrize("stack", ["compiler", "eager"])
def test_what_one_member_of_a_group_does_is_not_held_against_the_others(disturbed: dict[str, CellResult], stack: str) -> None:
    """Its own time limit stops the one that hangs, and those that wait for it keep theirs."""
    result = disturbed[stack]
    assert result.status in TIMED, result.reason
    assert len(result.measurements[0].slices) == ROUNDS
    assert result.measurements[0].out_of_turn is not None
    assert result.measurements[0].out_of_turn.wall_s > LIMIT_S or stack == "eager"
    assert result.trials[0].wall_s < LIMIT_S


def test_most_correct_stacks_become_steady(results: dict[str, CellResult]) -> None:
    honest = [results[fault.lower()].status for fault, (status, _) in FAULTS.items() if status is Status.OK]
    assert honest.count(Status.OK) * 3 > len(honest) * 2, honest


@pytest.mark.parametrize("fault", PHASES)
def test_failure_names_its_phase_and_place(results: dict[str, CellResult], fault: str) -> None:
    failure = results[fault.lower()].trials[0].failure
    assert failure is not None
    assert failure.phase is PHASES[fault]
    assert f"{room_of(fault)}.py" in failure.traceback


def test_work_is_timed_to_its_end(results: dict[str, CellResult]) -> None:
    """An asynchronous stack that is synchronised shows its true time."""
    assert results["asynchronoushonest"].step_s > 0.02


def test_build_is_no_compile_time(results: dict[str, CellResult]) -> None:
    slow = results["sleepsinbuild"]
    assert slow.measurements[0].build_s > 0.7
    assert 0.04 < slow.compile_s < 0.7


def test_memory_is_what_was_planted_in_every_trial(
    measure_fakes: Callable[..., dict[str, CellResult]], tmp_path_factory: pytest.TempPathFactory
) -> None:
    stacks = planted(tmp_path_factory.mktemp("memory"), "Compiler", "HoldsMemory")
    found = measure_fakes(*stacks, trials=3)
    without, held = (
        METRICS["steady_peak"].value(found["compiler"]),
        [m.memory.steady_peak_bytes for m in found["holdsmemory"].measurements],
    )
    assert without is not None
    baseline = found["holdsmemory"].trials[0].baseline_bytes
    assert baseline is not None
    assert [(peak - baseline - without) / 2**20 for peak in held] == pytest.approx([256] * 3, rel=0.03)


def test_no_descendant_survives(results: dict[str, CellResult]) -> None:
    assert results
    assert not left_behind()


def test_every_fault_is_planted() -> None:
    """A fake stack that no test measures would be a fault that no test detects."""
    elsewhere = {"NoOp", "WarmsUpFor60Steps", "CachesOnDisk", "HangsIfTold"}  # test_clock.py and test_session.py
    elsewhere |= {"Diagnosed", "CountsAnotherBreak", "DiesInDiagnosis", "HangsInDiagnosis", "Refuses", "CompilesPerShape"}
    elsewhere |= {"Knob", "CountsKernels"}  # test_pairs.py
    elsewhere |= {"CachesAndHangsIfTold", "RaisesMemoryErrorOnce"}  # test_session.py and test_groups.py
    classes = {
        name for room in ROOMS for name in re.findall(r"^class (\w+)\(", (FAKES / f"{room}.py").read_text(), re.MULTILINE)
    }
    assert classes == set(FAULTS) | elsewhere
