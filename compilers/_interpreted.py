"""How is Inductor's Triton code checked without a GPU? By Triton's interpreter on the CPU, which is too slow for timing.

Inductor is configured to generate Triton for the CPU. Queries for a driver are answered, and the device's mathematics library,
which the interpreter lacks, is replaced by numpy. Private names are looked up first, as in compilers/_gpuless.py.
"""

import importlib
import math
from typing import Any

import numpy as np

from bakeoff import Unavailable
from bakeoff.compilers._gpuless import owner

NAMES = (
    "torch._dynamo.device_interface.CpuInterface.raise_if_triton_unavailable",
    "torch.utils._triton.triton_hash_with_backend",
    "torch._inductor.runtime.triton_helpers.libdevice",
    "torch._inductor.config.cpu_backend",
)
LIBDEVICE: dict[str, Any] = {
    "erf": np.vectorize(math.erf, otypes=[np.float64]),
    "rsqrt": lambda x: 1 / np.sqrt(x),
    "pow": np.power,
    "nearbyint": np.rint,
    "rint": np.rint,
    "round": np.round,
    "abs": np.abs,
    "fmod": np.fmod,
    **{name: getattr(np, name) for name in ("exp", "exp2", "expm1", "tanh", "sqrt", "log", "log1p", "log2", "log10")},
    **{name: getattr(np, name) for name in ("sin", "cos", "tan", "sinh", "cosh", "floor", "ceil", "trunc", "isnan", "isinf")},
}


class Libdevice:
    """triton.language.extra.cuda.libdevice, each function in numpy."""

    def __getattr__(self, name: str) -> Any:
        if name not in LIBDEVICE:
            raise NotImplementedError(f"Triton's interpreter has no libdevice.{name}; add it to compilers/_interpreted.py")
        language = importlib.import_module("triton.language")
        handle = importlib.import_module("triton.runtime.interpreter").TensorHandle

        def call(*arguments: Any) -> Any:
            first = arguments[0]
            found = LIBDEVICE[name](*(a.handle.data if hasattr(a, "handle") else a for a in arguments))
            if found.dtype == bool:
                kind = first.type.with_element_ty(language.int1) if first.type.is_block() else language.int1
                return language.core.tensor(handle(found, language.int1), kind)
            return language.core.tensor(handle(found.astype(first.handle.data.dtype), first.handle.dtype), first.type)

        return call


def install() -> None:
    """Interpret Triton for the rest of this process. Raises Unavailable, with the name, where a private part is missing."""
    try:
        importlib.import_module("triton.runtime.interpreter")
    except ImportError:
        raise Unavailable("--target interpreter needs Triton: pip install triton") from None
    interface, utils, helpers, config = (owner(name) for name in NAMES)
    interface.raise_if_triton_unavailable = staticmethod(lambda device=None: None)
    utils.triton_hash_with_backend = lambda: "interpreter"
    helpers.libdevice = Libdevice()
    config.cpu_backend = "triton"
    config.compile_threads = 1
    config.fx_graph_cache = False
