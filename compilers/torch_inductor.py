"""torch.compile: Dynamo captures, AOTAutograd differentiates, Inductor emits C++ on a CPU and Triton on a GPU."""

from typing import final

from compilers._inductor import InductorStack

FRAMEWORK = "torch"
DISK_CACHE = True
DIAGNOSES = True
TOOLCHAIN = "inductor"


@final
class TorchInductor(InductorStack):
    """Default options: no autotuning, no CUDA graphs, weights as inputs of the generated code."""


STACK = TorchInductor()
