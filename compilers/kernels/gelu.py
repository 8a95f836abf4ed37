"""GELU with bias (Hendrycks and Gimpel 2016, arXiv:1606.08415): the erf form, or the tanh form of GPT-2.

x: (..., n), bias: (n) → gelu(x + bias), (..., n), float32, float16 or bfloat16, in float32 between. Bytes: 2 × size of x.
Flops: about 10 per element. Backward: 3 × size of x for dx; the bias's gradient is dx summed over rows by PyTorch.
"""

from typing import Any

import torch
import triton
import triton.language as tl

from bakeoff.compilers.kernels._activations import GELU, GELU_TANH, activate, slope
from bakeoff.compilers.kernels._operator import launch, operator, rows_of

TILE = 2048  # elements of a program
WIDEST = 2048  # columns of it


@triton.jit
def biased(x, bias, rows, n, ROWS: tl.constexpr, BLOCK: tl.constexpr):
    """Of this program's tile: (where its elements lie, which there are, x + bias)."""
    row = tl.program_id(0).to(tl.int64) * ROWS + tl.arange(0, ROWS)
    cols = tl.program_id(1) * BLOCK + tl.arange(0, BLOCK)
    mask = (row < rows)[:, None] & (cols < n)[None, :]
    at = row[:, None] * n + cols[None, :]
    z = tl.load(x + at, mask=mask, other=0.0).to(tl.float32)
    z += tl.load(bias + cols, mask=cols < n, other=0.0).to(tl.float32)[None, :]
    return at, mask, z


@triton.jit
def gelu_forward(x, bias, y, rows, n, ACTIVATION: tl.constexpr, ROWS: tl.constexpr, BLOCK: tl.constexpr):
    at, mask, z = biased(x, bias, rows, n, ROWS, BLOCK)
    tl.store(y + at, activate(z, ACTIVATION), mask=mask)


@triton.jit
def gelu_backward(x, bias, dy, dx, rows, n, ACTIVATION: tl.constexpr, ROWS: tl.constexpr, BLOCK: tl.constexpr):
    at, mask, z = biased(x, bias, rows, n, ROWS, BLOCK)
    tl.store(dx + at, tl.load(dy + at, mask=mask, other=0.0).to(tl.float32) * slope(z, ACTIVATION), mask=mask)


def _tiles(rows: int, n: int) -> tuple[tuple[int, int], dict[str, int]]:
    """(grid, launch parameters): each program has its part of the bias once, and no element asks for its column."""
    width = min(triton.next_power_of_2(n), WIDEST)
    while width > 128 and n % width and n % (width // 2) < n % width:  # 768 columns are three blocks of 256
        width //= 2
    height = TILE // width
    return (triton.cdiv(rows, height), triton.cdiv(n, width)), {"ROWS": height, "BLOCK": width, "num_warps": 4}


def _like(x: torch.Tensor, *_: Any) -> torch.Tensor:
    return torch.empty_like(x, memory_format=torch.contiguous_format)


@operator("gelu_bias", _like)
def gelu_bias(x: torch.Tensor, bias: torch.Tensor, tanh: bool) -> torch.Tensor:
    """gelu(x + bias), in the tanh form if `tanh`. x: (..., n); bias: (n)."""
    flat, rows, n = rows_of(x)
    y = torch.empty_like(flat)
    grid, shape = _tiles(rows, n)
    launch(gelu_forward)[grid](flat, bias.contiguous(), y, rows, n, ACTIVATION=GELU_TANH if tanh else GELU, **shape)
    return y


@operator("gelu_bias_backward", _like)
def _backward(x: torch.Tensor, bias: torch.Tensor, dy: torch.Tensor, tanh: bool) -> torch.Tensor:
    flat, rows, n = rows_of(x)
    dx = torch.empty_like(flat)
    grid, shape = _tiles(rows, n)
    arguments = (flat, bias.contiguous(), dy.contiguous(), dx, rows, n)
    launch(gelu_backward)[grid](*arguments, ACTIVATION=GELU_TANH if tanh else GELU, **shape)
    return dx


def _keep(ctx: Any, inputs: tuple[Any, ...], output: torch.Tensor) -> None:
    ctx.save_for_backward(inputs[0], inputs[1])
    ctx.tanh = inputs[2]


def _gradient(ctx: Any, dy: torch.Tensor) -> tuple[Any, ...]:
    x, bias = ctx.saved_tensors
    dx = _backward(x, bias, dy, ctx.tanh)
    return dx, dx.flatten(0, -2).sum(0, dtype=torch.float32).to(bias.dtype) if dx.dim() > 1 else dx.to(bias.dtype), None


gelu_bias.register_autograd(_gradient, setup_context=_keep)
