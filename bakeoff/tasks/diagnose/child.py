"""What does the diagnosing child do? It compiles and runs the program once more, untimed, with collectors enabled."""

from dataclasses import replace
from pathlib import Path
from typing import Any

from bakeoff.authoring.errors import Unsupported
from bakeoff.authoring.protocols import Diagnosable
from bakeoff.records.diagnostics import merged
from bakeoff.records.trial import Phase
from bakeoff.tasks.diagnose import effects
from bakeoff.worker.build import ROTATING, WARM_UP_TURNS, build
from bakeoff.worker.job import Job
from bakeoff.worker.refusal import result_of_refusal


def run(job: Job) -> dict[str, Any]:
    """{"diagnostics": Diagnostics, "failure": Failure | None}; if the stack refuses the model, it has both."""
    request, enter, stack = job.request, job.enter, job.load_stack()
    if not isinstance(stack, Diagnosable):
        raise Unsupported(f"{type(stack).__name__} cannot be diagnosed")
    job.sandbox.artifacts.mkdir()
    stack.enable_collectors(job.sandbox.artifacts)
    enter(Phase.BUILD)
    _, _, program, batches = build(request, stack, request.settings.dtype)
    enter(Phase.COMPILE)
    try:
        step = stack.compile(program)
        for batch in (*batches[:ROTATING] * WARM_UP_TURNS, *batches[ROTATING:]):
            stack.synchronize(step(batch))
    except Exception as error:  # `refused` raises it again unless the stack calls it a refusal of the model
        return result_of_refusal(stack, program, error)
    enter(Phase.DIAGNOSE)
    found = stack.diagnose(program, step, batches[0])
    eager = stack.step_without_compiler(program)
    lost = effects.lost(eager, step, batches[0], Path(request.model_path), getattr(program, "module", None))
    return {"diagnostics": replace(found, breaks=merged((*found.breaks, *lost))), "failure": None}
