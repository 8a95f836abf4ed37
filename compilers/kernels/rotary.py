"""Rotary position embedding (Su et al. 2021, arXiv:2104.09864), halves rotated against each other as in GPT-NeoX and LLaMA.

x: (..., tokens, dim), cos and sin: (tokens, dim / 2) → (..., tokens, dim). Bytes: 2 × size of x. Flops: 3 per element.
Backward is the rotation by the opposite angle.
"""

from typing import Any

import torch
import triton
import triton.language as tl

from compilers.kernels._operator import launch, operator, rows_of

TILE = 1024  # elements of each half that a program rotates at a time
EACH = 4  # sequences that it rotates by the same angles, which it reads once


@triton.jit
def rotary_kernel(
    x, cos, sin, y, leading, tokens, half,
    BACKWARD: tl.constexpr, EACH: tl.constexpr, ROWS: tl.constexpr, BLOCK: tl.constexpr,
):  # fmt: skip
    token = tl.program_id(0) * ROWS + tl.arange(0, ROWS)
    cols = tl.arange(0, BLOCK)
    mask = (token < tokens)[:, None] & (cols < half)[None, :]
    angle = token[:, None] * half + cols[None, :]
    c = tl.load(cos + angle, mask=mask, other=0.0).to(tl.float32)
    s = tl.load(sin + angle, mask=mask, other=0.0).to(tl.float32)
    if BACKWARD:
        s = -s
    for n in range(EACH):
        sequence = tl.program_id(1) * EACH + n
        live = mask & (sequence < leading)
        at = (sequence.to(tl.int64) * tokens + token[:, None]) * (2 * half) + cols[None, :]
        first = tl.load(x + at, mask=live, other=0.0).to(tl.float32)
        second = tl.load(x + half + at, mask=live, other=0.0).to(tl.float32)
        tl.store(y + at, first * c - second * s, mask=live)
        tl.store(y + half + at, second * c + first * s, mask=live)


def _rotated(x: torch.Tensor, cos: torch.Tensor, sin: torch.Tensor, backward: bool) -> torch.Tensor:
    flat, rows, dim = rows_of(x)
    tokens, half = x.shape[-2], dim // 2
    if dim % 2 or cos.shape != (tokens, half) or sin.shape != cos.shape:
        raise ValueError(f"rotary: cos and sin must be (tokens, dim / 2) of x {tuple(x.shape)}, not {tuple(cos.shape)}")
    y = torch.empty_like(flat)
    width = triton.next_power_of_2(half)
    height = max(1, TILE // width)
    leading = rows // tokens
    grid = (triton.cdiv(tokens, height), triton.cdiv(leading, EACH))
    launch(rotary_kernel)[grid](
        flat, cos.contiguous(), sin.contiguous(), y, leading, tokens, half,
        BACKWARD=backward, EACH=EACH, ROWS=height, BLOCK=width, num_warps=4,
    )  # fmt: skip
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
