"""Effects of a step beside its output, eager and compiled: what Python does on every call, and a traced program only once.

Observed from outside and alike for all stacks: what is printed or logged, and Python values of the module and of the model's
file that change. No compiler is asked, and none is disturbed: both kinds of calls are made after compiling.
"""

import ast
import contextlib
import io
import logging
import sys
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from types import FrameType
from typing import Any

from harness.diagnostics import GraphBreak, Kind
from harness.discover import where

PLAIN = (int, float, str, bytes, bool, type(None))
SIZED = (list, dict, set, tuple)
MUTATORS = ("append", "extend", "insert", "add", "update", "pop", "remove", "clear", "setdefault", "discard")
HINT = {
    "output": "it happens while tracing, not per call: use the framework's own printing, or move it out of the step",
    "state": "it happens while tracing, not per call: return the value from the step, or keep it in a tensor or variable",
}


def lost(
    bare: Callable[[Any], Any], step: Callable[[Any], Any], batch: Any, model_path: Path, module: Any
) -> tuple[GraphBreak, ...]:
    """Effects that an eager step has and a compiled step has not, each with its line in the model's file."""
    eager = _effects(bare, batch, model_path, module)
    compiled = _effects(step, batch, model_path, module)
    found = []
    happening = Counter({(kind, what): 0 for kind, _, what in eager})
    for (kind, _, what), count in compiled.items():
        happening[kind, what] += count
    # by line, unless as many happen elsewhere: a line that Dynamo resumes from may go by its frame's number
    for (kind, line, what), missing in (eager - compiled).items():
        total = sum(n for (k, _, w), n in eager.items() if (k, w) == (kind, what))
        count = min(missing, total - happening[kind, what])
        if count <= 0:
            continue
        reason = f"{what} while tracing only, not per call"
        found.append(
            GraphBreak(kind=Kind.SIDE_EFFECT, reason=reason, where=where(model_path, line), count=count, hint=HINT[kind])
        )
    return tuple(found)


def _effects(step: Callable[[Any], Any], batch: Any, model_path: Path, module: Any) -> Counter[tuple[str, int, str]]:
    """(kind, line, what) → how often in one call."""
    seen: Counter[tuple[str, int, str]] = Counter()
    before = _state(model_path, module)
    with _listening(model_path, seen):
        step(batch)
    after = _state(model_path, module)
    changed = [name for name, value in after.items() if before.get(name, value) != value]
    for name in changed:
        for line in _mutations(model_path, name, module):
            seen["state", line, f"{name} changes"] += 1
    return seen


@contextlib.contextmanager
def _listening(model_path: Path, seen: Counter[tuple[str, int, str]]) -> Iterator[None]:
    """Count what the model's file writes to Python's stdout and stderr, and what it logs."""
    name = str(model_path)

    def line_of(frame: FrameType | None) -> int | None:
        while frame is not None and frame.f_code.co_filename != name:
            frame = frame.f_back
        return None if frame is None else frame.f_lineno

    class Out(io.StringIO):
        def write(self, text: str) -> int:
            line = line_of(sys._getframe(1))
            if line is not None and text.strip():
                seen["output", line, "print"] += 1
            return len(text)

    class Log(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            if record.pathname == name:
                seen["output", record.lineno, "logging"] += 1

    handler, root = Log(), logging.getLogger()
    root.addHandler(handler)
    try:
        with contextlib.redirect_stdout(Out()), contextlib.redirect_stderr(Out()):
            yield
    finally:
        root.removeHandler(handler)


def _state(model_path: Path, module: Any) -> dict[str, Any]:
    """Plain Python values, and lengths of containers, of the module's attributes and the file's globals."""
    found = {}
    file = next((m for m in list(sys.modules.values()) if getattr(m, "__file__", None) == str(model_path)), None)
    for prefix, values in (("self.", getattr(module, "__dict__", {})), ("", getattr(file, "__dict__", {}))):
        for name, value in list(values.items()):
            if name.startswith("__"):
                continue
            if isinstance(value, PLAIN):
                found[prefix + name] = value
            elif type(value) in SIZED:
                found[prefix + name] = len(value)
    return found


def _mutations(model_path: Path, name: str, module: Any) -> list[int]:
    """Lines of the class that change `name` outside __init__, by its syntax; its first line if none is found."""
    target = name.removeprefix("self.")
    classes = [node for node in ast.walk(ast.parse(model_path.read_text())) if isinstance(node, ast.ClassDef)]
    codes = [f.__code__ for f in vars(type(module)).values() if hasattr(f, "__code__")]
    firsts = [code.co_firstlineno for code in codes if code.co_filename == str(model_path)]
    # both halves may have a class of one name, and lie in the model's own: the innermost one whose methods these are
    around = [c for c in classes if any(c.lineno <= first <= (c.end_lineno or 0) for first in firsts)]
    mine = sorted(around, key=lambda c: (c.end_lineno or 0) - c.lineno)[:1] or classes
    lines = []
    for function in (n for c in mine for n in ast.walk(c) if isinstance(n, ast.FunctionDef) and n.name != "__init__"):
        for node in ast.walk(function):
            targets: list[ast.expr] = []
            line = getattr(node, "lineno", 0)
            if isinstance(node, ast.Assign):
                targets = node.targets
            elif isinstance(node, ast.AugAssign | ast.AnnAssign):
                targets = [node.target]
            elif isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr in MUTATORS:
                targets = [node.func.value]
            if any(_names(t, target, attribute=name.startswith("self.")) for t in targets):
                lines.append(line)
    return sorted(set(lines)) or [mine[0].lineno if mine else 1]


def _names(node: ast.expr, target: str, *, attribute: bool) -> bool:
    if isinstance(node, ast.Subscript):
        node = node.value
    if attribute:
        return isinstance(node, ast.Attribute) and node.attr == target
    return isinstance(node, ast.Name) and node.id == target
