"""Sandbox cache folders: made by the parent, proven empty by the child before it imports anything, listed afterwards."""

import contextlib
import json
import os
import shutil
from dataclasses import dataclass
from pathlib import Path

from bakeoff.authoring.discovery import INSTALLED, PACKAGE
from bakeoff.authoring.errors import BakeoffError


class CacheNotEmpty(BakeoffError):
    """A cold trial found files in its private caches that are not the machine's toolchain."""


@dataclass(frozen=True, slots=True)
class Sandbox:
    """One trial's own folder. `compiler` holds compiler caches, `tmp` is its TMPDIR, `work` its working directory."""

    root: Path

    @property
    def compiler(self) -> Path:
        return self.root / "compiler"

    @property
    def tmp(self) -> Path:
        return self.root / "tmp"

    @property
    def work(self) -> Path:
        return self.root / "work"

    @property
    def imports(self) -> Path:
        """Of an installed Bakeoff: a folder with a link to the package alone.

        Its site-packages on PYTHONPATH would hide the packages of another --interpreter.
        """
        return self.root / "imports"

    @property
    def artifacts(self) -> Path:
        """What a diagnosing child leaves for people to read."""
        return self.root / "artifacts"

    def make(self, seed: Path | None = None) -> None:
        """Create the folders, with a copy of the toolchain's files: through a link one cell could change the next one's."""
        for folder in (self.compiler, self.tmp, self.work):
            folder.mkdir(parents=True)
        if INSTALLED:
            self.imports.mkdir()
            (self.imports / PACKAGE.name).symlink_to(PACKAGE)
        if seed is not None:
            for name in ("compiler", "tmp"):
                shutil.copytree(seed / name, self.root / name, dirs_exist_ok=True)

    def expected_files(self) -> set[str]:
        """Relative paths that a cold trial may find: the files of the one-time cost that it was seeded with."""
        seed = self.root / "seed.json"
        return set(json.loads(seed.read_text())) if seed.exists() else set()

    def files(self) -> dict[str, int]:
        """Relative path → bytes of every file in the compiler caches and TMPDIR."""
        return listing(self.root, ("compiler", "tmp"))


def listing(root: Path, folders: tuple[str, ...]) -> dict[str, int]:
    """Relative path → bytes of every regular file under root/folder for each folder."""
    found = {}
    for name in folders:
        for directory, _, files in os.walk(root / name):
            for file in files:
                path = Path(directory, file)
                with contextlib.suppress(FileNotFoundError):  # a compile worker may be tidying up
                    if not path.is_symlink():
                        found[str(path.relative_to(root))] = path.stat().st_size
    return found
