"""The stacks: one file, one stack; the only place with framework imports at the top.

To add one, write `compilers/NAME.py` with `STACK = ...` (a bakeoff.Stack) and literals that the parent reads without
importing the file: FRAMEWORK (the module to import), and where they hold EAGER = True (this framework's baseline),
DISK_CACHE = True (a second process can start warm), DIAGNOSES = True (a second child can tell where and why it breaks),
TOOLCHAIN = "name" (a cost paid once per machine), RECIPE = "..." (what a user writes by hand, for repro), DEFAULT = False
(only when --stacks names it), DEVICES = "cuda" (where alone it runs), TARGETS = "cuda interpreter" (what it compiles for where
that is not at hand), EXPORTED_BY = "torch_eager" (a deployment format: a program of that stack is exported, and served without
the model's code; test_deploy asks of it), EXTRA = "deploy" (our extra that installs FRAMEWORK, where it has another name),
WORKERS = 2 (a data-parallel stack: each worker gets a child's threads).

A leaf of an existing framework fills one hole, `transform`, of one of the BASES, wherever its file lies:
`from compilers import InductorStack`. See torch_script.py, tf_xla.py, served_onnx_torch.py. A framework of its own fills those
of bakeoff.Stack; to train it tells its state after a step, and can be put back to the start.
"""

from importlib import import_module
from typing import Any

from bakeoff.compilers import _target  # before any framework: what a target needs must be there when PyTorch is loaded

BASES = {
    "TorchStack": "_torch",  # a module on its device; nothing is captured
    "InductorStack": "_inductor",  # torch.compile: counts graphs, breaks, recompiles
    "TorchScriptStack": "torch_script",
    "TensorFlowStack": "_tensorflow",
    "CapturedStack": "_tf_captured",  # tf.function: counts traces, finds host callbacks
    "XlaStack": "tf_xla",
}

__all__ = ["_target"]


def __getattr__(name: str) -> Any:
    """A base, whose file imports its framework, when it is asked for (PEP 562)."""
    if name not in BASES:
        raise AttributeError(f"compilers has no {name}; it has: {', '.join(BASES)}")
    return getattr(import_module(f"bakeoff.compilers.{BASES[name]}"), name)
