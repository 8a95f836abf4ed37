"""How much of a step does Python still dispatch? Operations that PyTorch's profiler sees outside compiled graphs."""

from collections.abc import Callable
from typing import Any

import torch

# overhead of the compiled code, not operations of the program
OWN = ("Pregraph bytecode", "AOTDispatcher Runtime Wrapper Prologue", "TorchDynamo Cache Lookup")


def dispatched(run: Callable[[], Any]) -> tuple[int, int]:
    """How many outermost ATen operations `run` runs (outside, inside) compiled graphs, by PyTorch's profiler."""
    with torch.profiler.profile(activities=[torch.profiler.ProfilerActivity.CPU]) as profile:
        run()

    def count(event: Any, inside: bool) -> tuple[int, int]:
        if event.name.startswith("aten::"):
            return (0, 1) if inside else (1, 0)
        if event.name in OWN:
            return (0, 0)
        inside = inside or event.name.startswith("## Call CompiledFxGraph")
        parts = [count(child, inside) for child in event.cpu_children]
        return sum(a for a, _ in parts), sum(b for _, b in parts)

    totals = [count(event, False) for event in profile.events() if event.cpu_parent is None]
    return sum(a for a, _ in totals), sum(b for _, b in totals)
