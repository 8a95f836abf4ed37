"""Layer norm (Ba et al. 2016, arXiv:1607.06450) and RMS norm (Zhang and Sennrich 2019, arXiv:1910.07467) over the last
dimension, with their gradients.

x: (..., n), weight and bias: (n) → (..., n), float32, float16 or bfloat16 and summed in float32. Bytes: 2 × size of x, twice
that for n > 16384, whose rows are read three times. Flops: about 8 per element. Backward reads x and dy twice, once for dx
along rows, once for the weights' gradients down columns, each over groups of rows whose sums PyTorch adds up.
"""

from typing import Any

import torch
import triton
import triton.language as tl

from bakeoff.compilers.kernels._operator import block, launch, operator, rows_of

GROUPS = 128  # of rows, in the weights' gradients


@triton.jit
def norm_forward(
    x, weight, bias, y, mean_out, scale_out, rows, n,
    EPS: tl.constexpr, CENTRE: tl.constexpr, ROWS: tl.constexpr, BLOCK: tl.constexpr, WHOLE: tl.constexpr,
):  # fmt: skip
    row = tl.program_id(0).to(tl.int64) * ROWS + tl.arange(0, ROWS)
    cols = tl.arange(0, BLOCK)
    at = row[:, None] * n + cols[None, :]
    live = row < rows
    alive = live[:, None]
    mean = tl.zeros((ROWS,), tl.float32)
    if WHOLE:
        mask = alive & (cols < n)[None, :]
        v = tl.load(x + at, mask=mask, other=0.0).to(tl.float32)
        if CENTRE:
            mean = tl.sum(v, 1) / n
            v = tl.where(mask, v - mean[:, None], 0.0)
        scale = tl.rsqrt(tl.sum(v * v, 1) / n + EPS)
        out = v * scale[:, None] * tl.load(weight + cols, mask=cols < n, other=0.0).to(tl.float32)[None, :]
        if CENTRE:
            out += tl.load(bias + cols, mask=cols < n, other=0.0).to(tl.float32)[None, :]
        tl.store(y + at, out, mask=mask)
    else:
        total = tl.zeros((ROWS, BLOCK), tl.float32)
        if CENTRE:
            for start in range(0, n, BLOCK):
                total += tl.load(x + start + at, mask=alive & (start + cols < n)[None, :], other=0.0).to(tl.float32)
            mean = tl.sum(total, 1) / n
        total = tl.zeros((ROWS, BLOCK), tl.float32)
        for start in range(0, n, BLOCK):
            mask = alive & (start + cols < n)[None, :]
            v = tl.load(x + start + at, mask=mask, other=0.0).to(tl.float32) - mean[:, None]
            total += tl.where(mask, v * v, 0.0)
        scale = tl.rsqrt(tl.sum(total, 1) / n + EPS)
        for start in range(0, n, BLOCK):
            within = start + cols < n
            v = tl.load(x + start + at, mask=alive & within[None, :], other=0.0).to(tl.float32) - mean[:, None]
            out = v * scale[:, None] * tl.load(weight + start + cols, mask=within, other=0.0).to(tl.float32)[None, :]
            if CENTRE:
                out += tl.load(bias + start + cols, mask=within, other=0.0).to(tl.float32)[None, :]
            tl.store(y + start + at, out, mask=alive & within[None, :])
    if CENTRE:
        tl.store(mean_out + row, mean, mask=live)
    tl.store(scale_out + row, scale, mask=live)


@triton.jit
def norm_backward_input(
    x, weight, dy, mean_in, scale_in, dx, rows, n,
    CENTRE: tl.constexpr, ROWS: tl.constexpr, BLOCK: tl.constexpr, WHOLE: tl.constexpr,
):  # fmt: skip
    row = tl.program_id(0).to(tl.int64) * ROWS + tl.arange(0, ROWS)
    cols = tl.arange(0, BLOCK)
    at = row[:, None] * n + cols[None, :]
    live = row < rows
    alive = live[:, None]
    scale = tl.load(scale_in + row, mask=live, other=0.0)[:, None]
    mean = tl.zeros((ROWS, 1), tl.float32)
    if CENTRE:
        mean = tl.load(mean_in + row, mask=live, other=0.0)[:, None]
    plain = tl.zeros((ROWS, BLOCK), tl.float32)
    along = tl.zeros((ROWS, BLOCK), tl.float32)
    for start in range(0, n, BLOCK):
        within = start + cols < n
        mask = alive & within[None, :]
        hat = (tl.load(x + start + at, mask=mask, other=0.0).to(tl.float32) - mean) * scale
        g = tl.load(dy + start + at, mask=mask, other=0.0).to(tl.float32)
        g *= tl.load(weight + start + cols, mask=within, other=0.0).to(tl.float32)[None, :]
        plain += g
        along += g * hat
    along_mean = (tl.sum(along, 1) / n)[:, None]
    plain_mean = (tl.sum(plain, 1) / n)[:, None]
    for start in range(0, n, BLOCK):
        within = start + cols < n
        mask = alive & within[None, :]
        hat = (tl.load(x + start + at, mask=mask, other=0.0).to(tl.float32) - mean) * scale
        g = tl.load(dy + start + at, mask=mask, other=0.0).to(tl.float32)
        g *= tl.load(weight + start + cols, mask=within, other=0.0).to(tl.float32)[None, :]
        g -= hat * along_mean
        if CENTRE:
            g -= plain_mean
        tl.store(dx + start + at, g * scale, mask=mask)


@triton.jit
def norm_backward_weights(
    x, dy, mean_in, scale_in, dweight, dbias, rows, n, per_group,
    CENTRE: tl.constexpr, ROWS: tl.constexpr, BLOCK: tl.constexpr,
):  # fmt: skip
    group = tl.program_id(1)
    cols = tl.program_id(0) * BLOCK + tl.arange(0, BLOCK)
    within = cols < n
    weights = tl.zeros((ROWS, BLOCK), tl.float32)
    biases = tl.zeros((ROWS, BLOCK), tl.float32)
    for start in range(0, per_group, ROWS):
        inside = start + tl.arange(0, ROWS)
        row = group.to(tl.int64) * per_group + inside
        live = (row < rows) & (inside < per_group)
        mask = live[:, None] & within[None, :]
        at = row[:, None] * n + cols[None, :]
        v = tl.load(x + at, mask=mask, other=0.0).to(tl.float32)
        if CENTRE:
            v -= tl.load(mean_in + row, mask=live, other=0.0)[:, None]
        g = tl.load(dy + at, mask=mask, other=0.0).to(tl.float32)
        weights += g * v * tl.load(scale_in + row, mask=live, other=0.0)[:, None]
        biases += g
    tl.store(dweight + group * n + cols, tl.sum(weights, 0), mask=within)
    if CENTRE:
        tl.store(dbias + group * n + cols, tl.sum(biases, 0), mask=within)


def _forward(
    x: torch.Tensor, weight: torch.Tensor, bias: torch.Tensor, eps: float, centre: bool
) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    flat, rows, n = rows_of(x)
    y = torch.empty_like(flat)
    mean, scale = (torch.empty(rows, dtype=torch.float32, device=x.device) for _ in range(2))
    shape = block(n)
    grid = (triton.cdiv(rows, shape["ROWS"]),)
    weight, bias = weight.contiguous(), bias.contiguous()
    launch(norm_forward)[grid](flat, weight, bias, y, mean, scale, rows, n, EPS=eps, CENTRE=centre, **shape)
    return y, mean, scale


def _backward(
    x: torch.Tensor, weight: torch.Tensor, dy: torch.Tensor, mean: torch.Tensor, scale: torch.Tensor, centre: bool
) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    flat, rows, n = rows_of(x)
    dy = dy.contiguous()
    dx = torch.empty_like(flat)
    shape = block(n)
    grid = (triton.cdiv(rows, shape["ROWS"]),)
    launch(norm_backward_input)[grid](flat, weight.contiguous(), dy, mean, scale, dx, rows, n, CENTRE=centre, **shape)
    groups = min(GROUPS, rows)
    sums = [torch.zeros(groups, n, dtype=torch.float32, device=x.device) for _ in range(2)]
    width = min(triton.next_power_of_2(n), 128)
    launch(norm_backward_weights)[(triton.cdiv(n, width), groups)](
        flat, dy, mean, scale, *sums, rows, n, triton.cdiv(rows, groups), CENTRE=centre, ROWS=16, BLOCK=width
    )
    return dx, sums[0].sum(0).to(weight.dtype), sums[1].sum(0).to(weight.dtype)


def _outputs(x: torch.Tensor, *_: Any) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    sums = [torch.empty(x.numel() // x.shape[-1], dtype=torch.float32, device=x.device) for _ in range(2)]
    return torch.empty_like(x, memory_format=torch.contiguous_format), sums[0], sums[1]


def _gradients(x: torch.Tensor, weight: torch.Tensor, *_: Any) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    return torch.empty_like(x, memory_format=torch.contiguous_format), torch.empty_like(weight), torch.empty_like(weight)


@operator("layer_norm", _outputs)
def _layer_norm(
    x: torch.Tensor, weight: torch.Tensor, bias: torch.Tensor, eps: float
) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    return _forward(x, weight, bias, eps, True)


@operator("rms_norm", _outputs)
def _rms_norm(x: torch.Tensor, weight: torch.Tensor, eps: float) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    return _forward(x, weight, weight, eps, False)


@operator("layer_norm_backward", _gradients)
def _layer_norm_backward(
    x: torch.Tensor, weight: torch.Tensor, dy: torch.Tensor, mean: torch.Tensor, scale: torch.Tensor
) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    return _backward(x, weight, dy, mean, scale, True)


@operator("rms_norm_backward", _gradients)
def _rms_norm_backward(
    x: torch.Tensor, weight: torch.Tensor, dy: torch.Tensor, mean: torch.Tensor, scale: torch.Tensor
) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    return _backward(x, weight, dy, mean, scale, False)


def _keep(ctx: Any, inputs: tuple[Any, ...], output: tuple[torch.Tensor, ...]) -> None:
    ctx.save_for_backward(inputs[0], inputs[1], output[1], output[2])


def _layer_gradient(ctx: Any, dy: torch.Tensor, *_: Any) -> tuple[Any, ...]:
    x, weight, mean, scale = ctx.saved_tensors
    return (*_layer_norm_backward(x, weight, dy, mean, scale), None)


def _rms_gradient(ctx: Any, dy: torch.Tensor, *_: Any) -> tuple[Any, ...]:
    x, weight, mean, scale = ctx.saved_tensors
    return (*_rms_norm_backward(x, weight, dy, mean, scale)[:2], None)


_layer_norm.register_autograd(_layer_gradient, setup_context=_keep)
_rms_norm.register_autograd(_rms_gradient, setup_context=_keep)


def layer_norm(x: torch.Tensor, weight: torch.Tensor, bias: torch.Tensor, eps: float = 1e-5) -> torch.Tensor:
    """(x − mean) / √(variance + eps) · weight + bias. x: (..., n); weight, bias: (n)."""
    return _layer_norm(x, weight, bias, eps)[0]


def rms_norm(x: torch.Tensor, weight: torch.Tensor, eps: float = 1e-6) -> torch.Tensor:
    """x / √(mean of squares + eps) · weight. x: (..., n); weight: (n)."""
    return _rms_norm(x, weight, eps)[0]
