"""Are the kernels right? `python -m compilers.kernels.numerics [NAME ...]`, on a CPU with TRITON_INTERPRET=1 before it.

Output and gradients against PyTorch in float64, by max |difference| / max |reference|, over shapes that hypothesis draws (odd
sizes, one row, one column) and the listed extremes, in float32, float16 and bfloat16, contiguous and not. Prints one line of
JSON: what was checked, and the first shape that is wrong, as small as hypothesis could make it.
"""

import json
import math
import random
import sys
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from triton.runtime.errors import OutOfResources

from bakeoff.compilers.kernels import attention, cross_entropy, embedding_bag, gelu, matmul, norms, rotary, softmax
from bakeoff.compilers.kernels._operator import DTYPES, INTERPRETED

F = torch.nn.functional
# of the largest reference value: a few units in the last place of the result, sums of thousands of terms being in float32
TOLERANCE = {torch.float32: 2e-5, torch.float16: 4e-3, torch.bfloat16: 3e-2}
EXAMPLES = 25
AUTOTUNED = (matmul.matmul_forward, matmul.matmul_resident, attention.attention_forward)
CHOICES: dict[Any, list[Any]] = {kernel: kernel.configs for kernel in AUTOTUNED}
Tensors = list[torch.Tensor]
Sizes = dict[str, int]


@dataclass(frozen=True)
class Case:
    """One kernel: the ranges of its sizes, its extremes, arguments for given sizes, and what it should compute."""

    ranges: dict[str, tuple[int, int]]
    extremes: tuple[Sizes, ...]
    arguments: Callable[[Sizes], Tensors]
    ours: Callable[..., torch.Tensor]
    exact: Callable[..., torch.Tensor]


def _normal(*shape: int) -> torch.Tensor:
    return torch.randn(shape, dtype=torch.float64)


def _rotate(x: torch.Tensor, cos: torch.Tensor, sin: torch.Tensor) -> torch.Tensor:
    first, second = x.chunk(2, dim=-1)
    return torch.cat([first * cos - second * sin, second * cos + first * sin], dim=-1)


def _angles(tokens: int, half: int) -> Tensors:
    angle = torch.outer(torch.arange(tokens), 10000.0 ** -(torch.arange(half) / half)).double()
    return [angle.cos(), angle.sin()]


def _attend(q: torch.Tensor, k: torch.Tensor, v: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
    return F.scaled_dot_product_attention(q, k, v, attn_mask=mask[:, None, None, :])


def _qkv(s: Sizes) -> Tensors:
    return [_normal(s["batch"], s["heads"], s["tokens"], 2 ** s["bits"]) for _ in range(3)]


def _keys(batch: int, tokens: int) -> torch.Tensor:
    """Which keys count: the first ones of each row, or none."""
    return torch.arange(tokens)[None, :] <= torch.randint(-1, tokens, (batch, 1))


ROWS = {"rows": (1, 40), "width": (1, 700)}
LONG = ({"rows": 1, "width": 1}, {"rows": 2, "width": 16384}, {"rows": 2, "width": 16385}, {"rows": 1, "width": 50257})
SEQUENCES = {"batch": (1, 2), "heads": (1, 3), "tokens": (1, 150), "bits": (4, 6)}
NARROW = ({"batch": 1, "heads": 1, "tokens": 1, "bits": 7}, {"batch": 1, "heads": 2, "tokens": 129, "bits": 4})
CASES: dict[str, Case] = {
    "softmax": Case(ROWS, LONG, lambda s: [3 * _normal(s["rows"], s["width"])], softmax.softmax, lambda x: x.softmax(-1)),
    "layer_norm": Case(
        ROWS, LONG, lambda s: [_normal(s["rows"], s["width"]) + 0.5, 1 + 0.1 * _normal(s["width"]), _normal(s["width"])],
        norms.layer_norm, lambda x, w, b: F.layer_norm(x, w.shape, w, b),
    ),
    "rms_norm": Case(
        ROWS, LONG, lambda s: [_normal(s["rows"], s["width"]), 1 + 0.1 * _normal(s["width"])],
        norms.rms_norm, lambda x, w: F.rms_norm(x, w.shape, w, 1e-6),
    ),
    "gelu_bias": Case(
        ROWS, LONG, lambda s: [_normal(s["rows"], s["width"]), _normal(s["width"])],
        lambda x, b: gelu.gelu_bias(x, b, False), lambda x, b: F.gelu(x + b),
    ),
    "gelu_bias_tanh": Case(
        ROWS, LONG, lambda s: [_normal(s["rows"], s["width"]), _normal(s["width"])],
        lambda x, b: gelu.gelu_bias(x, b, True), lambda x, b: F.gelu(x + b, approximate="tanh"),
    ),
    "rotary": Case(
        {"batch": (1, 3), "heads": (1, 3), "tokens": (1, 70), "half": (1, 70)},
        ({"batch": 1, "heads": 1, "tokens": 1, "half": 1},),
        lambda s: [_normal(s["batch"], s["heads"], s["tokens"], 2 * s["half"]), *_angles(s["tokens"], s["half"])],
        rotary.rotary, _rotate,
    ),
    "cross_entropy": Case(
        ROWS, LONG, lambda s: [3 * _normal(s["rows"], s["width"]), torch.randint(s["width"], (s["rows"],))],
        cross_entropy.cross_entropy, F.cross_entropy,
    ),
    "embedding_bag": Case(
        {"rows": (1, 60), "width": (1, 200), "bags": (1, 20), "lookups": (1, 50)},
        ({"rows": 1, "width": 1, "bags": 1, "lookups": 1},),
        lambda s: [_normal(s["rows"], s["width"]), torch.randint(s["rows"], (s["bags"], s["lookups"]))],
        embedding_bag.embedding_bag, lambda weight, ids: F.embedding_bag(ids, weight, mode="sum"),
    ),
    **{
        f"matmul_{name}": Case(
            {"rows": (1, 150), "width": (1, 150), "out": (1, 150)},
            ({"rows": 1, "width": 1, "out": 1}, {"rows": 150, "width": 136, "out": 264}),  # the second: by matmul_resident
            lambda s: [_normal(s["rows"], s["width"]), _normal(s["out"], s["width"]) / s["width"] ** 0.5, _normal(s["out"])],
            lambda x, w, b, name=name: matmul.linear(x, w, b, name),
            lambda x, w, b, end=end: end(F.linear(x, w, b)),
        )
        for name, end in (
            ("none", lambda z: z), ("relu", torch.relu), ("gelu", F.gelu),
            ("gelu_tanh", lambda z: F.gelu(z, approximate="tanh")),
        )
    },
    "attention_causal": Case(
        SEQUENCES, NARROW, _qkv,
        lambda q, k, v: attention.attention(q, k, v, causal=True),
        lambda *qkv: F.scaled_dot_product_attention(*qkv, is_causal=True),
    ),
    "attention_masked": Case(
        SEQUENCES, NARROW,
        lambda s: [*_qkv(s), _keys(s["batch"], s["tokens"])],
        attention.attention, _attend,
    ),
}  # fmt: skip


def wrong(case: Case, sizes: Sizes, dtype: torch.dtype, apart: bool) -> str:
    """What is wrong for these sizes; "" if nothing is. `apart`: with gaps between elements."""
    torch.manual_seed(hash(tuple(sizes.values())) % 2**31)
    exact = [a.to(dtype).double() if a.is_floating_point() else a for a in case.arguments(sizes)]  # as the kernel will see it
    device = "cpu" if INTERPRETED else "cuda"
    given_ = [a.to(dtype) if a.is_floating_point() else a for a in exact]
    given_ = [_with_gaps(a) if apart else a for a in (a.to(device) for a in given_)]
    leaves = [[a.detach().requires_grad_(a.is_floating_point()) for a in arguments] for arguments in (given_, exact)]
    results = [_ours(case, leaves[0], sum(sizes.values())), case.exact(*leaves[1])]
    upstream = _normal(*results[1].shape)
    for result in results:
        result.backward(upstream.to(result.device, result.dtype))
    names = ["output", *(f"gradient {i}" for i, a in enumerate(exact) if a.is_floating_point())]
    found = [[r, *(a.grad for a in arguments if a.is_floating_point())] for r, arguments in zip(results, leaves, strict=True)]
    for name, one, other in zip(names, *found, strict=True):
        if one is None:
            continue  # constants, such as a rotation's angles
        error = _error(one, other)
        if not error <= TOLERANCE[dtype]:
            return f"{name} is off by {error:.2g} (tolerance {TOLERANCE[dtype]:g}) for {sizes}, {dtype}{', strided' * apart}"
    return ""


def _ours(case: Case, arguments: Tensors, number: int) -> torch.Tensor:
    """By one of an autotuned kernel's configurations, another for each number: all have to be right, not the fastest alone."""
    tries = max(map(len, CHOICES.values()))
    for turn in range(number, number + tries):
        for kernel, choices in CHOICES.items():
            kernel.configs = [choices[turn % len(choices)]]
        try:
            return case.ours(*arguments)
        except OutOfResources:  # the autotuner leaves such a one out
            if turn == number + tries - 1:
                raise
    raise AssertionError("no kernel has a configuration")


def _error(ours: torch.Tensor, exact: torch.Tensor) -> float:
    """Absolute where the reference is small: a gradient that cancels to nothing has no relative error."""
    largest = max(float(exact.detach().abs().max()), 0.1) if exact.numel() else 1.0
    worst = float((ours.detach().cpu().double() - exact.detach()).abs().max())
    return worst / largest if ours.shape == exact.shape and math.isfinite(worst) else math.inf


def _with_gaps(tensor: torch.Tensor) -> torch.Tensor:
    """The same values as a view of every other column, or element, of a wider tensor."""
    wide = tensor.new_zeros(*tensor.shape[:-1], 2 * tensor.shape[-1])
    wide[..., ::2] = tensor
    return wide[..., ::2]


def _draw(case: Case, check: Callable[[Sizes, torch.dtype, bool], None], examples: int) -> None:
    """Shapes by hypothesis, which makes a wrong one small; where it is not installed, by a seeded generator."""
    try:
        from hypothesis import HealthCheck, given, settings
        from hypothesis import strategies as st
    except ImportError:
        rng = random.Random(0)  # noqa: S311
        for _ in range(examples):
            check({k: rng.randint(*ends) for k, ends in case.ranges.items()}, rng.choice(DTYPES), rng.random() < 0.5)
        return
    sizes = st.fixed_dictionaries({k: st.integers(*ends) for k, ends in case.ranges.items()})
    quiet = settings(
        max_examples=examples, deadline=None, database=None, derandomize=True, suppress_health_check=list(HealthCheck)
    )
    quiet(given(sizes, st.sampled_from(DTYPES), st.booleans())(check))()


def checked(name: str, examples: int) -> dict[str, Any]:
    """Of one kernel."""
    case, count, failure = CASES[name], 0, ""

    def drawn(sizes: Sizes, dtype: torch.dtype, apart: bool) -> None:
        nonlocal count
        count += 1
        said = wrong(case, sizes, dtype, apart)
        assert not said, said

    try:
        for sizes in case.extremes:
            for dtype in DTYPES:
                count += 1
                said = wrong(case, sizes, dtype, False)
                assert not said, said
        _draw(case, drawn, examples)
    except AssertionError as error:
        failure = str(error).splitlines()[0]
    return {"kernel": name, "checked": count, "interpreted": INTERPRETED, "wrong": failure}


def main(arguments: list[str]) -> int:
    """0 if all are right."""
    torch.set_num_threads(1)
    names = [n for n in CASES if not arguments or any(n == a or n.startswith(f"{a}_") for a in arguments)]
    results = [checked(name, EXAMPLES) for name in names]
    sys.stdout.write("".join(json.dumps(row) + "\n" for row in results))
    return int(any(row["wrong"] for row in results) or not results)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
