"""torch.compile with the weights as constants: Inductor folds and prepacks them. Counterpart of torch_script_frozen.

The option `freezing` of torch.compile is a silent no-op in 2.13: Dynamo decides from the global setting at trace time.
"""

from typing import final

import torch._inductor.config

from bakeoff import BuildConfig, Model, Step, Unsupported, Weights
from bakeoff.compilers._inductor import InductorStack
from bakeoff.compilers._torch import TorchProgram

HEADER = {
    "framework": "torch",
    "default": False,
    "disk_cache": True,
    "diagnoses": True,
    "one_time_cost": "inductor",
    "recipe": """
from torch._inductor import config

config.freezing = True
torch._logging.set_logs(graph_breaks=True, recompiles=True)
step = torch.compile(module)  # with fullgraph=True it raises at the first graph break
""",
}


@final
class TorchInductorFrozen(InductorStack):
    """Inductor with freezing."""

    def build(self, model: Model, weights: Weights, config: BuildConfig) -> TorchProgram:
        if config.mode.differentiates:
            raise Unsupported("freezing makes the weights constants, so there is nothing to train")
        return super().build(model, weights, config)

    def compile(self, program: TorchProgram) -> Step:
        torch._inductor.config.freezing = True
        return super().compile(program)


STACK = TorchInductorFrozen()
