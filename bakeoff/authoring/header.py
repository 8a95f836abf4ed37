"""What does a stack's file say about itself? Its HEADER, a dict literal, read and validated without importing the file.

    HEADER = {"framework": "torch", "disk_cache": True, "one_time_cost": "inductor"}

The file imports a framework at its top, and the parent process must import none. So the header is read from the syntax tree.
"""

import ast
import difflib
from dataclasses import MISSING, dataclass, field, fields
from functools import lru_cache
from pathlib import Path
from typing import Any, get_type_hints

from bakeoff.authoring.errors import UsageError
from bakeoff.records.compile_only import TARGETS, family

NAME = "HEADER"
# version 1 wrote one constant per key; a file that still does is refused with the header to write instead
CONSTANTS = {
    "FRAMEWORK": "framework",
    "EAGER": "eager",
    "DEFAULT": "default",
    "DISK_CACHE": "disk_cache",
    "DIAGNOSES": "diagnoses",
    "TOOLCHAIN": "one_time_cost",
    "DEVICES": "devices",
    "TARGETS": "targets",
    "WORKERS": "workers",
    "EXPORTED_BY": "exported_by",
    "EXTRA": "extra",
    "RECIPE": "recipe",
}


@dataclass(frozen=True)
class Header:
    """The keys of HEADER, their types and defaults. To add a key, add a field."""

    framework: str  # the module to import, and the name for --interpreter
    eager: bool = False  # this framework's baseline, and a possible float64 reference
    default: bool = True  # part of the matrix unless --stacks names others
    disk_cache: bool = False  # a second process can start warm
    diagnoses: bool = False  # the class is Diagnosable: a child of its own finds where and why the graph breaks
    one_time_cost: str | None = None  # the class is PaysOneTimeCost; stacks that give one name share what was paid
    devices: tuple[str, ...] = field(default=(), metadata={"one_of": ("cpu", "cuda")})  # the only ones it runs on; () is any
    # the class is CrossCompiles: families of targets that it compiles for on a machine without the device
    targets: tuple[str, ...] = field(default=(), metadata={"one_of": tuple(dict.fromkeys(map(family, TARGETS)))})
    workers: int | None = None  # data-parallel: the number of workers, each with the threads of one child
    exported_by: str | None = None  # the class is Exportable: it serves what this eager stack's program was exported to
    extra: str = ""  # the extra of this package that installs the framework, where it has another name
    recipe: str | None = None  # for `bakeoff repro`: code that makes `step`; of an eager stack `module` and `inputs`


KEYS = {key.name: key for key in fields(Header)}
_TYPES = get_type_hints(Header)
_WANTED = {
    bool: "True or False",
    str: "a string that is not empty",
    int: "a whole number above 0",
    tuple: 'a list of strings, such as ["cuda"]',
}


def parse(path: Path, shown: str) -> dict[str, Any]:
    """Key → validated value of the HEADER in `path`, which messages call `shown`.

    HeaderError, in one line, for a file without a header or with a wrong one; UsageError for a file that cannot be parsed.
    """
    nodes = assigned(path, shown)
    found, problems = _read(nodes, shown)
    if problems:
        raise HeaderError(problems[0], found)
    text = path.read_text(encoding="utf-8")
    tree = syntax_of(text) if text.count(NAME) > 1 else ast.Module([], [])
    mentioned = [n.lineno for n in ast.walk(tree) if isinstance(n, ast.Name) and n.id == NAME]
    if len(mentioned) > 1:
        why = f"{NAME} is one literal, read without running the file; write all keys there, and use it nowhere"
        raise HeaderError(f"{shown}, line {mentioned[1]}: {why}", found)
    return found


class HeaderError(UsageError):
    """A header that cannot be used."""

    def __init__(self, message: str, valid: dict[str, Any]) -> None:
        super().__init__(message)
        self.valid = valid  # the keys that are right


@lru_cache(maxsize=512)
def syntax_of(text: str) -> ast.Module:
    """The syntax tree of a file's text, parsed once; not to be changed. Raises SyntaxError or ValueError."""
    return ast.parse(text)


def assigned(path: Path, shown: str) -> dict[str, ast.expr | None]:
    """Names assigned at the top level of a file, with their values unevaluated. UsageError where it cannot be parsed."""
    try:
        tree = syntax_of(path.read_text(encoding="utf-8"))
    except SyntaxError as error:
        raise UsageError(f"{shown}, line {error.lineno}: {error.msg}") from None
    except (OSError, ValueError) as error:
        raise UsageError(f"{shown} cannot be read: {error}") from None
    names: dict[str, ast.expr | None] = {}
    for node in tree.body:
        if isinstance(node, ast.Assign):
            names.update((target.id, node.value) for target in node.targets if isinstance(target, ast.Name))
        elif isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name):
            names[node.target.id] = node.value
    return names


def _read(nodes: dict[str, ast.expr | None], shown: str) -> tuple[dict[str, Any], list[str]]:
    """(valid keys, what is wrong: a line each)."""
    there = f"the keys are: {', '.join(KEYS)}"
    node = nodes.get(NAME)
    if node is None:
        old = {key: nodes[name] for name, key in CONSTANTS.items() if name in nodes}
        if "framework" in old:
            names = ", ".join(name for name in CONSTANTS if name in nodes)
            return {}, [f"{shown}: {names} are keys of one {NAME} now; write {_written(old)}; {there}"]
        return {}, [f'{shown} has no {NAME}; add {NAME} = {{"framework": "MODULE"}}, with the module to import; {there}']
    if not isinstance(node, ast.Dict):
        return {}, [
            f"{shown}, line {node.lineno}: {NAME} must be a dict literal, as the file is not imported to read it; {there}"
        ]
    found: dict[str, Any] = {}
    problems = []
    for key_node, value_node in zip(node.keys, node.values, strict=True):
        key = key_node.value if isinstance(key_node, ast.Constant) else None
        if not isinstance(key, str):
            problems.append(f"{shown}, line {value_node.lineno}: each key of {NAME} must be a string literal; {there}")
            continue
        where = f"{shown}, line {value_node.lineno}: {NAME}[{key!r}]"
        if key not in KEYS:
            close = difflib.get_close_matches(key.lower(), KEYS, 1)
            problems.append(f"{where} is no key{f'; did you mean {close[0]!r}?' if close else ''}; {there}")
        elif key in found:
            problems.append(f"{where} is given twice; {there}")
        else:
            try:
                found[key] = _checked(key, ast.literal_eval(value_node))
            except (ValueError, TypeError) as error:
                said = str(error) if isinstance(error, _WrongValue) else "must be a literal, as the file is not imported"
                problems.append(f"{where} {said}; {there}")
    for name, key in CONSTANTS.items():
        if name in nodes and key not in found:
            problems.append(f"{shown}: {name} is ignored beside {NAME}; write {_written({key: nodes[name]})} into it; {there}")
    required = [name for name, key in KEYS.items() if key.default is MISSING]
    named = {k.value for k in node.keys if isinstance(k, ast.Constant)}
    problems += [f'{shown}: {NAME} has no "{key}", the module to import; {there}' for key in required if key not in named]
    return found, problems


class _WrongValue(ValueError):
    """Says what a value must be, as the end of a sentence."""


def _checked(key: str, value: object) -> Any:
    """The value in the key's type. Raises _WrongValue."""
    hint = _TYPES[key]
    kind = next(kind for kind in _WANTED if kind is hint or str(hint).startswith(kind.__name__))
    if value is None and KEYS[key].default is None:
        return None
    if kind is tuple:
        right = isinstance(value, list | tuple) and all(isinstance(word, str) for word in value)
        value = tuple(value) if isinstance(value, list) else value
    elif kind is int:
        right = isinstance(value, int) and not isinstance(value, bool) and value > 0
    else:
        right = isinstance(value, kind) and (value != "" or KEYS[key].default == "")
    if not right:
        raise _WrongValue(f"must be {_WANTED[kind]}, not {value!r}")
    choices: tuple[str, ...] = KEYS[key].metadata.get("one_of", ())
    unknown = [word for word in value if word not in choices] if isinstance(value, tuple) else []
    if unknown:
        raise _WrongValue(f"names {unknown[0]!r}; there are: {', '.join(choices)}")
    return value


def _written(old: dict[str, ast.expr | None]) -> str:
    """Constants of version 1 as a HEADER."""
    words = []
    for key, node in old.items():
        try:
            value = "..." if node is None else ast.literal_eval(node)
        except (ValueError, TypeError):
            value = "..."
        if _TYPES[key] == tuple[str, ...] and isinstance(value, str):
            value = value.split()
        text = "..." if value == "..." or (key == "recipe" and "\n" in str(value)) else repr(value).replace("'", '"')
        words.append(f'"{key}": {text}')
    return f"{NAME} = {{{', '.join(words)}}}"
