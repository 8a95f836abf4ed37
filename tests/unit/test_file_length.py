"""Is every source file at most 400 lines long?"""

import pytest

from bakeoff.authoring.discovery import ROOT

LONGEST = 400  # lines; a longer file has more than one topic


@pytest.mark.parametrize("room", ["bakeoff", "compilers", "models", "experiments", "tests", "benchmarks"])
def test_files_are_short(room: str) -> None:
    sizes = {str(p.relative_to(ROOT)): len(p.read_text().splitlines()) for p in (ROOT / room).rglob("*.py")}
    assert {name: size for name, size in sizes.items() if size > LONGEST} == {}
