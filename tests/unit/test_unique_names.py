"""Does every name have one meaning? No two classes or constants have the same name, nor two functions of one room."""

import ast
from collections import defaultdict

from bakeoff.authoring.discovery import PACKAGE, ROOT

# names that each task folder must define, and type variables
SHARED = {"TASK", "T", "R"}
# functions that several files of a room define for one caller: verbs, children, tables, and hooks of pytest
ENTRIES = {"add_verb", "run", "of", "terminal", "markdown", "pytest_addoption", "pytest_configure"}


def test_no_two_classes_or_constants_have_one_name() -> None:
    places: dict[str, list[str]] = defaultdict(list)
    for path in PACKAGE.rglob("*.py"):
        for node in ast.parse(path.read_text()).body:
            names = [node.name] if isinstance(node, ast.ClassDef) else []
            if isinstance(node, ast.Assign | ast.AnnAssign):
                targets = node.targets if isinstance(node, ast.Assign) else [node.target]
                found = [part.id for target in targets for part in ast.walk(target) if isinstance(part, ast.Name)]
                names = [name for name in found if name.isupper() and not name.startswith("_")]
            for name in names:
                places[name].append(str(path.relative_to(ROOT)))
    assert {name: found for name, found in places.items() if len(found) > 1 and name not in SHARED} == {}


def test_no_two_public_functions_of_a_room_have_one_name() -> None:
    places: dict[tuple[str, str], list[str]] = defaultdict(list)
    for path in PACKAGE.rglob("*.py"):
        room = path.relative_to(PACKAGE).parts[0]
        if room in ("compilers", "models", "experiments"):
            continue
        for node in ast.parse(path.read_text()).body:
            if isinstance(node, ast.FunctionDef) and not node.name.startswith("_") and node.name not in ENTRIES:
                places[room, node.name].append(str(path.relative_to(ROOT)))
    assert {name: found for name, found in places.items() if len(found) > 1} == {}
