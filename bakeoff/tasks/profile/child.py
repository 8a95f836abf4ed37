"""How does a child profile a cell? It runs a few warm steps under the framework's profiler. Their times are not used."""

from pathlib import Path
from typing import Any

from bakeoff.authoring.discovery import shown
from bakeoff.authoring.errors import BakeoffError, Unsupported
from bakeoff.authoring.protocols import Exportable, Profilable
from bakeoff.records.trial import Phase
from bakeoff.system.sandbox import listing
from bakeoff.tasks.profile.record import PROFILED_STEPS
from bakeoff.worker.build import ROTATING, WARM_UP_TURNS, build
from bakeoff.worker.job import Job


def run(job: Job) -> dict[str, Any]:
    """{"files": path in the sandbox's folder for artifacts → bytes, of what the profiler wrote}."""
    request, sandbox, enter, stack = job.request, job.sandbox, job.enter, job.load_stack()
    if isinstance(stack, Exportable):
        raise Unsupported(
            "a framework's profiler cannot see into an exported program: profile the stack that it was exported from"
        )
    if not isinstance(stack, Profilable):
        raise Unsupported(f"{type(stack).__name__} has no profiler")
    folder = sandbox.artifacts
    folder.mkdir()
    profiler = stack.profile(folder)
    enter(Phase.BUILD)
    _, _, program, batches = build(request, stack, request.settings.dtype)
    rotating = batches[:ROTATING]
    enter(Phase.COMPILE)
    try:
        step = stack.compile(program)
        stack.synchronize(step(rotating[0]))
    except Exception as error:  # the stack tells a refusal of the model from other errors
        raise stack.refusal(error) from error
    enter(Phase.WARM_UP)
    for batch in rotating * WARM_UP_TURNS:
        stack.synchronize(step(batch))
    enter(Phase.PROFILE)
    with profiler as mark:
        for number in range(PROFILED_STEPS):
            with mark(number):
                stack.synchronize(step(rotating[number % ROTATING]))
    files = {str(Path(path).relative_to(folder.name)): size for path, size in listing(sandbox.root, (folder.name,)).items()}
    if not files:
        raise BakeoffError(f"the profiler of {shown(request.stack_path)} wrote nothing")
    return {"files": files}
