"""Which side effects of an eager step are missing in the compiled step? Python causes them on every call, tracing only once.

Side effects are: text that is printed or logged, breakpoints, and changes of plain Python values of the module or of the
globals of the model's file. They are observed in the same way for all stacks. Both steps are called after compiling, so that
the observation does not change what is compiled.
"""

import ast
import contextlib
import io
import logging
import sys
from collections import Counter, deque
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from types import FrameType
from typing import Any

from bakeoff.authoring.discovery import is_users, where
from bakeoff.records.diagnostics import GraphBreak, Kind

Effect = tuple[str, str, str]  # (kind: a key of HINT; place in the user's files; what happens)
PLAIN = (int, float, str, bytes, bool, type(None))
CONTAINERS = (list, dict, set, frozenset, tuple, deque)  # also their subclasses, such as Counter and defaultdict
MUTATORS = ("append", "extend", "insert", "add", "update", "pop", "remove", "clear", "setdefault", "discard")
HINT = {
    "output": "it happens while tracing, not on each call: use the framework's own printing, or move it out of the step",
    "debugger": "debug without the compiler (tf.config.run_functions_eagerly, TORCH_COMPILE_DISABLE=1, PYTORCH_JIT=0)",
    "state": "it happens while tracing, not on each call: return the value from the step, or keep it in a tensor or variable",
}


def lost(
    eager_step: Callable[[Any], Any], step: Callable[[Any], Any], batch: Any, model_path: Path, module: Any
) -> tuple[GraphBreak, ...]:
    """The side effects that the eager step has on one call and the compiled step has not, each with its place and count."""
    eager = _effects(eager_step, batch, model_path, module)
    compiled = _effects(step, batch, model_path, module)
    found = []
    kept: Counter[tuple[str, str]] = Counter()  # (kind, what) → how often the compiled step has it, at any place
    for (kind, _, what), count in compiled.items():
        kept[kind, what] += count
    # compared by place, and also by total: in a frame that Dynamo resumes, an effect may appear at another line
    for (kind, place, what), missing in (eager - compiled).items():
        total = sum(n for (k, _, w), n in eager.items() if (k, w) == (kind, what))
        count = min(missing, total - kept[kind, what])
        if count > 0:
            reason = f"{what} while tracing only, not per call"
            found.append(GraphBreak(kind=Kind.SIDE_EFFECT, reason=reason, where=place, count=count, hint=HINT[kind]))
    return tuple(found)


def _effects(step: Callable[[Any], Any], batch: Any, model_path: Path, module: Any) -> Counter[Effect]:
    """The side effects of one call of `step`, and how often each happens."""
    seen: Counter[Effect] = Counter()
    before = _state(model_path, module)
    with _listening(seen):
        step(batch)
    after = _state(model_path, module)
    for key in [key for key, value in after.items() if before.get(key, value) != value]:
        part, name = key
        for place in _changed_at(model_path, name, [_parts(module)[part], module] if part >= 0 else [module]):
            seen["state", place, f"{name} changes"] += 1
    return seen


@contextlib.contextmanager
def _listening(seen: Counter[Effect]) -> Iterator[None]:
    """Count what the user's files write to sys.stdout and sys.stderr, what they log, and their breakpoints."""

    class Out(io.StringIO):
        """Counts one effect per call of print. print writes several parts, from one place of one frame, up to a newline."""

        last: tuple[int, int] | None = None

        def write(self, text: str) -> int:
            frame: FrameType | None = sys._getframe(1)
            while frame is not None and not is_users(frame.f_code.co_filename):
                frame = frame.f_back
            if frame is not None:
                now = (id(frame), frame.f_lasti)
                if now != self.last and text.strip():
                    seen["output", where(frame.f_code.co_filename, frame.f_lineno), "print"] += 1
                self.last = None if text.endswith("\n") else now
            return len(text)

    class Log(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            if is_users(record.pathname):
                seen["output", where(record.pathname, record.lineno), "logging"] += 1

    def stop(*_: object, **__: object) -> None:
        frame: FrameType | None = sys._getframe(1)
        while frame is not None and not is_users(frame.f_code.co_filename):
            frame = frame.f_back
        if frame is not None:
            seen["debugger", where(frame.f_code.co_filename, frame.f_lineno), "a breakpoint stops"] += 1

    handler, root, hook = Log(), logging.getLogger(), sys.breakpointhook
    root.addHandler(handler)
    sys.breakpointhook = stop
    try:
        with contextlib.redirect_stdout(Out()), contextlib.redirect_stderr(Out()):
            yield
    finally:
        root.removeHandler(handler)
        sys.breakpointhook = hook


def _parts(module: Any) -> list[Any]:
    """The module and its submodules."""
    inner = getattr(module, "modules", None)
    parts = [module, *(inner() if callable(inner) else getattr(module, "submodules", ()))]
    return list({id(part): part for part in parts}.values())


def _state(model_path: Path, module: Any) -> dict[tuple[int, str], Any]:
    """(index of a submodule, or -1 for the globals of the model's file; name) → a copy of its plain value or container."""
    file = next((m for m in list(sys.modules.values()) if getattr(m, "__file__", None) == str(model_path)), None)
    owners = dict(enumerate(_parts(module))) | {-1: file}
    found = {}
    for number, owner in owners.items():
        for name, value in list(getattr(owner, "__dict__", {}).items()):
            if not name.startswith("__") and isinstance(value, PLAIN + CONTAINERS):
                found[number, name if number < 0 else f"self.{name}"] = _frozen(value)
    return found


def _frozen(value: Any) -> Any:
    """A copy to compare later: plain values as they are, containers by their items, anything else by its type."""
    if isinstance(value, PLAIN):
        return value
    if isinstance(value, Mapping):
        return [(_frozen(key), _frozen(item)) for key, item in list(value.items())]
    if isinstance(value, CONTAINERS):
        return [_frozen(item) for item in value]
    return type(value)


def _changed_at(model_path: Path, name: str, owners: list[Any]) -> list[str]:
    """The lines outside of __init__ that assign to `name` or mutate it: in the class of the first owner that has such lines.

    If there are none, the first line of the class of the last owner.
    """
    for owner in owners:
        codes = [f.__code__ for f in vars(type(owner)).values() if hasattr(f, "__code__")]
        first_lines = {code.co_firstlineno: code.co_filename for code in codes if is_users(code.co_filename)}
        path = Path(next(iter(first_lines.values()), model_path))
        classes = [node for node in ast.walk(ast.parse(path.read_text())) if isinstance(node, ast.ClassDef)]
        # by line, not by name: two implementations may have classes of one name, and classes may be nested
        around = [c for c in classes if any(c.lineno <= first <= (c.end_lineno or 0) for first in first_lines)]
        mine = sorted(around, key=lambda c: (c.end_lineno or 0) - c.lineno)[:1]
        lines = sorted({line for c in mine for line in _mutations(c, name)})
        if lines:
            return [where(path, line) for line in lines]
    return [where(path, mine[0].lineno if mine else 1)]


def _mutations(definition: ast.ClassDef, name: str) -> Iterator[int]:
    """The lines of a class, outside of __init__, that assign to `name` or to an item of it, or call a mutating method of it."""
    functions = (n for n in ast.walk(definition) if isinstance(n, ast.FunctionDef) and n.name != "__init__")
    for node in (node for function in functions for node in ast.walk(function)):
        targets: list[ast.expr] = []
        if isinstance(node, ast.Assign):
            targets = node.targets
        elif isinstance(node, ast.AugAssign | ast.AnnAssign):
            targets = [node.target]
        elif isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr in MUTATORS:
            targets = [node.func.value]
        if any(_names(t, name.removeprefix("self."), attribute=name.startswith("self.")) for t in targets):
            yield getattr(node, "lineno", definition.lineno)


def _names(node: ast.expr, target: str, *, attribute: bool) -> bool:
    if isinstance(node, ast.Subscript):
        node = node.value
    if attribute:
        return isinstance(node, ast.Attribute) and node.attr == target
    return isinstance(node, ast.Name) and node.id == target
