"""In the diagnosing child: the same program once more, untimed and with collectors on."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

from bakeoff.authoring.discovery import load_stack
from bakeoff.authoring.errors import Unsupported
from bakeoff.authoring.protocols import Diagnosable
from bakeoff.authoring.stack import Stack
from bakeoff.records.diagnostics import Diagnostics, merged
from bakeoff.records.request import Request
from bakeoff.records.trial import Failure, Phase, Status
from bakeoff.system.sandbox import Sandbox
from bakeoff.tasks.diagnose import effects
from bakeoff.worker.build import ROTATING, build

WARM_UP_TURNS = 5  # of the rotating batches: as many steps as the timed child's shortest warm-up


def refused(stack: Stack[Any], program: Any, error: Exception) -> dict[str, Any]:
    """A stack's refusal of the model, with where and why; any other exception is raised again."""
    refusal = stack.refusal(error)
    if not isinstance(refusal, Unsupported):
        raise refusal from error
    breaks = stack.locate_refusal(program, error) if isinstance(stack, Diagnosable) else ()
    found = Diagnostics(graphs=0, captured_share=0.0, breaks=merged(breaks))
    said = Failure(status=Status.UNSUPPORTED, phase=Phase.COMPILE, error="Unsupported", message=str(refusal))
    return {"diagnostics": found, "failure": said}


def diagnosis(request: Request, private: Sandbox, enter: Callable[[Phase], None]) -> dict[str, Any]:
    """{"diagnostics": Diagnostics, "failure": Failure | None}; a refusal of the model is a finding, not an error."""
    stack = load_stack(Path(request.stack_path))
    if not isinstance(stack, Diagnosable):
        raise Unsupported(f"{type(stack).__name__} cannot be diagnosed")
    private.artifacts.mkdir()
    stack.enable_collectors(private.artifacts)
    enter(Phase.BUILD)
    _, _, program, batches = build(request, stack, request.settings.dtype)
    enter(Phase.COMPILE)
    try:
        step = stack.compile(program)
        for batch in (*batches[:ROTATING] * WARM_UP_TURNS, *batches[ROTATING:]):
            stack.synchronize(step(batch))
    except Exception as error:  # the stack says whether that is a refusal; else it is raised again
        return refused(stack, program, error)
    enter(Phase.DIAGNOSE)
    found = stack.diagnose(program, step, batches[0])
    eager = stack.step_without_compiler(program)
    lost = effects.lost(eager, step, batches[0], Path(request.model_path), getattr(program, "module", None))
    return {"diagnostics": replace(found, breaks=merged((*found.breaks, *lost))), "failure": None}
