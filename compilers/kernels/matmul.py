"""A blocked matrix product with its epilogue (the Triton tutorials' matrix multiplication and persistent one; grouped order for
the L2 cache), by pointers, or from Hopper on by its copy engine, for half precision and rows of whole 16 bytes.

x: (..., k), weight: (n, k), bias: (n) → activation(x weightᵀ + bias), (..., n), float32, float16 or bfloat16. Flops: 2 · rows ·
n · k. Bytes: x, weight and output once. float32 is multiplied in three products of TF32 parts, not in one. Backward: products
of PyTorch, the activation recomputed.
"""

from typing import Any

import torch
import triton
import triton.language as tl

from bakeoff.compilers.kernels._activations import BY_NAME, activate
from bakeoff.compilers.kernels._operator import INTERPRETED, PRECISION, WIDEN, launch, operator, rows_of, tuned

INNER = 128  # bytes of a row of x and of weight that a block holds at a time
TMA_BYTES = 16  # what rows must be multiples of for Hopper's copy engine
SHAPES = ((64, 64, 4, 3), (128, 64, 4, 3), (128, 128, 8, 3))
RESIDENT = ((128, 256, 8, 4), (128, 128, 4, 4), (64, 128, 4, 4), (64, 64, 4, 4))


def _configs(shapes: tuple[tuple[int, int, int, int], ...]) -> list[triton.Config]:
    return tuned([triton.Config({"BM": m, "BN": n, "GROUP": 8}, num_warps=w, num_stages=s) for m, n, w, s in shapes])


@triton.jit
def block_of(tile, m, n, BM: tl.constexpr, BN: tl.constexpr, GROUP: tl.constexpr):
    """(row, column of blocks) of a tile: GROUP rows at a time go from left to right, so that both stay in the cache."""
    down = tl.cdiv(m, BM)
    across = tl.cdiv(n, BN)
    first = (tile // (GROUP * across)) * GROUP
    height = tl.minimum(down - first, GROUP)
    return first + (tile % (GROUP * across)) % height, (tile % (GROUP * across)) // height


@triton.autotune(configs=_configs(SHAPES), key=["m", "n", "k"])
@triton.jit
def matmul_forward(
    x, weight, bias, y, m, n, k,
    ACTIVATION: tl.constexpr, EVEN: tl.constexpr, PRECISION: tl.constexpr, WIDEN: tl.constexpr,
    BK: tl.constexpr, BM: tl.constexpr, BN: tl.constexpr, GROUP: tl.constexpr,
):  # fmt: skip
    i, j = block_of(tl.program_id(0), m, n, BM, BN, GROUP)
    row = i * BM + tl.arange(0, BM)
    col = j * BN + tl.arange(0, BN)
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


@triton.autotune(configs=_configs(RESIDENT), key=["m", "n", "k"])
@triton.jit
def matmul_resident(
    x, weight, bias, y, m, n, k,
    ACTIVATION: tl.constexpr, PROGRAMS: tl.constexpr, WIDEN: tl.constexpr,
    BK: tl.constexpr, BM: tl.constexpr, BN: tl.constexpr, GROUP: tl.constexpr,
):  # fmt: skip
    """As many programs as multiprocessors take tile after tile by the copy engine (the tutorials' persistent one)."""
    rows = tl.make_tensor_descriptor(x, [m, k], [k, 1], [BM, BK])
    columns = tl.make_tensor_descriptor(weight, [n, k], [k, 1], [BN, BK])
    half = tl.make_tensor_descriptor(y, [m, n], [n, 1], [BM, BN // 2])  # all of a tile would leave too little shared memory
    for tile in tl.range(tl.program_id(0), tl.cdiv(m, BM) * tl.cdiv(n, BN), PROGRAMS, flatten=True):
        i, j = block_of(tile, m, n, BM, BN, GROUP)
        total = tl.zeros((BM, BN), tl.float32)
        for step in range(tl.cdiv(k, BK)):
            a = rows.load([i * BM, step * BK])
            b = columns.load([j * BN, step * BK])
            if WIDEN:
                a = a.to(tl.float32)
                b = b.to(tl.float32)
            total = tl.dot(a, b.T, total, input_precision="ieee")
        col = j * BN + tl.arange(0, BN)
        total += tl.load(bias + col, mask=col < n, other=0.0).to(tl.float32)[None, :]
        out = activate(total, ACTIVATION).to(y.dtype.element_ty)
        left, right = tl.split(tl.permute(tl.reshape(out, (BM, 2, BN // 2)), (0, 2, 1)))
        half.store([i * BM, j * BN], left)
        half.store([i * BM, j * BN + BN // 2], right)


def _product(x: torch.Tensor, weight: torch.Tensor, *_: Any) -> torch.Tensor:
    return x.new_empty(*x.shape[:-1], weight.shape[0])


@operator("linear", _product)
def linear(x: torch.Tensor, weight: torch.Tensor, bias: torch.Tensor, activation: str) -> torch.Tensor:
    """activation(x weightᵀ + bias) with `activation` none, relu, gelu or gelu_tanh. x: (..., k); weight: (n, k); bias: (n)."""
    flat, m, k = rows_of(x)
    weight = weight.contiguous()
    y = _product(x, weight)
    n, inner = weight.shape[0], INNER // x.element_size()

    def grid(meta: dict[str, Any]) -> tuple[int]:
        return (triton.cdiv(m, meta["BM"]) * triton.cdiv(n, meta["BN"]),)

    arguments = (flat, weight, bias.contiguous(), y, m, n, k)
    common = {"ACTIVATION": BY_NAME[activation], "WIDEN": WIDEN, "BK": inner}
    programs = _residents(flat, weight)
    if programs:
        if not INTERPRETED:  # for its descriptors; Inductor sets its own
            triton.set_allocator(lambda size, align, stream: torch.empty(size, dtype=torch.int8, device=x.device))
        launch(matmul_resident)[lambda meta: (min(programs, *grid(meta)),)](*arguments, PROGRAMS=programs, **common)
    else:
        launch(matmul_forward)[grid](*arguments, EVEN=k % inner == 0, PRECISION=PRECISION, **common)
    return y


def _residents(x: torch.Tensor, weight: torch.Tensor) -> int:
    """Programs of `matmul_resident`; 0 where it cannot, or is not the faster one."""
    n, k = weight.shape
    aligned = all(size * x.element_size() % TMA_BYTES == 0 for size in (n, k, x.storage_offset(), weight.storage_offset()))
    if x.dtype is torch.float32 or not aligned:
        return 0
    if INTERPRETED:
        return 2
    gpu = torch.cuda.get_device_properties(x.device)
    return gpu.multi_processor_count if gpu.major >= 9 else 0


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
