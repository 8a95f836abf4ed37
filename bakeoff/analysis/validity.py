"""Can the values of a trial be trusted? Judged by what the trial recorded, by the rules of docs/methodology.md. Pure."""

from statistics import fmean, median

from bakeoff.analysis.steady import Steadiness
from bakeoff.records.compile_only import INTERPRETER
from bakeoff.records.diagnostics import Diagnostics
from bakeoff.records.measurement import Measurement, Parity
from bakeoff.records.trial import Start, Status, Trial

MOST_MEAN_OVER_MEDIAN = 1.5
MOST_OUT_OF_TURN = 0.05  # CPU time of a member of a group between its slices, as a share of that in its slices
LEAST_OUT_OF_TURN_S = 0.05  # never less than this: asking for a turn takes 0.2 ms, a hundred times
HOUSEKEEPING = 0.01  # besides, as a share of the wall time: the threads of two idle workers used 0.7 %
FLOOR_S = 10e-6  # differences below it are the clock's and the processor caches'


def of_trial(trial: Trial) -> tuple[Status, str]:
    """What one trial alone says."""
    if trial.failure is not None:
        return trial.failure.status, trial.failure.message
    if trial.compile_only is not None:
        return _wrong(trial.compile_only.parity) if trial.compile_only.target == INTERPRETER else (Status.OK, "")
    measurement = trial.measurement
    if measurement is None:
        return Status.ERROR, "the child's result holds neither a measurement nor a failure"
    status, reason = _wrong(measurement.parity)
    if status is not Status.OK:
        return status, reason
    diagnostics = trial.diagnostics or Diagnostics()
    hits = diagnostics.cache_hits
    if hits and trial.start is Start.COLD:
        return Status.ERROR, f"a cold trial took {hits} compilations from a cache"
    if hits == 0 and trial.start is Start.WARM:
        return Status.ERROR, "it took nothing from the caches that the cold trial left"
    moved = measurement.recompiled_while_timed
    if moved:
        return Status.RECOMPILED, f"compiled {moved} more time{'s' * (moved > 1)} while it was timed"
    moved = measurement.compiled_for_held_out
    if moved:
        return (
            Status.RECOMPILED,
            f"compiled {moved} more time{'s' * (moved > 1)} for batches of the same shape with other values",
        )
    if diagnostics.graphs is not None and not measurement.compilations_after:
        return Status.ERROR, "the stack captured graphs, but its compile counter says that nothing was ever compiled"
    return _threads(measurement)


def out_of_turn(measurement: Measurement) -> str:
    """Evidence that a member of a group worked while others were compiled or timed, which slowed them down; empty if not."""
    idle, own = measurement.out_of_turn, sum(one.cpu_s for one in measurement.slices)
    if idle is None:
        return ""
    found = []
    if idle.before_cpu_s > LEAST_OUT_OF_TURN_S + HOUSEKEEPING * idle.before_wall_s:
        found.append(f"{idle.before_cpu_s:.2f} s of CPU time in {idle.before_wall_s:.1f} s in which others were compiled")
    share = MOST_OUT_OF_TURN * own
    if idle.cpu_s > max(LEAST_OUT_OF_TURN_S, share) + min(HOUSEKEEPING * idle.wall_s, share):
        found.append(
            f"{idle.cpu_s:.2f} s of CPU time in {idle.wall_s:.1f} s in which others were timed ({own:.2f} s in its own turns)"
        )
    causes = "a thread pool that spins, a compilation in the background, or work done ahead of time"
    return f"worked out of turn: it used {' and '.join(found)}; causes are {causes}" if found else ""


def _wrong(parity: Parity | None) -> tuple[Status, str]:
    """What the outputs say."""
    if parity is None or not parity.checks:
        return Status.ERROR, "there is no float64 reference to check the outputs against"
    if parity.holds:
        return Status.OK, ""
    worst = parity.worst
    output = f"{worst.output} of {worst.when} batch {worst.batch}"
    if worst.error is None:
        return Status.WRONG, f"{output} is missing, has another shape, or is not finite where the reference is"
    if worst.tolerance is not None:
        return Status.WRONG, f"{output} is off by {worst.error:.2g} of the reference's norm; tolerance {worst.tolerance:.2g}"
    return Status.WRONG, f"{output} is off by {worst.error:.2g} of the largest reference value; tolerance {parity.tolerance:g}"


def _threads(measurement: Measurement) -> tuple[Status, str]:
    """Did the child keep to the threads that every cell of the run gets?"""
    threads, spent = measurement.threads, measurement.contention
    if threads.affinity != threads.requested:
        return Status.ERROR, f"the child may use {threads.affinity} CPUs instead of {threads.requested}"
    reported = {name: count for name, count in threads.reported.items() if count > threads.requested}
    if reported:
        return Status.ERROR, f"the framework reports {reported} threads where {threads.requested} were asked for"
    if spent.cpu_s > 1.15 * threads.requested * spent.wall_s:
        return Status.ERROR, f"used {spent.cpu_s / spent.wall_s:.1f} CPUs while timed where {threads.requested} were asked for"
    return Status.OK, ""


def stalls(measurement: Measurement, steadiness: Steadiness) -> str:
    """Why the median hides occasional steps that are slow by the program's own CPU time; empty if it does not."""
    samples, spent = steadiness.samples(measurement), measurement.contention
    ratio = fmean(samples) / median(samples)
    if ratio > MOST_MEAN_OVER_MEDIAN and spent.cpu_s > 0.9 * spent.wall_s:
        return f"some steps stall, by the program's own doing: the mean step is {ratio:.1f} times the median"
    return ""


def returned_early(measurement: Measurement, steadiness: Steadiness) -> str:
    """Evidence that the step returned before its work was done, steady or not; empty if there is none."""
    step_s, late = median(steadiness.samples(measurement)), measurement.sync_check
    if late.fetch_s > 0.5 * step_s and late.fetch_s > 10 * late.copy_s + FLOOR_S:
        took = f"fetching its output took {late.fetch_s * 1e3:.2f} ms, copying it {late.copy_s * 1e3:.2f} ms"
        return f"the step returned before its work was done: {took}"
    return ""


def cached(measurement: Measurement, steadiness: Steadiness) -> str:
    """Evidence that a steady step returns a stored result; empty if there is none."""
    step_s = median(steadiness.samples(measurement))
    held_out = min(measurement.held_out_step_s)
    # a training step from the start finds its parameters written anew, and in no processor cache
    if held_out > (10 if measurement.losses else 3) * step_s + FLOOR_S:
        return f"results are cached between calls: a held-out batch took {held_out / step_s:.0f} times as long"
    return ""
