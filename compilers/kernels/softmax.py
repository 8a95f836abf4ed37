"""Fused softmax over the last dimension (the Triton tutorials' fused softmax; online sums for long rows: Milakov and Gimelshein
2018, arXiv:1805.02867).

x: (..., n) → (..., n), of any size and any n, float32, float16 or bfloat16 and summed in float32. Bytes: 2 × size of x, and
half as many again for n > 16384, which are read twice. Flops: about 5 per element. Backward: y · (dy − Σ y dy), 3 × size of x.
"""

from typing import Any

import torch
import triton
import triton.language as tl

from bakeoff.compilers.kernels._operator import block, launch, operator, rows_of

LOWEST = tl.constexpr(-3.0e38)


@triton.jit
def softmax_forward(x, y, rows, n, ROWS: tl.constexpr, BLOCK: tl.constexpr, WHOLE: tl.constexpr):
    row = tl.program_id(0).to(tl.int64) * ROWS + tl.arange(0, ROWS)
    cols = tl.arange(0, BLOCK)
    at = row[:, None] * n + cols[None, :]
    alive = (row < rows)[:, None]
    if WHOLE:
        mask = alive & (cols < n)[None, :]
        v = tl.load(x + at, mask=mask, other=-float("inf")).to(tl.float32)
        e = tl.exp(v - tl.maximum(tl.max(v, 1), LOWEST)[:, None])
        tl.store(y + at, e / tl.sum(e, 1)[:, None], mask=mask)
    else:
        top = tl.full((ROWS, BLOCK), LOWEST, tl.float32)
        total = tl.zeros((ROWS, BLOCK), tl.float32)
        for start in range(0, n, BLOCK):
            v = tl.load(x + start + at, mask=alive & (start + cols < n)[None, :], other=-float("inf")).to(tl.float32)
            new = tl.maximum(top, v)
            total = total * tl.exp(top - new) + tl.exp(v - new)
            top = new
        highest = tl.max(top, 1)[:, None]
        total = tl.sum(total * tl.exp(top - highest), 1)[:, None]
        for start in range(0, n, BLOCK):
            mask = alive & (start + cols < n)[None, :]
            v = tl.load(x + start + at, mask=mask, other=-float("inf")).to(tl.float32)
            tl.store(y + start + at, tl.exp(v - highest) / total, mask=mask)


@triton.jit
def softmax_backward(y, dy, dx, rows, n, ROWS: tl.constexpr, BLOCK: tl.constexpr, WHOLE: tl.constexpr):
    row = tl.program_id(0).to(tl.int64) * ROWS + tl.arange(0, ROWS)
    cols = tl.arange(0, BLOCK)
    at = row[:, None] * n + cols[None, :]
    alive = (row < rows)[:, None]
    inner = tl.zeros((ROWS, BLOCK), tl.float32)
    for start in range(0, n, BLOCK):
        mask = alive & (start + cols < n)[None, :]
        out = tl.load(y + start + at, mask=mask, other=0.0).to(tl.float32)
        inner += out * tl.load(dy + start + at, mask=mask, other=0.0).to(tl.float32)
    mean = tl.sum(inner, 1)[:, None]
    for start in range(0, n, BLOCK):
        mask = alive & (start + cols < n)[None, :]
        out = tl.load(y + start + at, mask=mask, other=0.0).to(tl.float32)
        gradient = tl.load(dy + start + at, mask=mask, other=0.0).to(tl.float32)
        tl.store(dx + start + at, out * (gradient - mean), mask=mask)


def _over_rows(kernel: Any, like: torch.Tensor, *tensors: torch.Tensor) -> torch.Tensor:
    _, rows, n = rows_of(like)
    out = torch.empty_like(like, memory_format=torch.contiguous_format)
    shape = block(n)
    launch(kernel)[(triton.cdiv(rows, shape["ROWS"]),)](*tensors, out, rows, n, **shape)
    return out


@operator("softmax", lambda x: torch.empty_like(x, memory_format=torch.contiguous_format))
def softmax(x: torch.Tensor) -> torch.Tensor:
    """Softmax over the last dimension. x: (..., n)."""
    return _over_rows(softmax_forward, x, rows_of(x)[0])


@operator("softmax_backward", lambda y, dy: torch.empty_like(y, memory_format=torch.contiguous_format))
def _backward(y: torch.Tensor, dy: torch.Tensor) -> torch.Tensor:
    return _over_rows(softmax_backward, y, y.contiguous(), dy.contiguous())


def _keep(ctx: Any, inputs: tuple[Any, ...], output: torch.Tensor) -> None:
    ctx.save_for_backward(output)


softmax.register_autograd(lambda ctx, dy: _backward(ctx.saved_tensors[0], dy), setup_context=_keep)
