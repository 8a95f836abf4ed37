"""Which private APIs of TensorFlow are used? All of them are in this file, to be fixed here when TensorFlow changes one.

Each is looked up by name. Where a name is missing, the cell is unavailable, with one line that names it and the version that is
known to have it.
"""

import importlib
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import tensorflow as tf

from bakeoff import Unavailable

KNOWN = "2.21"


def reach(module: str, name: str) -> Any:
    """`module.name`. Raises Unavailable, with the version, where this TensorFlow does not have it."""
    try:
        return getattr(importlib.import_module(module), name)
    except (ImportError, AttributeError):
        raise Unavailable(
            f"tensorflow {tf.__version__} has no {module}.{name}, which diagnostics are read from "
            f"(known: tensorflow {KNOWN}): pip install 'tensorflow-cpu==2.21.0', or fix compilers/_tf_private.py"
        ) from None


def tracing_s() -> float:
    """Seconds that this process spent tracing Python functions into graphs, AutoGraph included."""
    counter = reach("tensorflow.python.eager.polymorphic_function.tracing_compilation", "_graph_building_time_counter")
    return counter.get_cell().value() / 1e6


def concrete_functions(function: Any) -> list[Any]:
    """The traces of a tf.function, in no particular order."""
    return list(function._list_all_concrete_functions())


def graphs(graph: tf.Graph) -> Iterator[tf.Graph]:
    """A traced graph and the bodies of its branches and loops."""
    yield graph
    for function in getattr(graph, "_functions", {}).values():
        inner = getattr(function, "graph", None)
        if inner is not None:
            yield inner


def xla_operations(device: str) -> frozenset[str]:
    """Types of operations that XLA has a kernel for on this device."""
    name = "get_gpu_kernel_names" if device == "cuda" else "get_cpu_kernel_names"
    return frozenset(reach("tensorflow.python.util.pywrap_xla_ops", name)())


def optimised_graphs(run: Callable[[], Any]) -> list[Any]:
    """GraphDefs after Grappler of the functions that `run` calls for the first time."""
    context = reach("tensorflow.python.eager.context", "context")()
    context.enable_run_metadata()
    try:
        run()
        return [g.post_optimization_graph for g in context.export_run_metadata().function_graphs]
    finally:
        context.disable_run_metadata()


def hlo(serialized: bytes) -> Any:
    """The HloModuleProto in one of XLA's dumps."""
    return reach("tensorflow.compiler.xla.service.hlo_pb2", "HloProto").FromString(serialized).hlo_module


def on_fallback(note: Callable[[Any, Exception], None]) -> None:
    """Call `note(function, error)` for each function that AutoGraph cannot convert and runs unconverted."""
    api = importlib.import_module("tensorflow.python.autograph.impl.api")
    original = reach("tensorflow.python.autograph.impl.api", "_fall_back_unconverted")

    def fall_back(function: Any, args: Sequence[Any], kwargs: Any, options: Any, error: Exception) -> Any:
        note(function, error)
        return original(function, args, kwargs, options, error)

    api._fall_back_unconverted = fall_back
