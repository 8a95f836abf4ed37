"""Which stacks are there? One file, one stack; these are the only files that import a framework at the top.

To add one, write `compilers/NAME.py` (or a file in a folder given by --compilers-from) with a HEADER and `STACK = ...`, an
instance of bakeoff.Stack:

    HEADER = {"framework": "torch", "disk_cache": True, "diagnoses": True, "one_time_cost": "inductor"}

The parent process reads HEADER without importing the file, so it must be a literal. Only "framework" is required.

    framework      the module to import
    eager          True: this framework's baseline, and a possible float64 reference
    default        False: measured only when --stacks names it
    disk_cache     True: a second process can start warm
    diagnoses      True: a child of its own finds where and why the graph breaks (Diagnosable)
    one_time_cost  name of what a machine computes once; stacks with the same name share it (PaysOneTimeCost)
    devices        the only devices that it runs on, such as ["cuda"]
    targets        what it compiles for on a machine without the device: ["cuda", "interpreter"] (CrossCompiles)
    workers        data-parallel: the number of workers, each with the threads of one child
    exported_by    a deployment format (Exportable): the eager stack whose program is exported, and served without the model
    extra          our extra that installs the framework, where it has another name
    recipe         what a user writes by hand, for `bakeoff repro`

A stack of a framework that is here already inherits one of BASES and defines one method, `transform`, wherever its file is:
`from bakeoff.compilers import InductorStack`. See torch_script.py, tf_xla.py, served_onnx_torch.py. A stack of another
framework defines the five abstract methods of bakeoff.Stack, and those of the protocols in bakeoff/authoring/protocols.py that
it can.
"""

from importlib import import_module
from typing import Any

from bakeoff.compilers import _target  # before any framework: PyTorch must find what a target needs when it is loaded

BASES = {
    "TorchStack": "_torch",  # a module on its device, not compiled
    "InductorStack": "_inductor",  # torch.compile: counts graphs, breaks, recompiles
    "TorchScriptStack": "torch_script",
    "TensorFlowStack": "_tensorflow",
    "CapturedStack": "_tf_captured",  # tf.function: counts traces, finds host callbacks
    "XlaStack": "tf_xla",
}

__all__ = ["_target"]


def __getattr__(name: str) -> Any:
    """A base class, imported with its framework on first use (PEP 562)."""
    if name not in BASES:
        raise AttributeError(f"compilers has no {name}; it has: {', '.join(BASES)}")
    return getattr(import_module(f"bakeoff.compilers.{BASES[name]}"), name)
