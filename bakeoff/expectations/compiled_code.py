"""What should a cell compile to for a target? Data in git; more of anything fails as well as less.

The counts are a compiler's decisions, the same in every run; another version of it may decide otherwise, so the file names the
versions that it covers.
"""

from pathlib import Path

import msgspec

from bakeoff.analysis.rerun import command
from bakeoff.analysis.results import CellResult
from bakeoff.records.trial import Environment
from bakeoff.system.toml import read_toml

COMPILERS = ("torch", "triton")


class Code(msgspec.Struct, frozen=True, forbid_unknown_fields=True, order=True):
    """One row of compiled.toml."""

    cell: str
    target: str
    dtype: str
    graphs: int
    breaks: int
    kernels: int
    library_calls: int
    configurations: int
    registers: int = 0  # the most of any kernel
    spill_bytes: int = 0
    shared_bytes: int = 0  # the most of any kernel

    @classmethod
    def of(cls, result: CellResult) -> "Code":
        """What was found."""
        made, found = result.compile_only, result.diagnostics
        assert made is not None
        assert found is not None
        assert found.compiled is not None
        return cls(
            cell=str(result.cell),
            target=made.target,
            dtype=result.trials[0].settings.dtype,
            graphs=found.graphs or 0,
            breaks=found.break_count,
            kernels=found.compiled.kernels or 0,
            library_calls=found.compiled.library_calls or 0,
            configurations=sum(k.configurations for k in made.kernels),
            registers=made.registers,
            spill_bytes=made.spill_bytes,
            shared_bytes=made.shared_bytes,
        )


class CompiledCodeFile(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """compiled.toml."""

    versions: dict[str, str] = {}
    code: list[Code] = []


class ExpectedCode:
    """The rows of compiled.toml; --accept-code writes rows."""

    def __init__(self, path: Path, *, accept: bool = False) -> None:
        """UsageError for a broken file."""
        self._path, self._accept = path, accept
        found = read_toml(path, CompiledCodeFile)
        self._versions, self._rows = found.versions, {_key(row): row for row in found.code}

    def knows(self, result: CellResult) -> bool:
        """Has it a row of the cell, compiled with these settings by these compilers?"""
        settings = result.trials[0].settings
        key = (str(result.cell), settings.target, settings.dtype)
        return not self._not_covered(result) and key in self._rows

    def _not_covered(self, result: CellResult) -> str:
        """Why the file does not cover such a run; empty if it does."""
        environment, settings = result.trials[0].environment, result.trials[0].settings
        if settings.size != "small" or settings.batch_size is not None or settings.shape:
            return "compiled.toml covers the small sizes only"
        versions = _versions(environment)
        if versions != self._versions:
            return f"compiled.toml covers {_named(self._versions)}; this run used {_named(versions)}"
        return ""

    def check(self, result: CellResult) -> str:
        """Why the file does not cover the cell, or "" where the code is as expected. Raises AssertionError where it is not."""
        row, settings, not_covered = Code.of(result), result.trials[0].settings, self._not_covered(result)
        small = settings.size == "small" and settings.batch_size is None and not settings.shape
        if not_covered and not (self._accept and small):
            return not_covered
        if self._accept:
            versions = _versions(result.trials[0].environment)
            if versions != self._versions:  # one file, one pair of compilers
                self._versions, self._rows = versions, {}
            self._rows[_key(row)] = row
            self._write()
            return ""
        expected = self._rows.get(_key(row))
        if expected is None:
            return f"compiled.toml has no {' '.join(_key(row))}; --accept-code adds it"
        names = [n for n in Code.__struct_fields__ if getattr(row, n) != getattr(expected, n)]
        if names:
            differences = ", ".join(f"{n} {getattr(expected, n)} → {getattr(row, n)}" for n in names)
            look = command(result.cell, settings)
            raise AssertionError(
                f"{result.cell} compiles to other code: {differences}\nto inspect: {look}\nto accept: {self._accepting(result)}"
            )
        return ""

    def _accepting(self, result: CellResult) -> str:
        cell, settings = result.cell, result.trials[0].settings
        words = f"pytest experiments/test_compiled.py --target {settings.target} --dtype {settings.dtype} --modes {cell.mode}"
        return f"{words} --models {cell.model} --stacks {cell.stack} --accept-code"

    def _write(self) -> None:
        lines = self._path.read_text().splitlines() if self._path.exists() else []
        head = [line for line in lines if line.startswith("#")]
        versions = "".join(f'{name} = "{version}"\n' for name, version in self._versions.items())
        rows = [_toml(row) for _, row in sorted(self._rows.items())]
        self._path.write_text("\n".join([*head, "", "[versions]", versions, *rows]))


def _versions(environment: Environment | None) -> dict[str, str]:
    found = environment.versions if environment is not None else {}
    return {name: found.get(name, "none").partition("+")[0] for name in COMPILERS}


def _key(row: Code) -> tuple[str, str, str]:
    return row.cell, row.target, row.dtype


def _named(versions: dict[str, str]) -> str:
    return ", ".join(f"{name} {version}" for name, version in versions.items()) or "no versions"


def _toml(row: Code) -> str:
    values = {name: getattr(row, name) for name in row.__struct_fields__}
    return "[[code]]\n" + "".join(f"{name} = {msgspec.json.encode(value).decode()}\n" for name, value in values.items())
