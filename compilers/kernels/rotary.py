"""Rotary position embedding (Su et al. 2021, arXiv:2104.09864), halves rotated against each other as in GPT-NeoX and LLaMA.

x: (..., tokens, dim), cos and sin: (tokens, dim / 2) → (..., tokens, dim), float32, float16 or bfloat16. Bytes: 2 × size of x.
Flops: 3 per element. Backward is the rotation by the opposite angle.
"""

from typing import Any

import torch
import triton
import triton.language as tl

from bakeoff.compilers.kernels._operator import launch, operator, rows_of

TILE = 1024  # elements of each half that a program rotates


@triton.jit
def rotary_kernel(x, cos, sin, y, tokens, half, BACKWARD: tl.constexpr, ROWS: tl.constexpr, BLOCK: tl.constexpr):
    blocks = tl.cdiv(tokens, ROWS)  # of a sequence: programs beside each other read memory beside each other
    token = (tl.program_id(0) % blocks) * ROWS + tl.arange(0, ROWS)
    cols = tl.arange(0, BLOCK)
    mask = (token < tokens)[:, None] & (cols < half)[None, :]
    angle = token[:, None] * half + cols[None, :]
    c = tl.load(cos + angle, mask=mask, other=0.0).to(tl.float32)
    s = tl.load(sin + angle, mask=mask, other=0.0).to(tl.float32)
    if BACKWARD:
        s = -s
    at = ((tl.program_id(0) // blocks).to(tl.int64) * tokens + token[:, None]) * (2 * half) + cols[None, :]
    first = tl.load(x + at, mask=mask, other=0.0).to(tl.float32)
    second = tl.load(x + half + at, mask=mask, other=0.0).to(tl.float32)
    tl.store(y + at, first * c - second * s, mask=mask)
    tl.store(y + half + at, second * c + first * s, mask=mask)


def _rotated(x: torch.Tensor, cos: torch.Tensor, sin: torch.Tensor, backward: bool) -> torch.Tensor:
    flat, rows, dim = rows_of(x)
    tokens, half = x.shape[-2], dim // 2
    if dim % 2 or cos.shape != (tokens, half) or sin.shape != cos.shape:
        raise ValueError(f"rotary: cos and sin must be (tokens, dim / 2) of x {tuple(x.shape)}, not {tuple(cos.shape)}")
    y = torch.empty_like(flat)
    width = triton.next_power_of_2(half)
    height = max(1, TILE // width)
    grid = (rows // max(1, tokens) * triton.cdiv(tokens, height),)
    arguments = (flat, cos.contiguous(), sin.contiguous(), y, tokens, half)
    launch(rotary_kernel)[grid](*arguments, BACKWARD=backward, ROWS=height, BLOCK=width, num_warps=4)
    return y


def _like(x: torch.Tensor, *_: Any) -> torch.Tensor:
    return torch.empty_like(x, memory_format=torch.contiguous_format)


@operator("rotary", _like)
def rotary(x: torch.Tensor, cos: torch.Tensor, sin: torch.Tensor) -> torch.Tensor:
    """Each token's halves rotated by its angles. x: (..., tokens, dim); cos, sin: (tokens, dim / 2), constants."""
    return _rotated(x, cos, sin, False)


@operator("rotary_backward", _like)
def _backward(dy: torch.Tensor, cos: torch.Tensor, sin: torch.Tensor) -> torch.Tensor:
    return _rotated(dy, cos, sin, True)


def _keep(ctx: Any, inputs: tuple[Any, ...], output: torch.Tensor) -> None:
    ctx.save_for_backward(inputs[1], inputs[2])


rotary.register_autograd(lambda ctx, dy: (_backward(dy, *ctx.saved_tensors), None, None), setup_context=_keep)
