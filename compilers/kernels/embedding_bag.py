"""Embedding bag, sum mode (Naumov et al. 2019, arXiv:1906.00091): rows of a table gathered and summed without storing them.

weight: (rows, width), ids: (bags, lookups) int64 → (bags, width), float32, float16 or bfloat16 and summed in float32. Bytes:
bags × lookups × width of the table, gathered, and the output. Flops: one per gathered element. Backward: index_add_ of PyTorch,
in float32.
"""

from typing import Any

import torch
import triton
import triton.language as tl

from bakeoff.compilers.kernels._operator import launch, operator

LOOKUPS = 8  # rows in flight in one warp, which sums them without asking another; many bags are in flight beside it


@triton.jit
def embedding_bag_forward(weight, ids, y, lookups, width, LOOKUPS: tl.constexpr, BLOCK: tl.constexpr):
    bag = tl.program_id(0).to(tl.int64)
    cols = tl.program_id(1) * BLOCK + tl.arange(0, BLOCK)
    within = cols < width
    total = tl.zeros((LOOKUPS, BLOCK), tl.float32)
    for start in range(0, lookups, LOOKUPS):
        look = start + tl.arange(0, LOOKUPS)
        row = tl.load(ids + bag * lookups + look, mask=look < lookups, other=0)
        mask = (look < lookups)[:, None] & within[None, :]
        total += tl.load(weight + row[:, None] * width + cols[None, :], mask=mask, other=0.0).to(tl.float32)
    tl.store(y + bag * width + cols, tl.sum(total, 0), mask=within)


def _bags(weight: torch.Tensor, ids: torch.Tensor) -> torch.Tensor:
    return weight.new_empty(ids.shape[0], weight.shape[1])


@operator("embedding_bag", _bags)
def embedding_bag(weight: torch.Tensor, ids: torch.Tensor) -> torch.Tensor:
    """The sum of each bag's rows. weight: (rows, width); ids: (bags, lookups)."""
    y = _bags(weight, ids)
    bags, lookups = ids.shape
    width = weight.shape[1]
    columns = min(triton.next_power_of_2(width), 128)
    at_once = min(triton.next_power_of_2(lookups), LOOKUPS)
    grid = (bags, triton.cdiv(width, columns))
    arguments = (weight.contiguous(), ids.contiguous(), y, lookups, width)
    launch(embedding_bag_forward)[grid](*arguments, LOOKUPS=at_once, BLOCK=columns, num_warps=1)
    return y


def _keep(ctx: Any, inputs: tuple[Any, ...], output: torch.Tensor) -> None:
    weight, ids = inputs
    ctx.save_for_backward(ids)
    ctx.shape = weight.shape


def _gradient(ctx: Any, dy: torch.Tensor) -> tuple[Any, ...]:
    (ids,) = ctx.saved_tensors
    rows = dy[:, None, :].expand(-1, ids.shape[1], -1).reshape(-1, dy.shape[1])
    sums = torch.zeros(ctx.shape, dtype=torch.float32, device=dy.device)  # a row may be looked up often
    return sums.index_add(0, ids.reshape(-1), rows.float()).to(dy.dtype), None


embedding_bag.register_autograd(_gradient, setup_context=_keep)
