"""How does a child compile a cell for a target without timing it? Outputs are checked only for the target `interpreter`."""

import time
from dataclasses import replace
from typing import Any

import numpy as np

from bakeoff.authoring.errors import Unsupported
from bakeoff.authoring.protocols import CrossCompiles, Diagnosable
from bakeoff.records.cell import Mode
from bakeoff.records.compile_only import INTERPRETER, CompileOnly
from bakeoff.records.trial import Phase
from bakeoff.system import procfs
from bakeoff.worker import clock, reference, training
from bakeoff.worker.build import build
from bakeoff.worker.job import Job
from bakeoff.worker.refusal import result_of_refusal


def run(job: Job) -> dict[str, Any]:
    """{"compile_only": CompileOnly, "diagnostics": Diagnostics}, or `result_of_refusal` if the stack refuses the model."""
    request, sandbox, enter = job.request, job.sandbox, job.enter
    import_start = time.perf_counter()
    stack = job.load_stack()
    import_s = time.perf_counter() - import_start
    if not isinstance(stack, CrossCompiles):
        raise Unsupported(f"{type(stack).__name__} compiles only for the machine that it runs on")
    sandbox.artifacts.mkdir()
    if isinstance(stack, Diagnosable):
        stack.enable_collectors(sandbox.artifacts)
    enter(Phase.BUILD)
    build_start = time.perf_counter()
    model, _, program, batches = build(request, stack, request.settings.dtype)
    build_s = time.perf_counter() - build_start
    enter(Phase.COMPILE)
    cpu_start = procfs.cpu_s_with_children()
    try:
        step, output, first_call_ns = clock.first_call(
            lambda: stack.compile(program), batches[0], stack.synchronize, clock.monotonic
        )
    except Exception as error:  # it is raised again unless the stack calls it a refusal of the model
        return result_of_refusal(stack, program, error)
    first_call_cpu_s = procfs.cpu_s_with_children() - cpu_start
    before, phases = stack.compilations(program), stack.phases(program)
    parity = None
    if request.settings.target == INTERPRETER:
        enter(Phase.PARITY)
        if request.cell.mode is Mode.INFERENCE:
            outputs = {name: np.array(array, copy=True) for name, array in stack.fetch(output).items()}
            parity = reference.checked(request, model, {0: ("interpreted", outputs)})
        else:
            training_check = training.TrainingCheck(request, stack, model, program)
            training_check.first(output)
            parity, _ = training.checked_training(request, model, training_check, {})
    else:
        stack.synchronize(step(batches[1]))  # a batch of the same shape: nothing should be compiled again
    recompiles = stack.compilations(program) - before
    enter(Phase.DIAGNOSE)
    kernels, found, gaps = stack.target_code(program, request.settings.target)
    made = CompileOnly(
        target=request.settings.target,
        import_s=import_s,
        build_s=build_s,
        first_call_s=first_call_ns / 1e9,
        first_call_cpu_s=first_call_cpu_s,
        kernels=kernels,
        parity=parity,
        gaps=gaps,
    )
    return {"compile_only": made, "diagnostics": replace(found, recompiles=recompiles, phases=phases)}
