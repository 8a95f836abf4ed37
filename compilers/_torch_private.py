"""Which private APIs of PyTorch are used? All of them are in this file, to be fixed here when PyTorch changes one.

Each is looked up by name. Where a name is missing, the cell is unavailable, with one line that names it and the versions that
are known to have it. What compiling without a GPU replaces is in _gpuless.py.
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
    """`module.name`. Raises Unavailable, with the version, where this PyTorch does not have it."""
    try:
        return getattr(importlib.import_module(module), name)
    except (ImportError, AttributeError):
        raise _gone(f"{module}.{name}") from None


def field(record: object, name: str) -> Any:
    """An attribute of one of PyTorch's own records. Raises Unavailable where it is missing."""
    try:
        return getattr(record, name)
    except AttributeError:
        raise _gone(f"{type(record).__name__}.{name}") from None


def counters() -> dict[str, Counter[str]]:
    """Dynamo's and Inductor's counters, by group."""
    return reach("torch._dynamo.utils", "counters")


def compilation_metrics() -> list[Any]:
    """One CompilationMetrics per compiled frame, of the latest 64 frames."""
    return reach("torch._dynamo.utils", "get_compilation_metrics")()


def generated_kernels() -> int:
    """Kernels that Inductor has generated in this process."""
    return int(reach("torch._inductor.metrics", "generated_kernel_count"))


def operations_before_fusion() -> int:
    """The number of nodes that Inductor's scheduler got."""
    return int(reach("torch._inductor.metrics", "ir_nodes_pre_fusion"))


def after_fusion(note: Callable[[int], None]) -> None:
    """Call `note` with the number of nodes of each graph after fusion. This bypasses the FX graph cache."""
    config = importlib.import_module("torch._inductor.config")
    reach("torch._inductor.config", "_post_fusion_custom_pass")

    def count(nodes: list[Any]) -> list[Any]:
        note(len(nodes))
        return nodes

    config._post_fusion_custom_pass = count


def inductor(graph: torch.fx.GraphModule, inputs: list[Any]) -> Any:
    """The callable that Inductor makes of a graph that Dynamo captured."""
    return reach("torch._inductor.compile_fx", "compile_fx")(graph, inputs)


def tuned_kernels() -> list[Any]:
    """Inductor's autotuners of kernels that are loaded in this process."""
    kind = reach("torch._inductor.runtime.triton_heuristics", "CachingAutotuner")
    return [
        found for found in gc.get_objects() if issubclass(type(found), kind)
    ]  # not isinstance, which dereferences weak proxies


@contextmanager
def tuned_inside(alone: Callable[[], AbstractContextManager[None]]) -> Iterator[None]:
    """A context in which each of Inductor's autotuners measures its kernel's configurations inside `alone()`."""
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
    """Have Triton build and load the library through which it calls the GPU's driver, into its disk cache."""
    reach("triton.runtime", "driver").active.get_current_target()


def tracing() -> bool:
    """Whether Dynamo or AOTAutograd is tracing now."""
    return reach("torch._guards", "TracingContext").try_get() is not None


def mark_dynamic(tensor: torch.Tensor, dimension: int) -> None:
    """Have Dynamo treat this dimension's size as a symbol."""
    reach("torch._dynamo", "mark_dynamic")(tensor, dimension)


def hold_up(seconds: float) -> None:
    """Queue a kernel that keeps the GPU busy for about that long, counted in cycles at 2 GHz or less."""
    reach("torch.cuda", "_sleep")(int(2e9 * seconds))


def cpp_compile_s() -> float:
    """Seconds that this process spent compiling C++ itself."""
    return float(sum(reach("torch._dynamo.utils", "compilation_time_metrics").get("compile_file", ())))


def cache_folder() -> str:
    """The folder of Inductor's disk cache."""
    return str(reach("torch._inductor.codecache", "cache_dir")())


def probe_vector_instructions() -> None:
    """Find the vector instructions that both the C++ compiler and the processor support; the result is cached on disk."""
    reach("torch._inductor.cpu_vec_isa", "pick_vec_isa")()


def need_compiler() -> None:
    """Raises Unavailable where Inductor finds no C++ compiler."""
    refused = reach("torch._inductor.exc", "InvalidCxxCompiler")
    try:
        reach("torch._inductor.cpp_builder", "get_cpp_compiler")()
    except refused:
        raise Unavailable("Inductor needs a C++ compiler: apt-get install g++, or name one in CXX") from None


def capture_errors() -> tuple[type[Exception], ...]:
    """Exceptions by which Dynamo refuses the user's program, as opposed to failures of a compiler."""
    return tuple(reach("torch._dynamo.exc", name) for name in ("TorchRuntimeError", "Unsupported", "UserError"))


def export_errors() -> tuple[type[Exception], ...]:
    """Exceptions by which torch.export refuses a model."""
    return (*capture_errors(), reach("torch.fx.experimental.symbolic_shapes", "GuardOnDataDependentSymNode"))


def import_packages() -> None:
    """Import what `load_package` needs: the Python part of AOTInductor, without a compiler."""
    reach("torch._inductor.package", "load_package")


def compile_package(program: torch.export.ExportedProgram, path: str) -> None:
    """Compile an exported program ahead of time, into one file."""
    reach("torch._inductor", "aoti_compile_and_package")(program, package_path=path)


def load_package(path: str) -> Callable[..., Any]:
    """The callable in the file that `compile_package` wrote."""
    return reach("torch._inductor", "aoti_load_package")(path)


def execution_plans(scripted: torch.jit.ScriptModule) -> int:
    """The number of plans of TorchScript's executor, at least 1: the first one is made after its profiling run."""
    debug_state = field(scripted, "get_debug_state")
    try:
        return max(1, len(field(debug_state(), "execution_plans")))
    except RuntimeError:
        return 1


def last_executed_graph() -> Any:
    """The optimised graph that TorchScript's executor ran last."""
    return reach("torch.jit", "last_executed_optimized_graph")()


def _gone(what: str) -> Unavailable:
    return Unavailable(
        f"torch {torch.__version__} has no {what}, which diagnostics are read from (known: torch {KNOWN}): "
        f"pip install 'torch==2.13.0', or fix compilers/_torch_private.py"
    )
