"""A blocked matrix product with its epilogue (the Triton tutorials' matrix multiplication; grouped order for the L2 cache).

x: (..., k), weight: (n, k), bias: (n) → activation(x weightᵀ + bias), (..., n). Flops: 2 · rows · n · k. Bytes: x, weight and
output once. float32 is multiplied in three products of TF32 parts, not in one. Backward: products of PyTorch, the activation
recomputed.
"""

from typing import Any

import torch
import triton
import triton.language as tl

from compilers.kernels._activations import BY_NAME, activate
from compilers.kernels._operator import PRECISION, WIDEN, launch, operator, rows_of, tuned

INNER = 128  # bytes of a row of x and of weight that a block holds at a time
SHAPES = ((64, 64, 4, 3), (128, 64, 4, 3), (128, 128, 4, 3), (256, 128, 8, 3))
CONFIGS = [triton.Config({"BM": m, "BN": n, "GROUP": 8}, num_warps=w, num_stages=s) for m, n, w, s in SHAPES]


@triton.autotune(configs=tuned(CONFIGS), key=["m", "n", "k"])
@triton.jit
def matmul_forward(
    x, weight, bias, y, m, n, k,
    ACTIVATION: tl.constexpr, EVEN: tl.constexpr, PRECISION: tl.constexpr, WIDEN: tl.constexpr,
    BK: tl.constexpr, BM: tl.constexpr, BN: tl.constexpr, GROUP: tl.constexpr,
):  # fmt: skip
    pid = tl.program_id(0)
    down = tl.cdiv(m, BM)
    across = tl.cdiv(n, BN)
    first = (pid // (GROUP * across)) * GROUP
    height = tl.minimum(down - first, GROUP)
    row = (first + (pid % (GROUP * across)) % height) * BM + tl.arange(0, BM)
    col = ((pid % (GROUP * across)) // height) * BN + tl.arange(0, BN)
    inner = tl.arange(0, BK)
    # beyond the edge the first rows are read again, and not stored: no mask in the loop but that of an uneven k
    left = x + (row % m).to(tl.int64)[:, None] * k + inner[None, :]
    right = weight + (col % n).to(tl.int64)[None, :] * k + inner[:, None]
    total = tl.zeros((BM, BN), tl.float32)
    for start in range(0, k, BK):
        if EVEN:
            a = tl.load(left)
            b = tl.load(right)
        else:
            rest = start + inner < k
            a = tl.load(left, mask=rest[None, :], other=0.0)
            b = tl.load(right, mask=rest[:, None], other=0.0)
        if WIDEN:
            a = a.to(tl.float32)
            b = b.to(tl.float32)
        total = tl.dot(a, b, total, input_precision=PRECISION)
        left += BK
        right += BK
    total += tl.load(bias + col, mask=col < n, other=0.0).to(tl.float32)[None, :]
    out = activate(total, ACTIVATION).to(y.dtype.element_ty)
    tl.store(y + row.to(tl.int64)[:, None] * n + col[None, :], out, mask=(row < m)[:, None] & (col < n)[None, :])


def _product(x: torch.Tensor, weight: torch.Tensor, *_: Any) -> torch.Tensor:
    return x.new_empty(*x.shape[:-1], weight.shape[0])


@operator("linear", _product)
def linear(x: torch.Tensor, weight: torch.Tensor, bias: torch.Tensor, activation: str) -> torch.Tensor:
    """activation(x weightᵀ + bias) with `activation` none, relu, gelu or gelu_tanh. x: (..., k); weight: (n, k); bias: (n)."""
    flat, m, k = rows_of(x)
    y = _product(x, weight)
    n, inner = weight.shape[0], INNER // x.element_size()

    def grid(meta: dict[str, Any]) -> tuple[int]:
        return (triton.cdiv(m, meta["BM"]) * triton.cdiv(n, meta["BN"]),)

    launch(matmul_forward)[grid](
        flat, weight.contiguous(), bias, y, m, n, k,
        ACTIVATION=BY_NAME[activation], EVEN=k % inner == 0, PRECISION=PRECISION, WIDEN=WIDEN, BK=inner,
    )  # fmt: skip
    return y


def _keep(ctx: Any, inputs: tuple[Any, ...], output: torch.Tensor) -> None:
    ctx.save_for_backward(*inputs[:3])
    ctx.activation = inputs[3]


def _gradient(ctx: Any, dy: torch.Tensor) -> tuple[Any, ...]:
    x, weight, bias = ctx.saved_tensors
    flat, dz = x.flatten(0, -2) if x.dim() > 1 else x[None], dy.reshape(-1, weight.shape[0])
    if ctx.activation == "relu":
        dz = dz * (torch.addmm(bias, flat, weight.t()) > 0)
    elif ctx.activation != "none":
        z = torch.addmm(bias, flat, weight.t())
        form = "tanh" if ctx.activation == "gelu_tanh" else "none"
        dz = torch.ops.aten.gelu_backward(dz, z, approximate=form)
    return (dz @ weight).view(x.shape), dz.t() @ flat, dz.sum(0), None


linear.register_autograd(_gradient, setup_context=_keep)
