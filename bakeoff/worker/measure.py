"""How is one cell measured? In the child: build, compile, warm up, time, check, read counters, in this order."""

import gc
import math
import os
import time
from collections.abc import Mapping
from contextlib import nullcontext
from dataclasses import replace
from functools import partial
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np

from bakeoff.authoring.model import Arrays, Draw, Model
from bakeoff.authoring.protocols import Exportable
from bakeoff.authoring.stack import Stack, Step
from bakeoff.records.cell import Mode
from bakeoff.records.measurement import Caches, Contention, Measurement, Memory, SyncCheck, Threads
from bakeoff.records.request import Request
from bakeoff.records.trial import Phase
from bakeoff.records.turns import Answers, Asks
from bakeoff.system import procfs
from bakeoff.system.device_lock import DeviceLock
from bakeoff.worker import clock, reference, training
from bakeoff.worker.build import ROTATING, build
from bakeoff.worker.job import Job
from bakeoff.worker.shipped import Shipped
from bakeoff.worker.training import TrainingCheck
from bakeoff.worker.turns import Turns

ITEMSIZE = {"float64": 8, "float32": 4, "float16": 2, "bfloat16": 2}


def run(job: Job) -> dict[str, Any]:
    """{"measurement": Measurement, "diagnostics": Diagnostics} of the job's cell."""
    request, sandbox, found, enter = job.request, job.sandbox, job.found, job.enter
    settings, now = request.settings, clock.monotonic
    import_start = time.perf_counter()
    stack = job.load_stack()
    if isinstance(stack, Exportable):
        stack.import_runtime()
    import_s = time.perf_counter() - import_start

    def fetch(output: Any) -> Arrays:
        """Outputs by name, copied: the stack may reuse an output's buffer for the next one."""
        return {name: np.array(array, copy=True) for name, array in stack.fetch(output).items()}

    enter(Phase.BUILD)
    served = Shipped.read(Path(request.artifact)) if request.artifact else None
    build_start = time.perf_counter()
    model, weights_bytes, program, batches = build(request, stack, settings.dtype, served)
    rotating, held_out = batches[:ROTATING], batches[ROTATING:]
    build_s = time.perf_counter() - build_start
    built_bytes = procfs.resident_bytes()
    device = DeviceLock.inherited()
    turns = Turns.inherited(device)
    at_once = turns is not None and turns.reach(Asks.BUILT) is Answers.TOGETHER

    enter(Phase.COMPILE)
    procfs.reset_peak()
    cpu_start = procfs.cpu_s_with_children()
    try:
        with stack.measuring(device.alone) if device.path else nullcontext():
            step, output, first_call_ns = clock.first_call(lambda: stack.compile(program), rotating[0], stack.synchronize, now)
    except Exception as error:  # of any type: the stack decides whether it is a refusal; it is raised again
        raise stack.refusal(error) from error
    first_call_ns -= round(1e9 * device.waited_s)
    first_call_cpu_s = procfs.cpu_s_with_children() - cpu_start
    compile_peak = procfs.peak_bytes()
    compiled_once = stack.compilations(program)
    phases = stack.phases(program)
    training_check = TrainingCheck(request, stack, model, program) if request.cell.mode is not Mode.INFERENCE else None
    if training_check is not None:
        training_check.first(output)
    del output

    enter(Phase.WARM_UP)
    if turns is not None:
        turns.reach(Asks.COMPILED)
    device.take()
    follow = training_check.follow if training_check is not None else lambda output: None
    warmup = clock.warm_up(step, rotating, stack.synchronize, lambda: stack.compilations(program), now, follow)

    enter(Phase.TIMING)
    gc.disable()  # garbage collection is not part of a step; off for all stacks
    before = stack.compilations(program)
    threads_before, switches, pressure = procfs.thread_cpu_s(), procfs.involuntary_switches(), procfs.pressure_s()
    procfs.reset_peak()
    wall, cpu = time.perf_counter(), time.process_time()
    budget_ns = int(settings.timed_s * 1e9)
    waits = procfs.CpuWait()
    timed = clock.timed_steps(
        step,
        rotating,
        stack.synchronize,
        step_ns=clock.typical_ns(warmup),
        budget_ns=budget_ns,
        cap_ns=10 * budget_ns,
        read=clock.Readings(
            usage=lambda: (time.process_time_ns(), waits.ns()),
            resident=procfs.resident_bytes,
            peak=procfs.peak_bytes,
            fetch=fetch,
        ),
        clock=now,
        turns=turns,
    )
    wall, cpu = time.perf_counter() - wall, time.process_time() - cpu
    if turns is not None:
        for idle in (turns.before, turns.between):
            wall, cpu = wall - idle.wall_s, cpu - idle.own_cpu_s
    pressure_after = procfs.pressure_s()
    switches = procfs.involuntary_switches() - switches
    busy = _busy(threads_before, procfs.thread_cpu_s(), wall)
    after = stack.compilations(program)
    if turns is not None:
        turns.finish()
    step_ns = clock.typical_ns(timed.sample_ns) / timed.steps_per_sample
    device_step_s = clock.device_steps(step, rotating, partial(stack.device_s, program), step_ns)

    enter(Phase.PARITY)
    sync_check = _sync_check(stack, step, rotating)
    outputs = {index: ("timed", arrays) for index, arrays in timed.outputs.items()}
    held_out_ns = []
    for index, batch in enumerate(held_out, start=ROTATING):
        if training_check is not None:
            training_check.restart()
        elif step_ns < clock.AWAKE_NS:  # copying outputs since the last step took as long as many steps
            clock.untimed_steps(step, rotating, stack.synchronize, step_ns)
        waited_ns, spent_ns, start = waits.ns(), time.process_time_ns(), now()
        output = step(batch)
        stack.synchronize(output)
        took_ns, spent_ns = now() - start, time.process_time_ns() - spent_ns
        waited_ns = waits.ns() - waited_ns if settings.device == "cpu" else 0  # a GPU continues while the thread waits
        held_out_ns.append(clock.without_waiting(took_ns, waited_ns, spent_ns, settings.threads))
        if training_check is not None:
            training_check.first(output)
        else:
            outputs[index] = ("held-out", fetch(output))
    device.leave()
    after_held_out = stack.compilations(program)
    if training_check is not None:
        parity_, reference_losses = training.checked_training(request, model, training_check, timed.outputs)
    else:
        parity_, reference_losses = reference.checked(request, model, outputs), ()

    enter(Phase.DIAGNOSE)
    diagnostics = stack.counters(program)
    recompiles = None if diagnostics.graphs is None else before - compiled_once
    left = {path: size for path, size in sandbox.files().items() if path not in found}
    measured = Measurement(
        import_s=None if job.loaded is not None else import_s,
        build_s=build_s,
        first_call_s=first_call_ns / 1e9,
        first_call_cpu_s=first_call_cpu_s,
        warmup_s=tuple(ns / 1e9 for ns in warmup),
        step_s=tuple(ns / 1e9 / timed.steps_per_sample for ns in timed.sample_ns),
        steps_per_sample=timed.steps_per_sample,
        held_out_step_s=tuple(ns / 1e9 for ns in held_out_ns),
        items_per_step=model.items_per_step,
        item=model.item,
        flops=model.flops(),
        moved_bytes=_moved(request, model, weights_bytes, outputs),
        compilations_before=before,
        compilations_after=after,
        compilations_held_out=after_held_out,
        memory=Memory(
            built_bytes=built_bytes,
            compile_peak_bytes=compile_peak,
            steady_peak_bytes=timed.peak,
            timed_bytes=tuple(timed.resident[:: max(1, len(timed.resident) // clock.SEGMENTS)]),
            weights_bytes=weights_bytes,
            device_peak_bytes=stack.device_peak_bytes(),
        ),
        parity=parity_,
        sync_check=sync_check,
        contention=Contention(
            wall_s=wall,
            cpu_s=cpu,
            involuntary_switches=switches,
            load_1min=os.getloadavg()[0],
            pressure_s=None if pressure is None or pressure_after is None else pressure_after - pressure,
        ),
        threads=Threads(
            requested=settings.threads * (stack.workers or 1),
            affinity=len(os.sched_getaffinity(0)),
            reported=stack.read_threads(),
            busy=busy,
        ),
        caches=Caches(
            found_files=len(found),
            found_bytes=sum(found.values()),
            left_files=len(left),
            left_bytes=sum(left.values()),
        ),
        notes=(*stack.notes, *device.notes),
        device_step_s=tuple(device_step_s),
        slices=tuple(timed.slices),
        out_of_turn=None if turns is None else turns.out_of_turn(),
        alternated=turns is not None,
        compiled_at_once=at_once,  # even if the others have died afterwards
        losses=tuple(loss if math.isfinite(loss) else None for loss in training_check.losses)
        if training_check is not None
        else (),
        reference_losses=reference_losses,
    )
    return {"measurement": measured, "diagnostics": replace(diagnostics, recompiles=recompiles, phases=phases)}


def _moved(request: Request, model: Model, weights_bytes: int, outputs: Mapping[int, tuple[str, Arrays]]) -> int | None:
    """Bytes that a step must read and write at least: Model.moved, or each weight, input and output once."""
    itemsize = ITEMSIZE[request.settings.dtype]
    counted = model.moved(itemsize)
    if counted is not None or model.flops() is None or request.cell.mode is not Mode.INFERENCE:
        return counted
    inputs = sum(array.nbytes for array in model.batch(Draw(request.settings.seed, 1, 0), 0).inputs)
    output = sum(array.nbytes for array in outputs[0][1].values())
    return weights_bytes * itemsize // ITEMSIZE["float32"] + inputs + output


def _sync_check(stack: Stack[Any], step: Step, batches: list[Any]) -> SyncCheck:
    """Times, after synchronising, of fetching an output (the fastest of three) and of copying it (their median)."""
    fetches, copies = [], []
    for k in range(3):
        output = step(batches[k % len(batches)])
        stack.synchronize(output)
        start = time.perf_counter()
        arrays = stack.fetch(output)
        fetches.append(time.perf_counter() - start)
        start = time.perf_counter()
        for value in arrays.values():
            np.array(value, copy=True)
        copies.append(time.perf_counter() - start)
    return SyncCheck(fetch_s=min(fetches), copy_s=median(copies))


def _busy(before: dict[str, float], after: dict[str, float], wall_s: float) -> int:
    """How many threads used more than 5 % of `wall_s`; `before` and `after`: thread → CPU seconds."""
    return sum(1 for thread, used in after.items() if used - before.get(thread, 0.0) > 0.05 * wall_s)
