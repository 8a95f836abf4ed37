"""Which models and stacks are there? Each file is one, under the file's name.

The parent process maps names to files and imports none of them. A child imports the model and the stack of its cell.
"""

import importlib.util
import re
import sys
import sysconfig
import traceback
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Generic, TypeVar

from bakeoff.authoring import header, protocols
from bakeoff.authoring.errors import BakeoffError, UsageError
from bakeoff.authoring.header import Header
from bakeoff.authoring.stack import Stack
from bakeoff.records.cell import Cell, Mode

PACKAGE = Path(__file__).resolve().parents[1]
# models/, compilers/ and experiments/ are beside the package in a checkout, and inside it if it is installed
ROOT = PACKAGE if (PACKAGE / "compilers").is_dir() else PACKAGE.parent
INSTALLED = ROOT == PACKAGE
GALLERY = ROOT / "models" / "gallery"  # models with graph breaks: part of the matrix only if they are named
KERNELS = ROOT / "models" / "kernels"  # Bakeoff's own single operations: likewise
KERNEL_PREFIX = "kernel_"  # of the names of models that are a single operation
APART = (GALLERY, KERNELS)
LONGEST_NAME = 80  # a cell's name is part of the names of files, which have at most 255 bytes
_NOT_USERS = tuple({sysconfig.get_path(name) for name in ("stdlib", "platstdlib", "purelib", "platlib")})


@dataclass(frozen=True, slots=True)
class Source:
    """A file that defines a model or a stack; `name` is the file's name without .py."""

    name: str
    path: Path

    @property
    def bad_name(self) -> str:
        """What is wrong with the name, which is part of test names, options and file names; "" if nothing is."""
        if not re.fullmatch(r"\w+", self.name):
            return f"{shown(self.path)}: a name is made of letters, digits and underscores; rename the file"
        if len(self.name) > LONGEST_NAME:
            return f"{shown(self.path)}: a name has at most {LONGEST_NAME} characters; rename the file"
        return ""

    @property
    def in_matrix(self) -> bool:
        """Whether it is measured without being named."""
        return not (self.in_gallery or self.is_kernel)

    @property
    def in_gallery(self) -> bool:
        """Whether it is one of the models with graph breaks."""
        return self.path.parent == GALLERY

    @property
    def is_kernel(self) -> bool:
        """Whether it is a single operation, by its name, in whichever folder it is."""
        return self.operation is not None

    @property
    def operation(self) -> str | None:
        """The name of the single operation that it is; None for any other model."""
        return operation(self.name)


@dataclass(frozen=True)
class StackSource(Header, Source):
    """What the parent knows about a stack without importing it: its file, and the keys of the file's HEADER."""

    problem: str = ""  # why the header cannot be used, in one line; raised when this stack is selected


S = TypeVar("S", bound=Source)


class Registry(Generic[S]):
    """The models or the stacks, by name. Raises UsageError if two files have one name, or for a name that is unknown."""

    def __init__(self, kind: str, sources: Iterable[S]) -> None:
        self.kind = kind
        self._sources: dict[str, S] = {}
        for source in sources:
            if source.name in self._sources:
                first = self._sources[source.name].path
                raise UsageError(f"two files define the {kind} {source.name}: {first} and {source.path}; rename one")
            self._sources[source.name] = source

    def __iter__(self) -> Iterator[S]:
        return iter(self._sources.values())

    @property
    def names(self) -> list[str]:
        return list(self._sources)

    def __getitem__(self, name: str) -> S:
        if name not in self._sources:
            usable = ", ".join(source.name for source in self if not source.bad_name)
            raise UsageError(f"there is no {self.kind} {name}; there are: {usable}")
        source = self._sources[name]
        if source.bad_name:
            raise UsageError(source.bad_name)
        if isinstance(source, StackSource) and source.problem:
            raise UsageError(source.problem)
        return source

    def pick(self, wanted: str) -> list[S]:
        """The sources named in a comma-separated list, in that order, each once. Raises UsageError for an unknown name."""
        names = [name.strip() for name in wanted.split(",") if name.strip()]
        if not names:
            raise UsageError(f"no {self.kind} named in {wanted!r}; there are: {', '.join(self.names)}")
        return [self[name] for name in dict.fromkeys(names)]


def operation(model: str) -> str | None:
    """The name of the single operation that a model of this name is: softmax for kernel_softmax. None for any other model."""
    return model.removeprefix(KERNEL_PREFIX) or None if model.startswith(KERNEL_PREFIX) else None


def models(extra: Iterable[Path] = (), root: Path = ROOT) -> Registry[Source]:
    """All models: files in root/models, its folders gallery and kernels, and `extra` folders, except _*.py (shared code)."""
    apart = [folder for own in APART if (folder := root / "models" / own.name).is_dir()]  # older revisions lack some
    return Registry("model", (Source(p.stem, p) for p in _files(root / "models", (*apart, *extra), "--models-from")))


def stacks(extra: Iterable[Path] = (), root: Path = ROOT) -> Registry[StackSource]:
    """All stacks: the files in root/compilers and `extra` folders, except _*.py (shared code)."""
    return Registry("stack", (_stack(p) for p in _files(root / "compilers", extra, "--compilers-from")))


def every_cell() -> list[Cell]:
    """Every combination of Bakeoff's own models and stacks with a mode."""
    known_stacks = stacks()
    return [Cell(m.name, s.name, mode) for m in models() for s in known_stacks for mode in Mode]


def named_cell(text: str, models: Registry[Source], stacks: Registry[StackSource]) -> Cell:
    """The cell that `text` names: model-stack-mode, or model-stack for inference. Raises UsageError for anything else."""
    for registry in (models, stacks):
        if text in registry.names:  # a file whose name has a "-": the error says so
            registry[text]
    model, *rest = text.split("-")
    if not 1 <= len(rest) <= 2 or not all((model, *rest)):
        raise UsageError(f"{text}: write a cell as model-stack-mode, or model-stack for inference")
    mode = rest[1] if len(rest) == 2 else Mode.INFERENCE
    if mode not in set(Mode):
        raise UsageError(f"there is no mode {mode}; there are: {', '.join(Mode)}")
    return Cell(models[model].name, stacks[rest[0]].name, Mode(mode))


def check(source: Source, symbol: str) -> None:
    """Raise UsageError, in one line, for a file that cannot be used: a syntax error, a wrong HEADER, or no `symbol`."""
    if source.bad_name:
        raise UsageError(source.bad_name)
    if symbol not in header.assigned(source.path, shown(source.path)):
        raise UsageError(f"{shown(source.path)} defines no {symbol}; add `{symbol} = ...` at its end")
    if isinstance(source, StackSource) and source.problem:
        raise UsageError(source.problem)


def load(path: Path, symbol: str) -> Any:
    """In the child: import a file and return its `symbol`. Raises BakeoffError if it has none."""
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


def load_stack(path: Path) -> Stack[Any]:
    """In the child: the STACK of a file. Raises UsageError, in one line, if its class lacks what its HEADER promises."""
    stack = load(path, "STACK")
    if not isinstance(stack, Stack):
        raise UsageError(f"{shown(path)}: STACK must be an instance of bakeoff.Stack, but is a {type(stack).__name__}")
    found = header.parse(path, shown(path))
    for key, protocol in protocols.PROMISED_BY.items():
        if found.get(key) and not isinstance(stack, protocol):
            lacks = ", ".join(protocols.missing(stack, protocol))
            raise UsageError(
                f"{shown(path)}: HEADER has {key!r}: {found[key]!r}, and {type(stack).__name__} is not {protocol.__name__}: "
                f"it has no {lacks}"
            )
    if found.get("workers") != stack.workers:
        raise UsageError(f"{shown(path)}: HEADER has 'workers': {found.get('workers')}, and STACK.workers is {stack.workers}")
    return stack


def shown(path: str | Path) -> str:
    """A path for messages: relative to Bakeoff's folder if it is inside, otherwise unchanged."""
    path = Path(path)
    return str(path.relative_to(ROOT)) if path.is_relative_to(ROOT) else str(path)


def source_of(module: str) -> Path:
    """The file of one of Bakeoff's modules, such as bakeoff.models.mlp, whether or not it exists."""
    _, *parts = module.split(".")
    home = ROOT if parts[:1] and parts[0] in ("compilers", "experiments", "models") else PACKAGE
    path = home.joinpath(*parts)
    return path / "__init__.py" if path.is_dir() else path.with_suffix(".py")


def where(path: str | Path, line: int) -> str:
    """A place in a user's file as "file:line", for diagnostics."""
    return f"{shown(path)}:{line}"


def is_users(path: str) -> bool:
    """Whether a file is the user's code: a model or what it calls, not a framework, Bakeoff or generated code."""
    if Path(path).is_relative_to(ROOT / "models"):  # first, because an installed Bakeoff is in site-packages
        return True
    ours = Path(path).is_relative_to(ROOT / "compilers") or Path(path).is_relative_to(PACKAGE)
    return not (ours or path.startswith("<") or "__autograph_generated_file" in path or path.startswith(_NOT_USERS))


def raised_at(error: BaseException) -> str | None:
    """The innermost place in the user's files that an exception passed through, as "file:line"; None if there is none."""
    frames = [f for f in traceback.extract_tb(error.__traceback__) if is_users(f.filename)]
    return where(frames[-1].filename, frames[-1].lineno or 0) if frames else None


def _files(home: Path, extra: Iterable[Path], option: str) -> list[Path]:
    """The Python files in these folders, without _*.py. UsageError for a missing or empty folder of `option`."""
    found: list[Path] = []
    for folder in (home, *extra):
        if not folder.is_dir():
            raise UsageError(f"{option}: there is no folder {folder}")
        files = sorted(p.resolve() for p in folder.glob("*.py") if not p.stem.startswith("_"))
        if not files and folder != home:
            raise UsageError(f"{option}: {folder} has no Python file; a file NAME.py there is found under its name")
        found += files
    return list(dict.fromkeys(found))


def _stack(path: Path) -> StackSource:
    try:
        return StackSource(name=path.stem, path=path, **header.parse(path, shown(path)))
    except header.HeaderError as error:
        default = error.valid.get("default", True)
        return StackSource(name=path.stem, path=path, framework=path.stem, default=default, problem=str(error))
    except UsageError as error:
        return StackSource(name=path.stem, path=path, framework=path.stem, problem=str(error))
