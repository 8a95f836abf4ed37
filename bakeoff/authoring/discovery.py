"""The file name is the registration: names to files in the parent, which imports none of them; files to objects in the child.

The parent reads a stack's few literals (FRAMEWORK, EAGER, ...) from its syntax tree, because the file itself imports a
framework at the top.
"""

import ast
import importlib.util
import re
import sys
import sysconfig
import traceback
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Generic, TypeVar

from bakeoff.authoring.errors import BakeoffError, UsageError
from bakeoff.records.cell import Cell, Mode

PACKAGE = Path(__file__).resolve().parents[1]
# models/, compilers/ and experiments/ lie beside the package in a checkout, and inside it where it is installed
ROOT = PACKAGE if (PACKAGE / "compilers").is_dir() else PACKAGE.parent
INSTALLED = ROOT == PACKAGE
GALLERY = ROOT / "models" / "gallery"  # models made to break: part of the matrix only where asked for by name
KERNELS = ROOT / "models" / "kernels"  # single operations: so are they
ARTICLE = ROOT / "models" / "article"  # the same network at several batch sizes: so are they
APART = (GALLERY, KERNELS, ARTICLE)
_NOT_USERS = tuple({sysconfig.get_path(name) for name in ("stdlib", "platstdlib", "purelib", "platlib")})


@dataclass(frozen=True, slots=True)
class Source:
    """A file that defines a model or a stack; `name` is its stem."""

    name: str
    path: Path

    @property
    def in_matrix(self) -> bool:
        """Without being named?"""
        return self.path.parent not in APART

    @property
    def in_gallery(self) -> bool:
        return self.path.parent == GALLERY

    @property
    def is_kernel(self) -> bool:
        return self.path.parent == KERNELS


@dataclass(frozen=True, slots=True)
class StackSource(Source):
    """What the parent knows of a stack without importing it: literals at the top level of its file."""

    framework: str  # FRAMEWORK: the module to import, and the name for --interpreter
    eager: bool = False  # EAGER: this framework's baseline, and a possible float64 reference
    default: bool = True  # DEFAULT: part of the matrix unless --stacks says otherwise
    disk_cache: bool = False  # DISK_CACHE: a second process can start warm
    diagnoses: bool = False  # DIAGNOSES: a child of its own can tell where and why the program breaks, and what became of it
    one_time_cost: str | None = None  # TOOLCHAIN: name of the once-per-machine cost that it needs paid first
    devices: tuple[str, ...] = ()  # DEVICES: where alone it runs, such as "cuda"
    targets: tuple[str, ...] = ()  # TARGETS: what it compiles for where that is not at hand: "cuda interpreter"
    workers: int | None = None  # WORKERS: data-parallel ones, each with the threads of a child
    exported_by: str | None = None  # EXPORTED_BY: it serves what a program of that stack was exported to
    extra: str = ""  # EXTRA: our extra that installs the framework, where it has another name
    recipe: str | None = None  # RECIPE: bare code for `step`; if eager, for `module` and `inputs`


S = TypeVar("S", bound=Source)


class Registry(Generic[S]):
    """The models, or the stacks, by name."""

    def __init__(self, kind: str, sources: Iterable[S]) -> None:
        self.kind = kind
        self._sources: dict[str, S] = {}
        for source in sources:
            if source.name in self._sources:
                there = self._sources[source.name].path
                raise UsageError(f"two files define the {kind} {source.name}: {there} and {source.path}; rename one")
            self._sources[source.name] = source

    def __iter__(self) -> Iterator[S]:
        return iter(self._sources.values())

    @property
    def names(self) -> list[str]:
        return list(self._sources)

    def __getitem__(self, name: str) -> S:
        if name not in self._sources:
            raise UsageError(f"there is no {self.kind} {name}; there are: {', '.join(self.names)}")
        return self._sources[name]

    def pick(self, wanted: str) -> list[S]:
        """The sources named in a comma-separated list, in its order and without repeats."""
        names = [name.strip() for name in wanted.split(",") if name.strip()]
        if not names:
            raise UsageError(f"no {self.kind} named in {wanted!r}; there are: {', '.join(self.names)}")
        return [self[name] for name in dict.fromkeys(names)]


def models(extra: Iterable[Path] = (), root: Path = ROOT) -> Registry[Source]:
    """Every model: root/models/*.py, the rooms apart and `extra` folders. Underscored files are shared parts."""
    apart = [folder for room in APART if (folder := root / "models" / room.name).is_dir()]  # an old checkout has not all
    return Registry("model", (Source(p.stem, p) for p in _files(root / "models", (*apart, *extra), "--models-from")))


def stacks(extra: Iterable[Path] = (), root: Path = ROOT) -> Registry[StackSource]:
    """Every stack: root/compilers/*.py and those of `extra` folders."""
    return Registry("stack", (_stack(p) for p in _files(root / "compilers", extra, "--compilers-from")))


def every_cell() -> list[Cell]:
    """Each model and stack of ours in each mode."""
    room = stacks()
    return [Cell(m.name, s.name, mode) for m in models() for s in room for mode in Mode]


def check(source: Source, symbol: str) -> None:
    """One line, in the parent, for a file that cannot be used: a syntax error, or no `symbol` in it."""
    if not re.fullmatch(r"\w+", source.name):
        raise UsageError(f"{shown(source.path)}: a name is made of letters, digits and underscores; rename the file")
    assigned = _assigned(source.path)
    if symbol not in assigned:
        raise UsageError(f"{shown(source.path)} defines no {symbol}; add `{symbol} = ...` at its end")
    if isinstance(source, StackSource) and not isinstance(assigned.get("FRAMEWORK"), str):
        raise UsageError(f'{shown(source.path)} must say FRAMEWORK = "..." literally: the module whose import it needs')
    for name in ("EAGER", "DEFAULT", "DISK_CACHE", "DIAGNOSES"):
        if not isinstance(assigned.get(name, True), bool):
            raise UsageError(f"{shown(source.path)}: {name} must be True or False literally, as nobody imports the file to ask")
    workers = assigned.get("WORKERS", 1)
    if not isinstance(workers, int) or workers < 1:
        raise UsageError(f"{shown(source.path)}: WORKERS must be a whole number above 0, literally")


def load(path: Path, symbol: str) -> Any:
    """In the child: import the file under its room's name and return its `symbol`."""
    name = f"bakeoff.{path.parent.name}.{path.stem}" if path.parent.parent == ROOT else f"bakeoff_extra_{path.stem}"
    spec = importlib.util.spec_from_file_location(name, path)
    if spec is None or spec.loader is None:
        raise BakeoffError(f"cannot import {path}")
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    spec.loader.exec_module(module)
    if not hasattr(module, symbol):
        raise BakeoffError(f"{path} defines no {symbol}")
    return getattr(module, symbol)


def shown(path: str | Path) -> str:
    """A path as the user would name it: relative to the project where it lies inside."""
    path = Path(path)
    return str(path.relative_to(ROOT)) if path.is_relative_to(ROOT) else str(path)


def source_of(module: str) -> Path:
    """The file of one of our modules, such as bakeoff.models.mlp, whether or not it exists."""
    _, *parts = module.split(".")
    home = ROOT if parts[:1] and parts[0] in ("compilers", "experiments", "models") else PACKAGE
    path = home.joinpath(*parts)
    return path / "__init__.py" if path.is_dir() else path.with_suffix(".py")


def where(path: str | Path, line: int) -> str:
    """A user's file:line, as diagnostics give it."""
    return f"{shown(path)}:{line}"


def is_users(path: str) -> bool:
    """Is this file the user's: a model's, or what it calls, and neither a framework's nor ours?"""
    if Path(path).is_relative_to(ROOT / "models"):  # where Bakeoff is installed it lies in site-packages, too
        return True
    ours = Path(path).is_relative_to(ROOT / "compilers") or Path(path).is_relative_to(PACKAGE)
    return not (ours or path.startswith("<") or "__autograph_generated_file" in path or path.startswith(_NOT_USERS))


def raised_at(error: BaseException) -> str | None:
    """The innermost place in the user's files that an exception passed through."""
    frames = [f for f in traceback.extract_tb(error.__traceback__) if is_users(f.filename)]
    return where(frames[-1].filename, frames[-1].lineno or 0) if frames else None


def _files(home: Path, extra: Iterable[Path], option: str) -> list[Path]:
    found: list[Path] = []
    for folder in (home, *extra):
        if not folder.is_dir():
            raise UsageError(f"{option}: there is no folder {folder}")
        found += sorted(p.resolve() for p in folder.glob("*.py") if not p.stem.startswith("_"))
    return list(dict.fromkeys(found))


def _stack(path: Path) -> StackSource:
    try:
        literals = _assigned(path)
    except UsageError:
        literals = {}  # reported by `check` once somebody asks for this stack
    return StackSource(
        name=path.stem,
        path=path,
        framework=str(literals.get("FRAMEWORK") or path.stem),
        eager=literals.get("EAGER") is True,
        default=literals.get("DEFAULT", True) is True,
        disk_cache=literals.get("DISK_CACHE") is True,
        diagnoses=literals.get("DIAGNOSES") is True,
        one_time_cost=str(literals["TOOLCHAIN"]) if literals.get("TOOLCHAIN") else None,
        devices=tuple(str(literals.get("DEVICES") or "").split()),
        targets=tuple(str(literals.get("TARGETS") or "").split()),
        workers=workers if isinstance(workers := literals.get("WORKERS"), int) else None,
        exported_by=str(literals["EXPORTED_BY"]) if literals.get("EXPORTED_BY") else None,
        extra=str(literals.get("EXTRA") or ""),
        recipe=recipe if isinstance(recipe := literals.get("RECIPE"), str) else None,
    )


def _assigned(path: Path) -> dict[str, object]:
    """Names assigned at the top level of a file, with their values where those are literals."""
    try:
        tree = ast.parse(path.read_text(encoding="utf-8"), filename=str(path))
    except SyntaxError as error:
        raise UsageError(f"{shown(path)}, line {error.lineno}: {error.msg}") from None
    except (OSError, ValueError) as error:
        raise UsageError(f"{shown(path)} cannot be read: {error}") from None
    names: dict[str, object] = {}
    for node in tree.body:
        targets = node.targets if isinstance(node, ast.Assign) else [node.target] if isinstance(node, ast.AnnAssign) else []
        for target in targets:
            if isinstance(target, ast.Name):
                value = node.value if isinstance(node, ast.Assign | ast.AnnAssign) else None
                names[target.id] = value.value if isinstance(value, ast.Constant) else value
    return names
