"""Does only a stack's own file know its name? Everything else asks for a property, such as eager or diagnoses."""

import ast

from bakeoff.analysis.results import by_cell
from bakeoff.authoring import discovery
from bakeoff.authoring.discovery import PACKAGE
from bakeoff.cli.run import most_to_explain
from bakeoff.records.trial import Trial
from tests.support.builders import cell


def test_no_code_compares_with_the_name_of_a_stack() -> None:
    names = set(discovery.stacks().names)
    found = [
        f"{path.relative_to(PACKAGE)}:{node.lineno}"
        for path in PACKAGE.rglob("*.py")
        if path.relative_to(PACKAGE).parts[0] not in ("compilers", "models", "experiments")
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.Constant) and node.value in names
    ]
    assert found == []


def test_explain_is_suggested_for_the_stack_that_compiled_longest() -> None:
    trials: list[Trial] = [
        cell("mlp", name, level) for name, level in (("a_eager", 0.09), ("b", 0.001), ("c", 0.003), ("d", 0.002))
    ]
    results = list(by_cell(trials).values())
    assert most_to_explain(results, {"a_eager", "b", "d"}).cell.stack == "d"
    assert most_to_explain(results, ()).cell.stack == "d"
    assert most_to_explain(results, {"b", "c"}).cell.stack == "c"
