"""What can be an arm of an A/B comparison? A git revision, a checkout, a virtual environment, or environment variables.

The children of both arms run this checkout's `bakeoff`, so that both are measured in the same way. Models and compilers are the
arm's own. They are copied first, so that edits during the session have no effect.
"""

import io
import re
import shlex
import shutil
import subprocess
import tarfile
from dataclasses import dataclass
from pathlib import Path

from bakeoff.archive.paired import Arm
from bakeoff.authoring.discovery import INSTALLED, PACKAGE, ROOT
from bakeoff.authoring.errors import UsageError

ROOMS = ("models", "compilers")


@dataclass(frozen=True, slots=True)
class Checkout:
    """An arm, and the folder that its children import from."""

    arm: Arm
    root: Path


def checkout(text: str, folder: Path, frameworks: set[str]) -> Checkout:
    """The arm that `text` names: NAME=VALUE (several with spaces), an environment, a checkout (. is this one), or a revision.

    UsageError if it is none of these.
    """
    path = Path(text).expanduser()
    if re.match(r"[A-Za-z_]\w*=", text):
        try:
            variables = dict(word.split("=", 1) for word in shlex.split(text))
        except ValueError:
            raise UsageError(f"{text}: write NAME=VALUE, several with spaces between them") from None
        return Checkout(Arm(label=text, commit=_head(ROOT), variables=variables), _copied(ROOT, folder))
    if (path / "bin" / "python").is_file():
        interpreters = dict.fromkeys(sorted(frameworks), str((path / "bin" / "python").absolute()))
        return Checkout(Arm(label=text, commit=_head(ROOT), interpreters=interpreters), _copied(ROOT, folder))
    if all((path / room).is_dir() for room in ROOMS):
        return Checkout(
            Arm(label="working tree" if path.resolve() == ROOT else text, commit=_head(path)), _copied(path, folder)
        )
    if INSTALLED:
        raise UsageError(f"{text}: an installed Bakeoff has no revisions; name a checkout, a virtual environment or NAME=VALUE")
    commit = _git(ROOT, "rev-parse", "--verify", "--quiet", "--end-of-options", f"{text}^{{commit}}")
    if commit is None:
        allowed = "NAME=VALUE, a virtual environment, a checkout (a folder with models/ and compilers/), or a git revision"
        raise UsageError(f"{text} is none of: {allowed}")
    return Checkout(Arm(label=text, commit=commit), _archived(commit, folder))


def _copied(source: Path, folder: Path) -> Path:
    for room in ROOMS:
        shutil.copytree(
            source / room, folder / room, ignore=shutil.ignore_patterns("__pycache__"), ignore_dangling_symlinks=True
        )
    return _with_package(folder)


def _archived(commit: str, folder: Path) -> Path:
    done = subprocess.run(["git", "-C", str(ROOT), "archive", "--format=tar", commit, *ROOMS], capture_output=True, check=False)
    if done.returncode:
        raise UsageError(f"{commit[:9]} has no models/ and compilers/: {done.stderr.decode(errors='replace').strip()[:200]}")
    folder.mkdir(parents=True)
    with tarfile.open(fileobj=io.BytesIO(done.stdout)) as archive:
        archive.extractall(folder, filter="data")
    return _with_package(folder)


def _with_package(folder: Path) -> Path:
    (folder / "bakeoff").symlink_to(PACKAGE)
    return folder


def _head(folder: Path) -> str | None:
    if INSTALLED and folder == ROOT:  # a repository that contains site-packages is not Bakeoff's
        return None
    commit = _git(folder, "rev-parse", "HEAD")
    dirty = _git(folder, "status", "--porcelain", "--", *ROOMS)
    return f"{commit}+" if commit and dirty else commit


def _git(folder: Path, *arguments: str) -> str | None:
    """The output of git; None if it failed, printed nothing, or is not installed."""
    try:
        done = subprocess.run(["git", "-C", str(folder), *arguments], capture_output=True, text=True, check=False)
    except OSError:
        return None
    return done.stdout.strip() or None if done.returncode == 0 else None
