"""Where and why does a stack refuse a model? In the child, where a refusal is a result and not an error."""

from typing import Any

from bakeoff.authoring.errors import Unsupported
from bakeoff.authoring.protocols import Diagnosable
from bakeoff.authoring.stack import Stack
from bakeoff.records.diagnostics import Diagnostics, merged
from bakeoff.records.trial import Failure, Phase, Status


def result_of_refusal(stack: Stack[Any], program: Any, error: Exception) -> dict[str, Any]:
    """{"diagnostics": Diagnostics, "failure": Failure} if `error` is the stack's refusal; any other error is raised."""
    refusal = stack.refusal(error)
    if not isinstance(refusal, Unsupported):
        raise refusal from error
    breaks = stack.locate_refusal(program, error) if isinstance(stack, Diagnosable) else ()
    found = Diagnostics(graphs=0, captured_share=0.0, breaks=merged(breaks))
    failure = Failure(status=Status.UNSUPPORTED, phase=Phase.COMPILE, error="Unsupported", message=str(refusal))
    return {"diagnostics": found, "failure": failure}
