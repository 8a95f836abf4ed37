"""Cross-entropy with logits: log-sum-exp, the target's logit and their difference in one pass over each row, as in Liger-Kernel
(Hsu et al. 2024, arXiv:2410.10989), but with a backward pass of its own, since the logits may be used again. The online sums
(Milakov and Gimelshein 2018, arXiv:1805.02867) are of eight neighbours each, and are put together at the end.

logits: (rows, classes), float32, float16 or bfloat16, target: (rows) int64 → the loss of each row, float32; a row whose target
is `ignore` has loss 0. Bytes: size of the logits, backward 2 × that. Flops: about 4 per element.
"""

from typing import Any

import torch
import triton
import triton.language as tl

from bakeoff.compilers.kernels._operator import block, launch, operator, rows_of

LOWEST = tl.constexpr(-3.0e38)
VECTOR = 16  # bytes that a thread reads at once
BLOCK, LEAST, GROUP = 4096, 1024, 8  # elements of a row at a time; of several short rows; with a maximum of their own
LOG2_E = tl.constexpr(1.4426950408889634)


@triton.jit
def over_classes(
    top, total, logits, live, begin, before, n, first, last,
    EDGE: tl.constexpr, ALIGN: tl.constexpr, GROUPS: tl.constexpr, GROUP: tl.constexpr,
):  # fmt: skip
    """Online log-sum-exp, one for each GROUP of neighbours, without asking other threads. EDGE: some are not the row's."""
    for start in range(first, last, GROUPS * GROUP):
        cols = start + tl.arange(0, GROUPS)[:, None] * GROUP + tl.arange(0, GROUP)[None, :]
        at = logits + begin[:, None, None] + cols[None, :, :]
        if EDGE:
            vector = cols // ALIGN * ALIGN
            end = (before + n)[:, None, None]
            wanted = live[:, None, None] & (vector[None, :, :] < end)
            v = tl.load(at, mask=wanted, other=-float("inf")).to(tl.float32)
            own = wanted & (cols[None, :, :] >= before[:, None, None]) & (cols[None, :, :] < end)
            v = tl.where(own, v, -float("inf"))
        else:
            v = tl.load(at).to(tl.float32)
        new = tl.maximum(top, tl.max(v, 2) * LOG2_E)
        total = total * tl.exp2(top - new) + tl.sum(tl.exp2(v * LOG2_E - new[:, :, None]), 2)
        top = new
    return top, total


@triton.jit
def cross_entropy_forward(
    logits, target, loss, sums, rows, n, ignore,
    ALIGN: tl.constexpr, ROWS: tl.constexpr, GROUPS: tl.constexpr, GROUP: tl.constexpr,
):  # fmt: skip
    row = tl.program_id(0).to(tl.int64) * ROWS + tl.arange(0, ROWS)
    live = row < rows
    # rows of an odd number of classes begin anywhere: what is read begins and ends with whole vectors of ALIGN elements, and
    # neighbours are taken out again; blocks between the first and the last have none. Several rows are of one block.
    begin = row * n // ALIGN * ALIGN
    before = (row * n - begin).to(tl.int32)
    top = tl.full((ROWS, GROUPS), LOWEST, tl.float32)
    total = tl.zeros((ROWS, GROUPS), tl.float32)
    BLOCK: tl.constexpr = GROUPS * GROUP
    inner = n // BLOCK * BLOCK
    top, total = over_classes(top, total, logits, live, begin, before, n, 0, BLOCK, True, ALIGN, GROUPS, GROUP)
    top, total = over_classes(top, total, logits, live, begin, before, n, BLOCK, inner, False, ALIGN, GROUPS, GROUP)
    last = n + ALIGN - 1
    top, total = over_classes(
        top, total, logits, live, begin, before, n, tl.maximum(inner, BLOCK), last, True, ALIGN, GROUPS, GROUP
    )
    highest = tl.max(top, 1)
    whole = (highest + tl.log2(tl.sum(total * tl.exp2(top - highest[:, None]), 1))) / LOG2_E
    right_class = tl.load(target + row, mask=live, other=0)
    counts = live & (right_class != ignore)
    right = tl.load(logits + row * n + right_class, mask=counts, other=0.0).to(tl.float32)
    tl.store(sums + row, whole, mask=live)
    tl.store(loss + row, tl.where(counts, whole - right, 0.0), mask=live)


@triton.jit
def cross_entropy_backward(
    logits, target, sums, dloss, dlogits, rows, n, ignore, ROWS: tl.constexpr, BLOCK: tl.constexpr, WHOLE: tl.constexpr
):
    row = tl.program_id(0).to(tl.int64) * ROWS + tl.arange(0, ROWS)
    cols = tl.arange(0, BLOCK)
    live = row < rows
    at = row[:, None] * n + cols[None, :]
    wanted = tl.load(target + row, mask=live, other=0)
    whole = tl.load(sums + row, mask=live, other=0.0)
    g = tl.where(wanted != ignore, tl.load(dloss + row, mask=live, other=0.0).to(tl.float32), 0.0)
    for start in range(0, n, BLOCK):
        mask = live[:, None] & (start + cols < n)[None, :]
        v = tl.load(logits + start + at, mask=mask, other=-float("inf")).to(tl.float32)
        share = tl.exp(v - whole[:, None]) - tl.where((start + cols)[None, :] == wanted[:, None], 1.0, 0.0)
        tl.store(dlogits + start + at, share * g[:, None], mask=mask)


def _per_row(logits: torch.Tensor, *_: Any) -> tuple[torch.Tensor, torch.Tensor]:
    losses, sums = (torch.empty(logits.shape[0], dtype=torch.float32, device=logits.device) for _ in range(2))
    return losses, sums


@operator("cross_entropy", _per_row)
def _cross_entropy(logits: torch.Tensor, target: torch.Tensor, ignore: int) -> tuple[torch.Tensor, torch.Tensor]:
    flat, rows, n = rows_of(logits)
    if flat.storage_offset() * flat.element_size() % VECTOR:  # else the last vector could reach beyond what is allocated
        flat = flat.clone()
    losses, sums = _per_row(flat)
    groups = max(1, min(triton.next_power_of_2(n), BLOCK) // GROUP)
    height = max(1, LEAST // (groups * GROUP))
    grid = (triton.cdiv(rows, height),)
    shape = {"ALIGN": VECTOR // flat.element_size(), "ROWS": height, "GROUPS": groups, "GROUP": GROUP, "num_warps": 8}
    launch(cross_entropy_forward)[grid](flat, target.contiguous(), losses, sums, rows, n, ignore, **shape)
    return losses, sums


@operator(
    "cross_entropy_backward",
    lambda logits, *_: torch.empty_like(logits, memory_format=torch.contiguous_format),
)
def _backward(logits: torch.Tensor, target: torch.Tensor, sums: torch.Tensor, dloss: torch.Tensor, ignore: int) -> torch.Tensor:
    flat, rows, n = rows_of(logits)
    gradient = torch.empty_like(flat)
    shape = block(n)
    grid = (triton.cdiv(rows, shape["ROWS"]),)
    arguments = (flat, target.contiguous(), sums, dloss.contiguous(), gradient)
    launch(cross_entropy_backward)[grid](*arguments, rows, n, ignore, **shape)
    return gradient


def _keep(ctx: Any, inputs: tuple[Any, ...], output: tuple[torch.Tensor, ...]) -> None:
    ctx.save_for_backward(inputs[0], inputs[1], output[1])
    ctx.ignore = inputs[2]


def _gradient(ctx: Any, dloss: torch.Tensor, *_: Any) -> tuple[Any, ...]:
    logits, target, sums = ctx.saved_tensors
    return _backward(logits, target, sums, dloss, ctx.ignore), None, None


_cross_entropy.register_autograd(_gradient, setup_context=_keep)


def cross_entropy(logits: torch.Tensor, target: torch.Tensor, ignore: int = -100) -> torch.Tensor:
    """The mean loss over rows whose target is not `ignore`; NaN if there is none, as in PyTorch."""
    losses, _ = _cross_entropy(logits, target, ignore)
    return (losses.sum() / (target != ignore).sum()).to(logits.dtype)
