"""torch.compile: Dynamo captures, AOTAutograd differentiates, Inductor emits C++ on a CPU and Triton on a GPU."""

from typing import final

from bakeoff.compilers._inductor import InductorStack

HEADER = {
    "framework": "torch",
    "disk_cache": True,
    "diagnoses": True,
    "one_time_cost": "inductor",
    "targets": ["cuda", "interpreter"],
    "recipe": """
torch._logging.set_logs(graph_breaks=True, recompiles=True)
step = torch.compile(module)  # with fullgraph=True it raises at the first graph break
""",
}


@final
class TorchInductor(InductorStack):
    """Default options: no autotuning, no CUDA graphs, weights as inputs of the generated code."""


STACK = TorchInductor()
