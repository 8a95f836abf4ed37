"""Which tier is a test in, and what does it use? By its folder, and by its fixtures, parameters and the names in its code."""

import inspect
import re
from functools import cache
from pathlib import Path

import pytest

from bakeoff.authoring import discovery

TESTS = Path(__file__).parent.parent
TIERS = ("unit", "process", "frameworks")
NAMED = {"torch": re.compile(r"torch|triton|inductor"), "tensorflow": re.compile(r"tensorflow|keras|\btf_")}


def tier_of(path: Path) -> str | None:
    """The folder of tests/ that a file lies in, if it is a tier."""
    if not path.is_relative_to(TESTS):
        return None
    folder = path.relative_to(TESTS).parts[0]
    return folder if folder in TIERS else None


def uses(item: pytest.Item) -> set[str]:
    """A browser, or frameworks: those of its parameters, where one names a stack or a framework; else those that the text of
    the test and of its fixtures names."""
    if "chromium" in getattr(item, "fixturenames", ()):
        return {"browser"}  # it shows records, and no framework runs
    call = getattr(item, "callspec", None)
    output = _named_by(" ".join(map(str, call.params.values()))) if call else set()
    return output or _named_by(_text(item))


def _named_by(text: str) -> set[str]:
    words = set(re.findall(r"\w+", text))
    found = {framework for stack, framework in _frameworks().items() if stack in words}
    return (found | {framework for framework, pattern in NAMED.items() if pattern.search(text)}) & set(NAMED)


@cache
def _frameworks() -> dict[str, str]:
    return {stack.name: stack.framework for stack in discovery.stacks()}


def _text(item: pytest.Item) -> str:
    """The source of a test, of its fixtures in tests/, and of the functions and constants of its file that they name."""
    functions = [getattr(item, "function", None)]
    info = getattr(item, "_fixtureinfo", None)
    functions += [fixture.func for found in (info.name2fixturedefs.values() if info else ()) for fixture in found]
    ours = [f for f in functions if f and TESTS in Path(inspect.getsourcefile(f) or "/").parents]
    text = "\n".join(inspect.getsource(f) for f in ours)
    module = vars(inspect.getmodule(ours[0])) if ours else {}
    for name in sorted(set(re.findall(r"\b[A-Za-z_]\w+\b", text)) & set(module)):
        value = module[name]
        if inspect.isfunction(value) and value not in ours and TESTS in Path(inspect.getsourcefile(value) or "/").parents:
            text += inspect.getsource(value)
        elif name.isupper() and isinstance(value, str | tuple | dict):
            text += repr(value)
    return text
