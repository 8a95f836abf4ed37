"""How does Inductor compile for CUDA without a GPU? Private parts of PyTorch and Triton are replaced, all in this file.

The compilers do all of their work, down to the cubin. What would touch the device (properties, streams, launches, loading a
binary) is answered from a table or does nothing. Tensors are fake: shapes, strides and dtypes without data.

Each name is looked up before anything is replaced. Where one is missing, the cell is unavailable, with one line that names it.
"""

import importlib
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import torch

from bakeoff import Unavailable
from bakeoff.compilers._read_values import ValuesMode
from bakeoff.compilers._torch_private import KNOWN

# what the generated code depends on: the vendor's data of an A100, an H100 SXM and a B200
COMMON = {
    "regs_per_multiprocessor": 65536,
    "max_threads_per_multi_processor": 2048,
    "max_threads_per_block": 1024,
    "shared_memory_per_block": 49152,
    "warp_size": 32,
    "is_integrated": 0,
    "gcnArchName": "",
}
GPUS: dict[str, dict[str, Any]] = {
    "sm_80": {
        "name": "A100 (not there)", "major": 8, "minor": 0, "multi_processor_count": 108, "total_memory": 80 << 30,
        "shared_memory_per_block_optin": 166912, "shared_memory_per_multiprocessor": 167936, "L2_cache_size": 40 << 20,
        "clock_rate": 1410000, "memory_clock_rate": 1593000, "memory_bus_width": 5120,
    },
    "sm_90": {
        "name": "H100 (not there)", "major": 9, "minor": 0, "multi_processor_count": 132, "total_memory": 80 << 30,
        "shared_memory_per_block_optin": 232448, "shared_memory_per_multiprocessor": 233472, "L2_cache_size": 50 << 20,
        "clock_rate": 1980000, "memory_clock_rate": 2619000, "memory_bus_width": 5120,
    },
    "sm_100": {
        "name": "B200 (not there)", "major": 10, "minor": 0, "multi_processor_count": 148, "total_memory": 180 << 30,
        "shared_memory_per_block_optin": 232448, "shared_memory_per_multiprocessor": 233472, "L2_cache_size": 126 << 20,
        "clock_rate": 1965000, "memory_clock_rate": 3996000, "memory_bus_width": 8192,
    },
}  # fmt: skip
GAPS = (
    "no configuration is chosen by measuring: the first of each kernel's is shown",
    "scaled_dot_product_attention is decomposed: no fused attention of the library",
    "nn.LSTM and similar layers are decomposed; by default Dynamo leaves them to cuDNN",
    "no padding of matrix products, no folding of constants on the device, no TMA",
)
READ = "values that the program reads are those of an eager step on the CPU, with the weights as drawn"
CONFIG = {
    "torch._inductor.config.compile_threads": 1,  # the pool's workers would not have the replacements
    "torch._inductor.config.shape_padding": False,  # measures on the device
    "torch._inductor.config.joint_graph_constant_folding": False,  # computes on the device
    "torch._inductor.config.use_static_triton_launcher": False,  # discards PTX and cubin
    "torch._dynamo.config.allow_rnn": True,  # there is no cuDNN to run it
}
INTERFACE = "torch._dynamo.device_interface.CudaInterface"
AUTOTUNER = "torch._inductor.runtime.triton_heuristics.CachingAutotuner"
GUARDS = "torch._C._dynamo.guards"


class NoDevice:
    """In place of torch.cuda._DeviceGuard: a context that does nothing."""

    def __init__(self, *_: Any) -> None:
        pass

    def __enter__(self) -> "NoDevice":
        return self

    def __exit__(self, *_: object) -> None:
        pass


class InertDriver:
    """In place of Triton's active driver: what the compiler asks of it."""

    def __init__(self, capability: int) -> None:
        self.capability = capability

    def get_current_target(self) -> Any:
        return importlib.import_module("triton.backends.compiler").GPUTarget("cuda", self.capability, 32)

    def get_current_device(self) -> int:
        return 0

    def get_active_torch_device(self) -> torch.device:
        return torch.device("cuda:0")

    def get_device_interface(self) -> Any:
        return torch.cuda

    def get_current_stream(self, device: int) -> int:
        return 0

    def get_benchmarker(self) -> Callable[..., float]:
        return lambda *_, **__: 0.0

    @staticmethod
    def is_active() -> bool:
        return True

    @staticmethod
    def map_python_to_cpp_type(ty: str) -> Any:
        return importlib.import_module("triton.backends.nvidia.driver").ty_to_cpp(ty)


def replacements(gpu: SimpleNamespace, kernels: list[Any]) -> dict[str, Any]:
    """Dotted name → its replacement. Autotuners of compiled kernels are appended to `kernels`."""
    capability = (gpu.major, gpu.minor)
    aligned: dict[str, Any] = {f"{GUARDS}.copy_if_misaligned": lambda tensor: tensor}
    if torch.__version__.startswith("2.11."):
        aligned = {"torch._inductor.utils.copy_misaligned_inputs": lambda *_: ([], [])}
    answers: dict[str, Callable[..., Any]] = {
        "current_device": lambda: 0,
        "device_count": lambda: 1,
        "get_device_properties": lambda device=None: gpu,
        "is_bf16_supported": lambda *_, **__: True,
        "synchronize": lambda *_: None,
        "set_device": lambda device: None,
    }
    return {
        **{f"torch.cuda.{name}": answer for name, answer in answers.items()},
        **{f"{INTERFACE}.{name}": staticmethod(answer) for name, answer in answers.items()},
        "torch.cuda.get_device_capability": lambda device=None: capability,
        "torch.cuda._DeviceGuard": NoDevice,
        "torch.backends.cudnn.is_acceptable": lambda tensor: False,
        f"{INTERFACE}.is_available": staticmethod(lambda: True),
        f"{INTERFACE}.get_raw_stream": staticmethod(lambda device: 0),
        f"{INTERFACE}.exchange_device": staticmethod(lambda device: 0),
        f"{INTERFACE}.maybe_exchange_device": staticmethod(lambda device: 0),
        "triton.runtime.driver._active": InertDriver(10 * gpu.major + gpu.minor),
        "torch._inductor.runtime.triton_helpers.set_driver_to_gpu": lambda: None,
        f"{AUTOTUNER}._make_launchers": lambda self: (kernels.append(self), setattr(self, "launchers", []))[1],
        f"{AUTOTUNER}._dynamic_scale_rblock": lambda self: None,
        f"{AUTOTUNER}.run": lambda self, *_, **__: None,
        **aligned,  # the original asks for an address
        # the C++ originals return tensors that are not fake
        f"{GUARDS}._reinterpret_tensor": lambda t, size, stride, offset=0: torch.as_strided(
            t, size, stride, t.storage_offset() + offset
        ),
        f"{GUARDS}._empty_strided_cuda": lambda size, stride, dtype: torch.empty_strided(
            size, stride, dtype=dtype, device="cuda:0"
        ),
    }


def install(target: str) -> list[Any]:
    """Pretend, for the rest of this process, that there is a GPU of this target. Returns the list that kernels are added to.

    Raises Unavailable, with the name, where this PyTorch or Triton lacks a private part.
    """
    try:
        importlib.import_module("triton")
    except ImportError:
        raise Unavailable(f"--target {target} needs Triton: pip install triton") from None
    gpu, kernels = SimpleNamespace(**COMMON, **GPUS[target.partition(":")[2]]), list[Any]()
    new = replacements(gpu, kernels)
    new |= CONFIG
    owners = {name: owner(name) for name in new}
    for name, value in new.items():
        setattr(owners[name], name.rpartition(".")[2], value)
    torch._C._cuda_getCurrentRawStream = lambda device: 0  # a CPU build has no such function
    for cached in ("torch.utils._triton.has_triton", "torch.utils._triton.triton_backend"):
        getattr(owner(cached), cached.rpartition(".")[2]).cache_clear()
    return kernels


def properties(target: str) -> dict[str, Any]:
    """The properties of the target's GPU."""
    return COMMON | GPUS[target.partition(":")[2]]


def moved(module: torch.nn.Module) -> ValuesMode:
    """Give the module fake parameters and buffers on the GPU; from here on all tensors of this process are fake.

    Returns the mode that supplies the values that a program reads of them, once its `begin` has been given the step.
    """
    mode = ValuesMode()
    mode.__enter__()  # never left: the child does nothing else
    made: dict[int, Any] = {}

    def fake(tensor: torch.Tensor | None) -> torch.Tensor | None:
        if tensor is None:
            return None
        if id(tensor) not in made:
            empty = on_device(tensor.shape, tensor.stride(), tensor.dtype)
            is_parameter = isinstance(tensor, torch.nn.Parameter)
            made[id(tensor)] = torch.nn.Parameter(empty, requires_grad=tensor.requires_grad) if is_parameter else empty
        return made[id(tensor)]

    for part in module.modules():  # Module.to would copy data
        for held in (part._parameters, part._buffers):
            held.update({name: fake(tensor) for name, tensor in held.items()})  # type: ignore[arg-type]
    return mode


def on_device(shape: tuple[int, ...], stride: tuple[int, ...], dtype: torch.dtype) -> torch.Tensor:
    """A fake tensor on the GPU."""
    return torch.empty_strided(shape, stride, dtype=dtype, device="cuda:0")


def owner(name: str) -> Any:
    """The object that has the last part of a dotted name as an attribute. Raises Unavailable where it has none."""
    path, _, attribute = name.rpartition(".")
    first, *parts = path.split(".")
    found, walked = importlib.import_module(first), first
    for part in parts:
        walked += f".{part}"
        try:  # an attribute may hide a module of the same name
            found = getattr(found, part) if hasattr(found, part) else importlib.import_module(walked)
        except ImportError:
            raise _gone(name) from None
    if not hasattr(found, attribute):
        raise _gone(name)
    return found


def _gone(name: str) -> Unavailable:
    return Unavailable(
        f"torch {torch.__version__} has no {name}, which compiling without a GPU replaces (known: torch {KNOWN}): "
        f"pip install 'torch==2.13.0', or fix compilers/_gpuless.py"
    )
