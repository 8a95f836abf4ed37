"""Every private API of PyTorch that Bakeoff reads, in one place: when PyTorch moves one, it is mended here.

Each is looked up by name; where a name is gone, the cell is unavailable with one line that says which name and which
versions are known to have it.
"""

import gc
import importlib
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import Any

import torch

from bakeoff import Unavailable

KNOWN = "2.11 to 2.14"


def reach(module: str, name: str) -> Any:
    """`module.name`. Raises Unavailable, naming the version, where this PyTorch has no such thing."""
    try:
        return getattr(importlib.import_module(module), name)
    except (ImportError, AttributeError):
        raise _gone(f"{module}.{name}") from None


def field(record: object, name: str) -> Any:
    """An attribute of one of PyTorch's own records."""
    try:
        return getattr(record, name)
    except AttributeError:
        raise _gone(f"{type(record).__name__}.{name}") from None


def counters() -> dict[str, Counter[str]]:
    """Dynamo's and Inductor's counters, by group."""
    return reach("torch._dynamo.utils", "counters")


def compilation_metrics() -> list[Any]:
    """One CompilationMetrics per compiled frame, the latest 64."""
    return reach("torch._dynamo.utils", "get_compilation_metrics")()


def generated_kernels() -> int:
    """Kernels that Inductor has generated in this process."""
    return int(reach("torch._inductor.metrics", "generated_kernel_count"))


def operations_before_fusion() -> int:
    """Nodes that Inductor's scheduler was given."""
    return int(reach("torch._inductor.metrics", "ir_nodes_pre_fusion"))


def after_fusion(told: Callable[[int], None]) -> None:
    """Tell how many nodes each graph has after fusion. This bypasses the FX graph cache."""
    config = importlib.import_module("torch._inductor.config")
    reach("torch._inductor.config", "_post_fusion_custom_pass")

    def count(nodes: list[Any]) -> list[Any]:
        told(len(nodes))
        return nodes

    config._post_fusion_custom_pass = count


def inductor(graph: torch.fx.GraphModule, inputs: list[Any]) -> Any:
    """The callable that Inductor makes of a graph that Dynamo captured."""
    return reach("torch._inductor.compile_fx", "compile_fx")(graph, inputs)


def tuned_kernels() -> list[Any]:
    """Inductor's autotuners of kernels that are loaded in this process."""
    kind = reach("torch._inductor.runtime.triton_heuristics", "CachingAutotuner")
    return [found for found in gc.get_objects() if issubclass(type(found), kind)]  # not isinstance: it asks weak proxies


@contextmanager
def tuned_inside(alone: Callable[[], AbstractContextManager[None]]) -> Iterator[None]:
    """While it lasts, each of Inductor's autotuners measures its kernel's configurations inside `alone()`."""
    kind = reach("torch._inductor.runtime.triton_heuristics", "CachingAutotuner")
    name = "autotune_to_one_config"
    measure = getattr(kind, name, None)
    if measure is None:
        raise _gone(f"CachingAutotuner.{name}")

    def measured(self: Any, *args: Any, **kwargs: Any) -> Any:
        with alone():
            return measure(self, *args, **kwargs)

    setattr(kind, name, measured)
    try:
        yield
    finally:
        setattr(kind, name, measure)


def ask_driver() -> None:
    """Have Triton build and load what it asks the GPU's driver through, into its disk cache."""
    reach("triton.runtime", "driver").active.get_current_target()


def tracing() -> bool:
    """Is Dynamo or AOTAutograd at work on a graph just now?"""
    return reach("torch._guards", "TracingContext").try_get() is not None


def mark_dynamic(tensor: torch.Tensor, dimension: int) -> None:
    """Let Dynamo make a symbol of this size."""
    reach("torch._dynamo", "mark_dynamic")(tensor, dimension)


def hold_up(seconds: float) -> None:
    """Queue a kernel that keeps the GPU waiting for about that long, by its own cycles at 2 GHz at most."""
    reach("torch.cuda", "_sleep")(int(2e9 * seconds))


def cpp_compile_s() -> float:
    """Seconds of C++ compilation within this process."""
    return float(sum(reach("torch._dynamo.utils", "compilation_time_metrics").get("compile_file", ())))


def cache_folder() -> str:
    """Inductor's disk cache."""
    return str(reach("torch._inductor.codecache", "cache_dir")())


def probe_vector_instructions() -> None:
    """Find the vector instructions that the C++ compiler and the processor both know; the answer is cached on disk."""
    reach("torch._inductor.cpu_vec_isa", "pick_vec_isa")()


def need_compiler() -> None:
    """Raises Unavailable where Inductor finds no C++ compiler."""
    refused = reach("torch._inductor.exc", "InvalidCxxCompiler")
    try:
        reach("torch._inductor.cpp_builder", "get_cpp_compiler")()
    except refused:
        raise Unavailable("Inductor needs a C++ compiler: apt-get install g++, or name one in CXX") from None


def capture_errors() -> tuple[type[Exception], ...]:
    """What Dynamo raises where the user's program, not a compiler, is what it cannot go on with."""
    return tuple(reach("torch._dynamo.exc", name) for name in ("TorchRuntimeError", "Unsupported", "UserError"))


def export_errors() -> tuple[type[Exception], ...]:
    """What torch.export raises where the model is what it cannot go on with."""
    return (*capture_errors(), reach("torch.fx.experimental.symbolic_shapes", "GuardOnDataDependentSymNode"))


def import_packages() -> None:
    """What `load_package` would import: Python's part of AOTInductor, and no compiler."""
    reach("torch._inductor.package", "load_package")


def compile_package(program: torch.export.ExportedProgram, path: str) -> None:
    """Compile an exported program ahead of time, into one file."""
    reach("torch._inductor", "aoti_compile_and_package")(program, package_path=path)


def load_package(path: str) -> Callable[..., Any]:
    """What `compile_package` wrote, ready to be called."""
    return reach("torch._inductor", "aoti_load_package")(path)


def execution_plans(scripted: torch.jit.ScriptModule) -> int:
    """Plans of TorchScript's executor; the one that profiling leads to is the first, and there is none before it."""
    debug_state = field(scripted, "get_debug_state")
    try:
        return max(1, len(field(debug_state(), "execution_plans")))
    except RuntimeError:
        return 1


def last_executed_graph() -> Any:
    """The graph that TorchScript's executor ran last, optimised."""
    return reach("torch.jit", "last_executed_optimized_graph")()


def _gone(what: str) -> Unavailable:
    return Unavailable(
        f"torch {torch.__version__} has no {what}, which diagnostics are read from (known: torch {KNOWN}): "
        f"pip install 'torch==2.13.0', or mend compilers/_torch_private.py"
    )
