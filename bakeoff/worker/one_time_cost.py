"""What does a stack cost once per machine, such as a precompiled header? A child pays it; later cells copy its files."""

import time

from bakeoff.authoring.errors import Unsupported
from bakeoff.authoring.protocols import PaysOneTimeCost
from bakeoff.records.trial import Phase
from bakeoff.worker.job import Job


def run(job: Job) -> dict[str, float]:
    """{"wall_s": seconds, without imports}. Raises Unsupported for a stack without a one-time cost."""
    stack = job.load_stack()
    if not isinstance(stack, PaysOneTimeCost):
        raise Unsupported(f"{type(stack).__name__} has no one-time cost")
    job.enter(Phase.COMPILE)
    start = time.perf_counter()
    stack.pay_one_time_cost()
    return {"wall_s": time.perf_counter() - start}
