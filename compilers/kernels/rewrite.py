"""Our kernels in a graph: what Dynamo captured, with every call that a kernel of ours serves replaced by that kernel.

The graph is PyTorch's own calls, before autograd and decompositions, so a pattern is a function's name and its arguments. What
does not fit (another dtype, no bias, another mask) stays as it is. relu(linear) becomes our product with its epilogue;
gelu(linear) as well in float32, where the library has no tensor cores for it (4096³ on an H200: 1.7 ms against 2.7 ms), and in
half precision the library's product and our GELU with bias, since the two products are equally fast there (181 and 182 µs).
"""

import operator
from collections import Counter
from collections.abc import Callable
from typing import Any

import torch
from torch.fx import Graph, GraphModule, Node

from bakeoff.compilers.kernels import attention, cross_entropy, norms
from bakeoff.compilers.kernels import embedding_bag as _1  # noqa: F401  registers its operator, as those below do
from bakeoff.compilers.kernels import gelu as _2  # noqa: F401
from bakeoff.compilers.kernels import matmul as _3  # noqa: F401
from bakeoff.compilers.kernels import rotary as _4  # noqa: F401
from bakeoff.compilers.kernels import softmax as _5  # noqa: F401

F = torch.nn.functional
OURS = torch.ops.bakeoff
LINEAR = (F.linear, torch._C._nn.linear)
Replacement = tuple[str, Callable[..., Any], tuple[Any, ...]]  # name, function, arguments


def rewrite(module: GraphModule) -> Counter[str]:
    """Replace what can be, in place. Returns how often each kernel was put in."""
    placed: Counter[str] = Counter()
    graph = module.graph
    for node in list(graph.nodes):
        rule = RULES.get(node.target) if node.op == "call_function" else None
        if node.op == "call_method":
            rule = METHODS.get(node.target)
        found = rule(graph, node) if rule is not None else None
        if found is None:
            continue
        name, function, arguments = found
        with graph.inserting_before(node):
            new = graph.call_function(function, arguments)
        new.meta = dict(node.meta)
        node.replace_all_uses_with(new)
        graph.erase_node(node)
        placed[name] += 1
    graph.eliminate_dead_code()
    module.recompile()
    return placed


def _given(node: Node, names: str, **defaults: Any) -> dict[str, Any]:
    """Arguments by name."""
    return {**defaults, **dict(zip(names.split(), node.args, strict=False)), **node.kwargs}


def _value(node: Any) -> Any:
    """The example that Dynamo traced with."""
    return node.meta.get("example_value") if isinstance(node, Node) else None


def _ours(*nodes: Any) -> bool:
    """Tensors of a dtype that the kernels take."""
    return all(isinstance(v := _value(node), torch.Tensor) and v.dtype in DTYPES for node in nodes)


def _alike(*nodes: Any) -> bool:
    """Those, all of one dtype: of two, PyTorch's result has the wider one."""
    return _ours(*nodes) and len({_value(node).dtype for node in nodes}) == 1


def _plain(node: Node) -> bool:
    """Two operands and nothing else, such as the factor `alpha`."""
    return len(node.args) == 2 and not node.kwargs


DTYPES = (torch.float32, torch.float16, torch.bfloat16)


def _layer_norm(graph: Graph, node: Node) -> Replacement | None:
    given = _given(node, "input normalized_shape weight bias eps", weight=None, bias=None, eps=1e-5)
    if len(given["normalized_shape"]) != 1 or not _ours(given["input"], given["weight"], given["bias"]):
        return None
    return "layer_norm", norms.layer_norm, (given["input"], given["weight"], given["bias"], given["eps"])


def _rms_norm(graph: Graph, node: Node) -> Replacement | None:
    given = _given(node, "input normalized_shape weight eps", weight=None, eps=None)
    if len(given["normalized_shape"]) != 1 or not _ours(given["input"], given["weight"]):
        return None
    eps = given["eps"] if given["eps"] is not None else torch.finfo(_value(given["input"]).dtype).eps
    return "rms_norm", norms.rms_norm, (given["input"], given["weight"], eps)


def _softmax(graph: Graph, node: Node) -> Replacement | None:
    given = _given(
        node, "input dim dtype" if node.target is not F.softmax else "input dim _stacklevel dtype", dim=None, dtype=None
    )
    if given["dtype"] is not None or not _ours(given["input"]):
        return None
    if given["dim"] not in (-1, _value(given["input"]).dim() - 1):
        return None
    return "softmax", OURS.softmax.default, (given["input"],)


def _linear(node: Any) -> dict[str, Any] | None:
    """The arguments of a linear layer with bias that only one node reads, of a dtype that the kernels take."""
    if not isinstance(node, Node) or node.target not in LINEAR or len(node.users) != 1:
        return None
    given = _given(node, "input weight bias", bias=None)
    return given if _alike(given["input"], given["weight"], given["bias"]) else None


def _gelu(graph: Graph, node: Node) -> Replacement | None:
    given = _given(node, "input", approximate="none")
    tanh = given["approximate"] == "tanh"
    inner = given["input"]
    if isinstance(inner, Node) and inner.target in (operator.add, torch.add) and _plain(inner):  # x + bias
        x, bias = inner.args
        if _alike(x, bias) and _value(bias).dim() == 1 and _value(bias).shape[0] == _value(x).shape[-1]:
            return "gelu_bias", OURS.gelu_bias.default, (x, bias, tanh)
    linear = _linear(inner)
    if linear is None:
        return None
    if _value(linear["input"]).dtype is torch.float32:
        arguments = linear["input"], linear["weight"], linear["bias"], "gelu_tanh" if tanh else "gelu"
        return "matmul", OURS.linear.default, arguments
    with graph.inserting_before(node):
        product = graph.call_function(F.linear, (linear["input"], linear["weight"]))
        product.meta = dict(inner.meta)
    return "gelu_bias", OURS.gelu_bias.default, (product, linear["bias"], tanh)


def _relu(graph: Graph, node: Node) -> Replacement | None:
    given = _given(node, "input inplace", inplace=False)
    linear = _linear(given["input"])
    if linear is None or given["inplace"]:
        return None
    return "matmul", OURS.linear.default, (linear["input"], linear["weight"], linear["bias"], "relu")


def _attention(graph: Graph, node: Node) -> Replacement | None:
    names = "query key value attn_mask dropout_p is_causal"
    given = _given(node, names, attn_mask=None, dropout_p=0.0, is_causal=False, scale=None, enable_gqa=False)
    query, key, mask = given["query"], given["key"], given["attn_mask"]
    if not _alike(query, key, given["value"]) or given["dropout_p"] or given["scale"] is not None or given["enable_gqa"]:
        return None
    shape = _value(query).shape
    if len(shape) != 4 or not shape == _value(key).shape == _value(given["value"]).shape or shape[-1] not in (16, 32, 64, 128):
        return None
    if mask is not None:
        value = _value(mask)
        if value.dtype is not torch.bool or value.shape != (shape[0], 1, 1, shape[2]):
            return None
        with graph.inserting_before(node):
            mask = graph.call_function(torch.reshape, (mask, (shape[0], shape[2])))
    return "attention", attention.attention, (query, key, given["value"], mask, given["is_causal"])


def _embedding_bag(graph: Graph, node: Node) -> Replacement | None:
    names = "input weight offsets max_norm norm_type scale_grad_by_freq mode sparse per_sample_weights include_last_offset"
    none = dict.fromkeys(("offsets", "max_norm", "per_sample_weights", "padding_idx"))
    given = _given(node, f"{names} padding_idx", **none, mode="mean", sparse=False)
    if given["mode"] != "sum" or given["sparse"] or any(given[name] is not None for name in none):
        return None
    if not _ours(given["weight"]) or _value(given["input"]).dim() != 2:
        return None
    return "embedding_bag", OURS.embedding_bag.default, (given["weight"], given["input"])


def _cross_entropy(graph: Graph, node: Node) -> Replacement | None:
    given = _given(node, "input target weight", weight=None, reduction="mean", ignore_index=-100, label_smoothing=0.0)
    if given["weight"] is not None or given["reduction"] != "mean" or given["label_smoothing"]:
        return None
    if not _ours(given["input"]) or _value(given["input"]).dim() != 2 or _value(given["target"]).dtype is not torch.int64:
        return None
    return "cross_entropy", cross_entropy.cross_entropy, (given["input"], given["target"], given["ignore_index"])


def _rotary(graph: Graph, node: Node) -> Replacement | None:
    """cat([a·cos − b·sin, b·cos + a·sin], −1) with a, b the halves of x."""
    given = _given(node, "tensors dim", dim=0)
    parts = given["tensors"]
    if len(parts) != 2 or not all(isinstance(p, Node) and _plain(p) for p in parts):
        return None
    minus, plus = parts
    if minus.target not in (operator.sub, torch.sub) or plus.target not in (operator.add, torch.add):
        return None
    products = [p for part in parts for p in part.args]
    if not all(isinstance(p, Node) and p.target in (operator.mul, torch.mul) for p in products):
        return None
    (a, cos), (b, sin), (b_too, cos_too), (a_too, sin_too) = (p.args for p in products)
    halves = [n for n in (a, b) if isinstance(n, Node) and n.target is operator.getitem]
    if (a, b, cos, sin) != (a_too, b_too, cos_too, sin_too) or [n.args[1] for n in halves] != [0, 1]:
        return None
    chunk = halves[0].args[0]
    if halves[1].args[0] is not chunk or chunk.target not in ("chunk", torch.chunk):
        return None
    split = _given(chunk, "input chunks dim", dim=0)
    x = split["input"]
    if not _alike(x, cos, sin) or split["chunks"] != 2 or {split["dim"], given["dim"]} - {-1, _value(x).dim() - 1}:
        return None
    if _value(cos).shape != (_value(x).shape[-2], _value(x).shape[-1] // 2) or _value(sin).shape != _value(cos).shape:
        return None
    return "rotary", OURS.rotary.default, (x, cos, sin)


Rule = Callable[[Graph, Node], Replacement | None]
RULES: dict[Any, Rule] = {
    F.layer_norm: _layer_norm,
    F.rms_norm: _rms_norm,
    torch.rms_norm: _rms_norm,
    F.softmax: _softmax,
    torch.softmax: _softmax,
    F.gelu: _gelu,
    torch._C._nn.gelu: _gelu,
    F.relu: _relu,
    torch.relu: _relu,
    F.scaled_dot_product_attention: _attention,
    torch._C._nn.scaled_dot_product_attention: _attention,
    F.embedding_bag: _embedding_bag,
    F.cross_entropy: _cross_entropy,
    torch.cat: _rotary,
}
METHODS: dict[str, Rule] = {"softmax": _softmax, "relu": _relu}
