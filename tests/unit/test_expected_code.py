"""Is generated code compared with the expected code, and only for the same compiler version?"""

from dataclasses import replace
from pathlib import Path

import pytest

from bakeoff.analysis.results import CellResult, by_cell
from bakeoff.authoring.errors import UsageError
from bakeoff.expectations.compiled_code import ExpectedCode
from bakeoff.records.diagnostics import Compiled, Diagnostics
from bakeoff.records.trial import Environment
from tests.support.builders import kernel, lowered


class TestExpectedCode:
    VERSIONS = Environment(
        python="3.11",
        platform="x",
        cpu="y",
        cores=2,
        memory_bytes=1,
        device="cpu",
        versions={"torch": "2.13.0+cpu", "triton": "3.7.1"},
    )

    def result(self, **changes: object) -> CellResult:
        found = lowered((kernel(**changes),))
        diagnostics = Diagnostics(graphs=1, compiled=Compiled(kernels=1, library_calls=2))
        reported = replace(found.trials[0], environment=self.VERSIONS, diagnostics=diagnostics)
        (result,) = by_cell([reported]).values()
        return result

    def test_accepted_then_gated(self, tmp_path: Path) -> None:
        path = tmp_path / "compiled.toml"
        path.write_text("# a comment that stays\n")
        assert "has no toy" in ExpectedCode(path).check(self.result()) or "covers" in ExpectedCode(path).check(self.result())
        assert ExpectedCode(path, accept=True).check(self.result()) == ""
        assert path.read_text().startswith("# a comment that stays")
        assert ExpectedCode(path).check(self.result()) == ""
        for better_or_worse in ({"registers": 33}, {"registers": 31}, {"spill_bytes": 4}, {"configurations": 1}):
            with pytest.raises(AssertionError, match=r"(?s)compiles to other code: .*--accept-code"):
                ExpectedCode(path).check(self.result(**better_or_worse))

    def test_other_compilers_may_decide_otherwise(self, tmp_path: Path) -> None:
        path = tmp_path / "compiled.toml"
        ExpectedCode(path, accept=True).check(self.result())
        path.write_text(path.read_text().replace("3.7.1", "3.6.0"))
        assert "covers torch 2.13.0, triton 3.6.0; this run used" in ExpectedCode(path).check(self.result(registers=99))

    def test_broken_file(self, tmp_path: Path) -> None:
        path = tmp_path / "compiled.toml"
        path.write_text("[[code]]\nnonsense = 1\n")
        with pytest.raises(UsageError, match=r"compiled\.toml"):
            ExpectedCode(path)
