"""What the kernels share: how one becomes an operator, and the shape of a block."""

import os
from collections.abc import Callable
from typing import Any

import torch
import triton

INTERPRETED = os.environ.get("TRITON_INTERPRET") == "1"
WHOLE_ROW = 16384  # elements: a longer row is read block by block, once more for each pass
LEAST_BLOCK = 1024  # elements: several short rows share a program
# the interpreter multiplies bfloat16 by its bits (Triton 3.7): its products are taken in float32
WIDEN = INTERPRETED
# float32 by three products of TF32 parts (CUTLASS's 3xTF32): about as exact, and on tensor cores
PRECISION = "ieee" if INTERPRETED else "tf32x3"
DTYPES = (torch.float32, torch.float16, torch.bfloat16)


def operator(name: str, fake: Callable[..., Any]) -> Callable[[Callable[..., Any]], Any]:
    """Register a function that launches kernels as `torch.ops.bakeoff.<name>`; `fake` returns outputs of the right shape.

    A triton_op, which Inductor looks into, so that it compiles the kernel with its own and fuses around it. Interpreted
    kernels have no source that Inductor could take: there the operator is opaque.
    """

    def register(function: Callable[..., Any]) -> Any:
        if not INTERPRETED:
            return torch.library.triton_op(f"bakeoff::{name}", function, mutates_args={})
        made = torch.library.custom_op(f"bakeoff::{name}", function, mutates_args=())
        made.register_fake(fake)
        return made

    return register


def launch(kernel: Any) -> Any:
    """The kernel as an operator's body calls it: launch(kernel)[grid](...)."""
    return kernel if INTERPRETED else torch.library.wrap_triton(kernel)


def tuned(configs: list[triton.Config]) -> list[triton.Config]:
    """What the autotuner measures at compile time; the interpreter has nothing to measure."""
    return configs[:1] if INTERPRETED else configs


def rows_of(x: torch.Tensor) -> tuple[torch.Tensor, int, int]:
    """(contiguous x, rows, columns) with the last dimension as columns. TypeError for a dtype that kernels do not sum in."""
    if x.dtype not in DTYPES:
        raise TypeError(f"kernels take float32, float16 and bfloat16, not {x.dtype}")
    columns = x.shape[-1]
    return x.contiguous(), x.numel() // columns, columns


def block(columns: int) -> dict[str, Any]:
    """Launch parameters of a kernel over rows: BLOCK columns of ROWS rows at a time, WHOLE if that is all of a row."""
    size = min(triton.next_power_of_2(columns), WHOLE_ROW)
    rows = max(1, LEAST_BLOCK // size)
    elements = size * rows
    return {
        "ROWS": rows,
        "BLOCK": size,
        "WHOLE": columns <= size,
        "num_warps": 4 if elements <= 2048 else 8 if elements <= 4096 else 16,
    }
