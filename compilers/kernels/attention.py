"""Flash attention, forward (Dao et al. 2022, arXiv:2205.14135; Dao 2023, arXiv:2307.08691): no score is ever stored.

query, key, value: (batch, heads, tokens, dim), float32, float16 or bfloat16, with dim a power of two from 16 to 128, in any
layout whose last dimension is contiguous; mask: (batch, tokens) bool, keys to attend to, or None; causal or not → (batch,
heads, tokens, dim), laid out as (batch, tokens, heads, dim). Flops: 4 · batch · heads · tokens² · dim, half of it if causal.
Bytes: 4 × size of a query. Backward: PyTorch's products in float32 from the log-sum-exp, with the scores stored: correct, and
not fast.
"""

from typing import Any

import torch
import triton
import triton.language as tl

from bakeoff.compilers.kernels._operator import DTYPES, PRECISION, WIDEN, launch, operator, tuned

LOG2_E = 1.4426950408889634
SHAPES = ((32, 32, 4, 2), (64, 64, 4, 3), (128, 64, 8, 2), (128, 64, 8, 3))
CONFIGS = [triton.Config({"BM": m, "BN": n}, num_warps=w, num_stages=s) for m, n, w, s in SHAPES]


@triton.jit
def over_keys(
    out, top, total, query, k, v, keep, row, k_token, v_token, tokens, begin, end,
    SCALE: tl.constexpr, CAUSAL: tl.constexpr, MASKED: tl.constexpr, EDGE: tl.constexpr, PRECISION: tl.constexpr,
    WIDEN: tl.constexpr, DIM: tl.constexpr, BN: tl.constexpr,
):  # fmt: skip
    """Online softmax over keys from `begin` to `end`. EDGE: some are beyond the last token, or above the diagonal."""
    dim = tl.arange(0, DIM)
    for start in range(begin, end, BN):
        col = start + tl.arange(0, BN)
        within = col < tokens
        if EDGE:
            keys = tl.load(k + col[None, :] * k_token + dim[:, None], mask=within[None, :], other=0.0)
            values = tl.load(v + col[:, None] * v_token + dim[None, :], mask=within[:, None], other=0.0)
        else:
            keys = tl.load(k + col[None, :] * k_token + dim[:, None])
            values = tl.load(v + col[:, None] * v_token + dim[None, :])
        if WIDEN:
            keys = keys.to(tl.float32)
            values = values.to(tl.float32)
        score = tl.dot(query, keys, input_precision=PRECISION)
        if EDGE or MASKED:
            allowed = within[None, :] & (row[:, None] >= 0)
            if MASKED:
                allowed &= (tl.load(keep + col, mask=within, other=0) != 0)[None, :]
            if CAUSAL:
                allowed &= row[:, None] >= col[None, :]
            score = tl.where(allowed, score, -1.0e30)
        new = tl.maximum(top, tl.max(score, 1) * SCALE)
        p = tl.exp2(score * SCALE - new[:, None])
        if MASKED:  # of a row that may attend to nothing so far
            p = tl.where(allowed, p, 0.0)
        shrink = tl.exp2(top - new)
        total = total * shrink + tl.sum(p, 1)
        out = tl.dot(p.to(values.dtype), values, out * shrink[:, None], input_precision=PRECISION)
        top = new
    return out, top, total


@triton.autotune(configs=tuned(CONFIGS), key=["tokens", "CAUSAL"])
@triton.jit
def attention_forward(
    q, k, v, keep, y, sums, q_batch, q_head, q_token, k_batch, k_head, k_token, v_batch, v_head, v_token,
    heads, tokens, SCALE: tl.constexpr, CAUSAL: tl.constexpr, MASKED: tl.constexpr, PRECISION: tl.constexpr,
    WIDEN: tl.constexpr, DIM: tl.constexpr, BM: tl.constexpr, BN: tl.constexpr,
):  # fmt: skip
    both = tl.program_id(0)
    first = tl.program_id(1) * BM
    if CAUSAL:  # the last rows have most to do, and begin first
        first = (tl.num_programs(1) - 1 - tl.program_id(1)) * BM
    batch = (both // heads).to(tl.int64)
    head = (both % heads).to(tl.int64)
    row = first + tl.arange(0, BM)
    dim = tl.arange(0, DIM)
    q += batch * q_batch + head * q_head
    k += batch * k_batch + head * k_head
    v += batch * v_batch + head * v_head
    keep += batch * tokens
    query = tl.load(q + row[:, None] * q_token + dim[None, :], mask=(row < tokens)[:, None], other=0.0)
    if WIDEN:
        query = query.to(tl.float32)
    top = tl.full((BM,), -1.0e30, tl.float32)
    total = tl.zeros((BM,), tl.float32)
    out = tl.zeros((BM, DIM), tl.float32)
    end = tokens
    whole = tokens // BN * BN
    if CAUSAL:
        end = tl.minimum(first + BM, tokens)
        whole = first // BN * BN
    out, top, total = over_keys(
        out, top, total, query, k, v, keep, row, k_token, v_token, tokens, 0, whole,
        SCALE, False, MASKED, False, PRECISION, WIDEN, DIM, BN,
    )  # fmt: skip
    out, top, total = over_keys(
        out, top, total, query, k, v, keep, row, k_token, v_token, tokens, whole, end,
        SCALE, CAUSAL, MASKED, True, PRECISION, WIDEN, DIM, BN,
    )  # fmt: skip
    at = ((batch * tokens + row[:, None]) * heads + head) * DIM + dim[None, :]
    mean = out / tl.where(total > 0.0, total, 1.0)[:, None]  # 0 for a row that may attend to nothing, as in PyTorch
    tl.store(y + at, mean.to(y.dtype.element_ty), mask=(row < tokens)[:, None])
    tl.store(sums + both * tokens + row, (top + tl.log2(total)) * 0.6931471805599453, mask=row < tokens)


def _outputs(q: torch.Tensor, *_: Any) -> tuple[torch.Tensor, torch.Tensor]:
    batch, heads, tokens, dim = q.shape
    return q.new_empty(batch, tokens, heads, dim), q.new_empty(batch, heads, tokens, dtype=torch.float32)


@operator("attention", _outputs)
def _attention(
    q: torch.Tensor, k: torch.Tensor, v: torch.Tensor, mask: torch.Tensor | None, causal: bool, scale: float
) -> tuple[torch.Tensor, torch.Tensor]:
    if q.dtype not in DTYPES:
        raise TypeError(f"kernels take float32, float16 and bfloat16, not {q.dtype}")
    q, k, v = (x if x.stride(-1) == 1 else x.contiguous() for x in (q, k, v))
    y, sums = _outputs(q)
    batch, heads, tokens, dim = q.shape
    keep = None if mask is None else mask.contiguous().to(torch.uint8)  # Inductor of torch 2.11 has no view of bool as bytes

    def grid(meta: dict[str, Any]) -> tuple[int, int]:
        return batch * heads, triton.cdiv(tokens, meta["BM"])

    strides = [s for x in (q, k, v) for s in x.stride()[:3]]
    launch(attention_forward)[grid](
        q, k, v, q if keep is None else keep, y, sums, *strides, heads, tokens,
        SCALE=scale * LOG2_E, CAUSAL=causal, MASKED=keep is not None, PRECISION=PRECISION, WIDEN=WIDEN, DIM=dim,
    )  # fmt: skip
    return y, sums


def _keep(ctx: Any, inputs: tuple[Any, ...], output: tuple[torch.Tensor, ...]) -> None:
    q, k, v, mask, ctx.causal, ctx.scale = inputs
    ctx.save_for_backward(q, k, v, mask, *output)


def _gradient(ctx: Any, dy: torch.Tensor, _: Any) -> tuple[Any, ...]:
    q, k, v, mask, y, sums = ctx.saved_tensors
    dtype = q.dtype
    q, k, v, y, upstream = (x.float() for x in (q, k, v, y.transpose(1, 2), dy.transpose(1, 2)))
    allowed = torch.ones(q.shape[2], q.shape[2], dtype=torch.bool, device=q.device)
    if ctx.causal:
        allowed = allowed.tril()
    if mask is not None:
        allowed = allowed & mask[:, None, None, :]
    p = torch.exp(q @ k.transpose(2, 3) * ctx.scale - sums[..., None]).masked_fill(~allowed, 0.0)
    ds = p * (upstream @ v.transpose(2, 3) - (upstream * y).sum(3, keepdim=True)) * ctx.scale
    gradients = ds @ k, ds.transpose(2, 3) @ q, p.transpose(2, 3) @ upstream
    return (*(g.to(dtype) for g in gradients), None, None, None)


_attention.register_autograd(_gradient, setup_context=_keep)


def attention(
    q: torch.Tensor, k: torch.Tensor, v: torch.Tensor, mask: torch.Tensor | None = None, causal: bool = False
) -> torch.Tensor:
    """softmax(q kᵀ / √dim, over keys allowed) v. q, k, v: (batch, heads, tokens, dim); mask: (batch, tokens) or None."""
    return _attention(q, k, v, mask, causal, q.shape[-1] ** -0.5)[0].transpose(1, 2)
