"""What the Inductor stacks share: counters, graph breaks, and the cost that a machine pays once.

Dynamo and Inductor are imported here, at the top: importing is import time, as it is for TensorFlow, whose `import` brings
its compilers along. Graph breaks come from Dynamo's own log of them, which writes only where there is one, so that a clean
model's compile time holds no cost of ours.
"""

import logging
import re
import shutil
from collections import Counter
from pathlib import Path

import torch
import torch._dynamo
import torch._dynamo.utils
import torch._inductor.codecache
import torch._inductor.compile_fx
import torch._inductor.cpu_vec_isa
from torch._inductor.cpp_builder import get_cpp_compiler
from torch._inductor.exc import InvalidCxxCompiler

from compilers._torch import TorchProgram, TorchStack
from harness import Diagnostics, GraphBreak, Model, Setup, Step, Unavailable, Unsupported, Weights, where

SITE = re.compile(r"in user code at (?P<file>.+?):(?P<line>\d+)\n")
CODE = re.compile(r"/gb/gb(\d+)\.html")
LIMIT = "recompile limit"  # of Dynamo, after which a frame silently runs eager


class BreakLog(logging.Handler):
    """Keeps what Dynamo says of each graph break."""

    def __init__(self) -> None:
        super().__init__(logging.DEBUG)
        self.breaks: Counter[GraphBreak] = Counter()

    def emit(self, record: logging.LogRecord) -> None:
        text = record.getMessage()
        site, code = SITE.search(text), CODE.search(text)
        if site is None:
            return
        skipped = "falling back to eager" in text or "will skip tracing the frame" in text
        found = GraphBreak(
            kind="skipped_frame" if skipped else "graph_break",
            reason=_reason(text),
            where=where(site["file"], int(site["line"])),
            code=f"GB{code[1]}" if code else None,
        )
        self.breaks[found] += 1


class InductorStack(TorchStack):
    """torch.compile(module) with the default backend."""

    notes = (*TorchStack.notes, "Inductor chooses by default rules: no autotuning, no CUDA graphs")

    def __init__(self) -> None:
        self.log = BreakLog()

    def prepare_machine(self) -> None:
        """Build the precompiled header and the vector-instruction probes: 15 of a first compile's 20 seconds."""
        _need_compiler()
        torch._inductor.cpu_vec_isa.pick_vec_isa()
        caches = Path(torch._inductor.codecache.cache_dir())
        probes = {p for p in caches.rglob("*") if p.is_file()}
        torch.set_grad_enabled(False)
        torch.compile(lambda x: x + 1)(torch.ones(8))  # the header lies in TMPDIR, beside the caches
        for path in [p for p in caches.rglob("*") if p.is_file() and p not in probes]:
            path.unlink()
        for name in ("fxgraph", "aotautograd"):
            shutil.rmtree(caches / name, ignore_errors=True)

    def build(self, model: Model, weights: Weights, setup: Setup) -> TorchProgram:
        if setup.device == "cpu":
            _need_compiler()
        return super().build(model, weights, setup)

    def transform(self, module: torch.nn.Module, example: tuple[torch.Tensor, ...]) -> Step:
        torch._logging.set_logs(graph_breaks=True)
        for name in list(logging.root.manager.loggerDict):
            if name.endswith(".__graph_breaks"):
                logging.getLogger(name).addHandler(self.log)
        return torch.compile(module)

    def compilations(self, program: TorchProgram) -> int:
        """Frames that Dynamo looked at, and graphs that Inductor was given."""
        counters = torch._dynamo.utils.counters
        return int(counters["frames"]["total"] + counters["stats"]["unique_graphs"])

    def diagnose(self, program: TorchProgram) -> Diagnostics:
        counters = torch._dynamo.utils.counters
        graphs = int(counters["stats"]["unique_graphs"])
        breaks = tuple(_counted(self.log.breaks))
        limit = [text.splitlines()[0] for text in counters["unimplemented"] if LIMIT in text.lower()]
        if limit:
            raise Unsupported(f"Dynamo gave up and ran eager: {limit[0]}")
        if graphs == 0:
            why = "; ".join(f"{b.where} {b.reason}" for b in breaks) or "no reason logged"
            raise Unsupported(f"Dynamo captured no graph and ran eager: {why}")
        return Diagnostics(
            graphs=graphs,
            breaks=breaks,
            recompiles=0,  # the instrument counts them
            cache_hits=int(counters["inductor"]["fxgraph_cache_hit"] + counters["aot_autograd"]["autograd_cache_hit"]),
        )


def _need_compiler() -> None:
    try:
        get_cpp_compiler()
    except InvalidCxxCompiler:
        raise Unavailable("Inductor needs a C++ compiler: apt-get install g++, or name one in CXX") from None


def _reason(text: str) -> str:
    """The sentence that says what broke; wrappers such as "Encountered graph break when ..." come before it."""
    head = text.partition("Graph Break Reason:")[2].partition("\n  Explanation:")[0]
    lines = [line.strip() for line in head.splitlines() if line.strip()]
    return lines[-1] if lines else text.splitlines()[0]


def _counted(breaks: Counter[GraphBreak]) -> list[GraphBreak]:
    from dataclasses import replace

    return sorted((replace(b, count=n) for b, n in breaks.items()), key=lambda b: (b.where, b.reason))
