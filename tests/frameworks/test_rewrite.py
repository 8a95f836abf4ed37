"""Does each of Bakeoff's kernels replace its operation and nothing else, and is the output of the graph right?"""

import json
import os
import subprocess
import sys
from importlib.util import find_spec

import pytest

from bakeoff.authoring.discovery import ROOT

needs_triton = pytest.mark.skipif(not (find_spec("torch") and find_spec("triton")), reason="needs torch and triton")

SCRIPT = """
import json, sys, torch
from collections import Counter
from pathlib import Path
from types import SimpleNamespace
from bakeoff.compilers.kernels.rewrite import rewrite
from bakeoff.compilers.torch_triton import chosen
from bakeoff.authoring.discovery import load
from bakeoff.authoring.model import Draw

def placed_of(module, *inputs):
    return placed(module, *inputs, exactly=False)[0]

def placed(module, *inputs, exactly=True):
    found, graphs = Counter(), []
    def backend(graph, example):
        found.update(rewrite(graph))
        return graph.forward
    torch._dynamo.reset()
    got = torch.compile(module, backend=backend)(*inputs)
    if not exactly:
        return dict(found), None
    exact = module(*(x.double() if x.is_floating_point() else x for x in inputs))
    return dict(found), float((got.double() - exact).abs().max() / exact.abs().max())

F = torch.nn.functional
x, w, b = torch.randn(6, 8), torch.randn(8, 8), torch.randn(8)
def rotated(x, c, s):
    a, b = x.chunk(2, -1)
    return torch.cat([a * c - b * s, b * c + a * s], -1)

left_alone = {
    "a bias of another shape": (lambda x: F.gelu(x + x), x),
    "a product without bias": (lambda x, w: torch.relu(F.linear(x, w)), x, w),
    "a product that is used twice": (lambda x, w, b: (y := F.linear(x, w, b)) + torch.relu(y), x, w, b),
    "softmax over another dimension": (lambda x: torch.softmax(x, 0), x),
    "softmax in another dtype": (lambda x: torch.softmax(x, -1, dtype=torch.float64), x),
    "softmax in another dtype, by its place": (lambda x: torch.softmax(x, -1, torch.float32), x.bfloat16()),
    "a bias times a factor": (lambda x, b: F.gelu(torch.add(x, b, alpha=3)), x, b),
    "a bias of another dtype": (lambda x, b: F.gelu(x + b), x.bfloat16(), b),
    "angles of another dtype": (rotated, x.bfloat16(), torch.randn(6, 4), torch.randn(6, 4)),
    "wider values": (lambda q, v: F.scaled_dot_product_attention(q, q, v), torch.randn(1, 1, 8, 16), torch.randn(1, 1, 8, 32)),
    "a norm without weight": (lambda x: F.layer_norm(x, (8,)), x),
    "float64": (lambda x: torch.softmax(x, -1), x.double()),
    "attention with a float mask": (
        lambda q, m: F.scaled_dot_product_attention(q, q, q, attn_mask=m), torch.randn(1, 1, 8, 16), torch.randn(8, 8)
    ),
    "heads that are no power of two": (lambda q: F.scaled_dot_product_attention(q, q, q), torch.randn(1, 1, 8, 24)),
    "the mean of a bag": (lambda ids, w: F.embedding_bag(ids, w), torch.randint(8, (3, 2)), w),
    "smoothed labels": (lambda x, t: F.cross_entropy(x, t, label_smoothing=0.1).reshape(1), x, torch.randint(8, (6,))),
    "rotated parts in another order": (
        lambda x, c, s: torch.cat([x.chunk(2, -1)[0] * c - x.chunk(2, -1)[1] * s, x.chunk(2, -1)[0] * c], -1),
        x, torch.randn(6, 4), torch.randn(6, 4),
    ),
}
reported = {}
for path in sorted(Path("models/kernels").glob("kernel_*.py")):
    model = load(path.resolve(), "MODEL").at("small")
    inputs = [torch.from_numpy(a) for a in model.batch(Draw(0), 0).inputs]
    reported[path.stem.removeprefix("kernel_")] = placed(model.torch(), *inputs)
reported["left alone"] = {name: placed(*case)[0] for name, case in left_alone.items() if placed(*case)[0]}
wide = torch.nn.Sequential(torch.nn.Linear(8, 8), torch.nn.GELU()).requires_grad_(False)
reported["gelu of a product"] = [placed_of(wide.to(dtype), x.to(dtype)) for dtype in (torch.float32, torch.bfloat16)]
config = SimpleNamespace(kwargs={"BM": 64}, num_warps=4, num_stages=3)
one = SimpleNamespace(launchers=[SimpleNamespace(config=config)], compile_results=[1, 2], fn=SimpleNamespace(__name__="k"))
untuned = SimpleNamespace(launchers=[1, 2], compile_results=[1, 2])
reported["chosen"] = chosen([one, untuned, SimpleNamespace(launchers=[1], compile_results=[1])])
print(json.dumps(reported))
"""


@pytest.fixture(scope="module")
def reported() -> dict[str, object]:
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", SCRIPT], capture_output=True, text=True, cwd=ROOT, timeout=300, check=False,
        env={**os.environ, "TRITON_INTERPRET": "1"},
    )  # fmt: skip
    assert done.returncode == 0, done.stderr[-3000:]
    return json.loads(done.stdout.splitlines()[-1])  # type: ignore[no-any-return]


KERNELS = ("softmax", "layer_norm", "rms_norm", "gelu_bias", "rotary", "cross_entropy", "embedding_bag", "matmul", "attention")


@needs_triton
@pytest.mark.parametrize("kernel", KERNELS)
def test_each_kernel_replaces_its_operation(reported: dict[str, tuple[dict[str, int], float]], kernel: str) -> None:
    placed, error = reported[kernel]
    assert placed == {kernel: 1}
    assert error < 1e-5


@needs_triton
def test_gelu_of_a_product_is_one_kernel_where_the_library_is_slow(reported: dict[str, object]) -> None:
    assert reported["gelu of a product"] == [{"matmul": 1}, {"gelu_bias": 1}]


@needs_triton
def test_other_operations_are_not_replaced(reported: dict[str, object]) -> None:
    assert reported["left alone"] == {}
    assert reported["copy"] == [{}, pytest.approx(0.0)]


@needs_triton
def test_the_choice_of_the_autotuner_is_reported(reported: dict[str, object]) -> None:
    assert reported["chosen"] == {"chosen_k_BM": 64.0, "chosen_k_num_warps": 4.0, "chosen_k_num_stages": 3.0}
