"""Which source code does one network need for one framework? Follows names in the syntax trees; imports nothing."""

import ast
import importlib.util
import re
import sys
from collections.abc import Set
from graphlib import TopologicalSorter
from pathlib import Path

from bakeoff.authoring.discovery import PACKAGE, shown, source_of, where
from bakeoff.authoring.errors import UsageError

DEFINITION = ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef
COPIED = re.compile(r"bakeoff\b")  # packages whose definitions are copied into the script


class _File:
    """A source file: its top-level statements, those to keep, and the lines of these to leave out."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.text = path.read_text(encoding="utf-8")
        self.lines = self.text.split("\n")
        self.tree = ast.parse(self.text)
        self.bound = {node: _bound(node) for node in self.tree.body}
        self.kept: list[ast.stmt] = []
        self.gone: set[int] = set()

    def span(self, node: ast.stmt) -> tuple[int, int]:
        """The lines of a statement as a slice, with decorators and the comment directly above."""
        first = min([node.lineno, *(d.lineno for d in getattr(node, "decorator_list", ()))]) - 1
        while first and self.lines[first - 1].strip().startswith("#"):
            first -= 1
        return first, node.end_lineno or node.lineno

    def leave_out(self, node: ast.stmt) -> None:
        """Leave out the lines of a statement, and the blank lines that follow."""
        first, last = self.span(node)
        while last < len(self.lines) and not self.lines[last].strip():
            last += 1
        self.gone.update(range(first, last))

    def definitions(self) -> str:
        """The kept statements, in the order of the file."""
        text, apart = f"# from {shown(self.path)}", False
        for node in sorted(self.kept, key=lambda node: node.lineno):
            lines = [self.lines[i] for i in range(*self.span(node)) if i not in self.gone]
            before, apart = apart, isinstance(node, DEFINITION)
            text += ("\n\n\n" if before or apart else "\n") + "\n".join(lines).rstrip("\n")
        return text


class Parts:
    """The code that a network needs for one framework: definitions from Bakeoff's files, imports of everything else.

    Of the classes in bakeoff/authoring only members whose names are in `called` are kept (all of them if it is None).
    """

    def __init__(
        self, model: Path, size: str, framework: str, implementations: dict[str, str], called: Set[str] | None
    ) -> None:
        self.framework, self.others, self.called = (
            framework,
            {*implementations, "keras"} - {framework},
            called,
        )  # Keras has no recipe
        self.files: dict[Path, _File] = {}
        self.after: dict[Path, list[Path]] = {}
        self.imported = {"": {"sys", "numpy as np"}}  # module → names; "" → modules
        for part in ast.walk(ast.parse(f"Draw\n{implementations[framework]}")):
            if isinstance(part, ast.Name):
                self.need(self.file(PACKAGE / "authoring" / "model.py"), part.id)
        home = self.file(model)
        call = next(getattr(node, "value", None) for node, names in home.bound.items() if "MODEL" in names)
        made = [k.value for k in call.keywords if k.arg == size] if isinstance(call, ast.Call) else []
        if not made:
            raise UsageError(f"{shown(model)}: repro reads MODEL = Sizes(small=..., full=...) and finds no {size} in it")
        self.network = ast.get_source_segment(home.text, made[0])
        self.follow(home, made[0])
        kept = [(name, file) for file in self.files.values() for node in file.kept for name in _bound(node)]
        twice = {name for name, _ in kept} & {name for name, file in kept if dict(kept)[name] is not file}
        if twice:
            raise UsageError(
                f"{shown(model)} and what it imports both define {', '.join(sorted(twice))}: rename one of them for repro"
            )
        if f"def {framework}(" not in self.definitions():
            raise UsageError(f"{shown(model)} has no method {framework}, so {framework} has nothing to run")

    def file(self, path: Path) -> _File:
        """The file, read once."""
        if path not in self.files:
            self.files[path], self.after[path] = _File(path), []
        return self.files[path]

    def imports(self) -> str:
        """The import statements, those of the standard library first."""
        lines = [f"import {name}" for name in sorted(self.imported[""])]
        lines += [
            f"from {module} import {', '.join(sorted(names))}" for module, names in sorted(self.imported.items()) if module
        ]
        others = [line for line in lines if re.split("[ .]", line)[1] not in sys.stdlib_module_names]
        return "\n".join([*(line for line in lines if line not in others), "", *others])

    def definitions(self) -> str:
        """The kept code of all files, each after the files that it depends on."""
        files = (self.files[path] for path in TopologicalSorter(self.after).static_order())
        return "\n\n\n".join(file.definitions() for file in files if file.kept)

    def need(self, file: _File, name: str) -> None:
        """Keep every statement that binds this name at the top level of a file."""
        for node in (node for node, names in file.bound.items() if name in names):
            if isinstance(node, ast.Import | ast.ImportFrom):
                self.bring(file, node, [alias for alias in node.names if name in _bound(alias)])
            elif node not in file.kept:
                file.kept.append(node)
                if isinstance(node, ast.ClassDef):
                    for member in filter(lambda member: self.unwanted(file, member), [*node.body]):
                        file.leave_out(member)
                        node.body.remove(member)
                self.follow(file, node)

    def unwanted(self, file: _File, member: ast.stmt) -> bool:
        """Is this another framework's method or, in bakeoff/authoring, a method or constant that is not used?"""
        name = "".join(_bound(member)[:1])
        if any(name == other or name.startswith(f"{other}_") for other in self.others):
            return True
        if not name or name.startswith("__") or not file.path.is_relative_to(PACKAGE / "authoring"):
            return False
        field = isinstance(member, ast.AnnAssign) and member.value is None
        return name == self.framework or not (field or self.called is None or name in self.called)

    def follow(self, file: _File, node: ast.AST) -> None:
        """Keep everything that a syntax tree names, or imports from Bakeoff inside a function."""
        for part in ast.walk(node):
            if isinstance(part, ast.Name):
                self.need(file, part.id)
            elif isinstance(part, ast.Import | ast.ImportFrom) and _ours(part):
                file.leave_out(part)
                self.bring(file, part, part.names)

    def bring(self, file: _File, node: ast.Import | ast.ImportFrom, aliases: list[ast.alias]) -> None:
        """Keep imported names: their definitions if they are Bakeoff's, otherwise the import."""
        module = (node.module or "") if isinstance(node, ast.ImportFrom) else ""
        if not _ours(node):
            for name in [module] if module else [alias.name for alias in aliases]:
                if importlib.util.find_spec(name.partition(".")[0]) is None:
                    at = where(file.path, node.lineno)
                    raise UsageError(f"{at}: repro cannot find {name}, and a single file cannot include it")
            self.imported.setdefault(module, set()).update(ast.unparse(alias) for alias in aliases)
            return
        path = source_of(module)
        known = {name for names in self.file(path).bound.values() for name in names} if path.is_file() else set()
        if any(alias.asname or alias.name not in known for alias in aliases):
            at = where(file.path, node.lineno)
            raise UsageError(f"{at}: repro cannot copy what `{ast.unparse(node)}` imports; write from MODULE import NAME")
        self.after[file.path].append(path)
        for alias in aliases:
            self.need(self.file(path), alias.name)


def _ours(node: ast.Import | ast.ImportFrom) -> bool:
    modules = [node.module or ""] if isinstance(node, ast.ImportFrom) else [alias.name for alias in node.names]
    return any(COPIED.match(module) for module in modules)


def _bound(node: ast.AST) -> list[str]:
    """The names that a statement binds in its own scope."""
    if isinstance(node, DEFINITION):
        return [node.name]
    parts = list(ast.walk(node))
    names = [part.id for part in parts if isinstance(part, ast.Name) and isinstance(part.ctx, ast.Store)]
    return names + [part.asname or part.name.partition(".")[0] for part in parts if isinstance(part, ast.alias)]
