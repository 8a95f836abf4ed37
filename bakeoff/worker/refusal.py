"""In the child: a stack's refusal of a model is a finding, with where and why."""

from typing import Any

from bakeoff.authoring.errors import Unsupported
from bakeoff.authoring.protocols import Diagnosable
from bakeoff.authoring.stack import Stack
from bakeoff.records.diagnostics import Diagnostics, merged
from bakeoff.records.trial import Failure, Phase, Status


def refused(stack: Stack[Any], program: Any, error: Exception) -> dict[str, Any]:
    """A stack's refusal of the model, with where and why; any other exception is raised again."""
    refusal = stack.refusal(error)
    if not isinstance(refusal, Unsupported):
        raise refusal from error
    breaks = stack.locate_refusal(program, error) if isinstance(stack, Diagnosable) else ()
    found = Diagnostics(graphs=0, captured_share=0.0, breaks=merged(breaks))
    said = Failure(status=Status.UNSUPPORTED, phase=Phase.COMPILE, error="Unsupported", message=str(refusal))
    return {"diagnostics": found, "failure": said}
