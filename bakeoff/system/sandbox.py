"""Where does a child keep its caches? In folders of its own, which are checked to be empty before it imports anything."""

import contextlib
import json
import os
import shutil
from dataclasses import dataclass
from pathlib import Path

from bakeoff.authoring.discovery import INSTALLED, PACKAGE
from bakeoff.authoring.errors import BakeoffError


class CacheNotEmpty(BakeoffError):
    """A cold trial found files in its sandbox that do not belong to a one-time cost."""


@dataclass(frozen=True, slots=True)
class Sandbox:
    """The folder of one trial. `compiler` holds compiler caches, `tmp` is its TMPDIR, `work` its working directory."""

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
        """If Bakeoff is installed: a folder for PYTHONPATH that contains only a link to the package.

        With the whole site-packages folder on PYTHONPATH, its packages would hide those of another --interpreter.
        """
        return self.root / "imports"

    @property
    def artifacts(self) -> Path:
        """Files that a diagnosing child writes for people to read."""
        return self.root / "artifacts"

    def make(self, seed: Path | None = None) -> None:
        """Create the folders, with a copy of `seed`: the files of a one-time cost. Through a link a cell could change them."""
        for folder in (self.compiler, self.tmp, self.work):
            folder.mkdir(parents=True)
        if INSTALLED:
            self.imports.mkdir()
            (self.imports / PACKAGE.name).symlink_to(PACKAGE)
        if seed is not None:
            for name in ("compiler", "tmp"):
                shutil.copytree(seed / name, self.root / name, dirs_exist_ok=True)

    def expected_files(self) -> set[str]:
        """Relative paths that a cold trial may find: the files of the one-time cost that were copied into it."""
        seed = self.root / "seed.json"
        return set(json.loads(seed.read_text())) if seed.exists() else set()

    def files(self) -> dict[str, int]:
        """Relative path → size in bytes, for every file in the compiler caches and TMPDIR."""
        return listing(self.root, ("compiler", "tmp"))


def listing(root: Path, folders: tuple[str, ...]) -> dict[str, int]:
    """Path relative to `root` → size in bytes, for every regular file under root/folder for each of `folders`."""
    found = {}
    for name in folders:
        for directory, _, files in os.walk(root / name):
            for file in files:
                path = Path(directory, file)
                with contextlib.suppress(FileNotFoundError):  # a compile worker may be deleting its files
                    if not path.is_symlink():
                        found[str(path.relative_to(root))] = path.stat().st_size
    return found
