"""Does an installed wheel do what a checkout does, from any folder, and without the checkout?

The environment contains only the wheel. It sees this environment's site-packages, but not their .pth files, through which an
editable install would import the checkout.
"""

import os
import shutil
import subprocess
import sys
import sysconfig
import venv
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from bakeoff.authoring.discovery import ROOT
from tests.support.planting import FAKES, plant

ROOMS = ("bakeoff", "compilers", "experiments", "models")
DATA = (".cpp", ".css", ".html", ".js", ".toml")
Call = Callable[..., subprocess.CompletedProcess[str]]
NONE = shutil.which("false")
NO_FRAMEWORK = [f"--interpreter={name}={NONE}" for name in ("torch", "tensorflow")]


def sources() -> Iterator[Path]:
    """Files of the checkout that a wheel must have, relative to it."""
    for room in ROOMS:
        for path in (ROOT / room).rglob("*"):
            if path.suffix in (".py", *DATA) and "__pycache__" not in path.parts:
                yield path.relative_to(ROOT)


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Built from a copy, since setuptools leaves files beside what it builds."""
    folder = tmp_path_factory.mktemp("wheel")
    for path in (*sources(), *map(Path, ("pyproject.toml", "setup.py", "README.md"))):
        (folder / "source" / path).parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(ROOT / path, folder / "source" / path)
    build = ["wheel", "--quiet", "--no-deps", "--no-build-isolation", "--wheel-dir", str(folder), str(folder / "source")]
    done = subprocess.run([sys.executable, "-m", "pip", *build], capture_output=True, text=True, check=False, timeout=300)
    assert done.returncode == 0, done.stderr
    (path,) = folder.glob("*.whl")
    return path


@pytest.fixture(scope="module")
def installed(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The python of an environment that has the wheel."""
    folder = tmp_path_factory.mktemp("environment")
    venv.create(folder, with_pip=False, symlinks=True)
    (site,) = folder.glob("lib/python*/site-packages")
    pip = ["install", "--quiet", "--no-deps", "--no-index", "--target", str(site), str(wheel)]
    done = subprocess.run([sys.executable, "-m", "pip", *pip], capture_output=True, text=True, check=False, timeout=300)
    assert done.returncode == 0, done.stderr
    (site / "others.pth").write_text(sysconfig.get_path("purelib") + "\n")
    return folder / "bin" / "python"


@pytest.fixture
def call(installed: Path, tmp_path: Path) -> Call:
    """Run the installed program in an empty folder, with a home of its own."""
    (tmp_path / "empty").mkdir()
    environment = {k: v for k, v in os.environ.items() if k not in ("PYTHONPATH", "PYTEST_ADDOPTS", "PYTEST_BENCHMARK_STORAGE")}
    environment |= {"HOME": str(tmp_path), "XDG_DATA_HOME": str(tmp_path / "data")}

    def run(*words: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [str(installed), "-P", "-m", *words],
            capture_output=True,
            text=True,
            cwd=tmp_path / "empty",
            env=environment,
            timeout=300,
            check=False,
        )

    return run


def test_a_wheel_holds_all_of_it_inside_one_package(wheel: Path) -> None:
    names = {Path(name) for name in zipfile.ZipFile(wheel).namelist() if ".dist-info/" not in name}
    assert {path.parts[0] for path in names} == {"bakeoff"}
    assert names == {path if path.parts[0] == "bakeoff" else Path("bakeoff") / path for path in sources()}


def test_it_is_the_wheel_that_runs(call: Call) -> None:
    done = call("bakeoff", "list")
    assert done.returncode == 0, done.stderr
    assert "mlp" in done.stdout
    assert "torch_inductor" in done.stdout
    assert call("bakeoff", "repro", "mlp", "torch_script").stdout.startswith('"""The model mlp')
    done = call("bakeoff", "ab", "HEAD~1", "--models", "mlp")
    assert done.returncode == 2
    assert "an installed Bakeoff has no revisions" in done.stderr


def planted(folder: Path) -> list[str]:
    """A model and a stack of the user's own, which need nothing of these tests; the options that name them."""
    (folder / "models").mkdir()
    (folder / "models" / "toy.py").write_text((FAKES / "toy.py").read_text())
    path = plant(folder / "stacks", "Eager")
    text = path.read_text().replace("from tests.support.fakes import honest\n", (FAKES / "honest.py").read_text())
    path.write_text(text.replace("honest.Eager()", "Eager()"))
    return [f"--models-from={folder / 'models'}", f"--compilers-from={folder / 'stacks'}", "--threads=1", *NO_FRAMEWORK]


def test_run_and_pytest_save_to_the_users_data_folder(call: Call, tmp_path: Path) -> None:
    own, data = planted(tmp_path), tmp_path / "data" / "bakeoff"
    ran = call("bakeoff", "run", "toy", "eager", *own)
    assert ran.returncode == 0, ran.stdout + ran.stderr
    assert [path.name for path in (data / "benchmarks").rglob("*.json")] == ["0001_run_toy.json"]

    asked = ["--models=toy", "--stacks=eager", *own, "--benchmark-autosave", "-k", "step_time"]
    ran = call("pytest", "-p", "bakeoff.pytest_plugin", "--pyargs", "bakeoff.experiments", *asked)
    assert ran.returncode == 0, ran.stdout + ran.stderr
    assert "1 passed" in ran.stdout
    assert "PytestUnknownMarkWarning" not in ran.stdout
    assert len([*(data / "benchmarks").rglob("*.json")]) == 2

    shown = call("bakeoff", "show")
    assert shown.returncode == 0, shown.stderr
    assert "toy" in shown.stdout
    assert {path.name for path in data.iterdir()} == {"benchmarks", "work"}


def test_variables_are_arms_of_an_installed_one(call: Call, tmp_path: Path) -> None:
    own = planted(tmp_path)
    ran = call(
        "bakeoff",
        "ab",
        "A=1",
        "A=2",
        "--models=toy",
        "--stacks=eager",
        *own,
        "--interim-analyses=2",
        "--metrics=step",
        "--no-control",
    )
    assert ran.returncode in (0, 3), ran.stdout + ran.stderr  # what two pairs of a busy machine say is no matter here
    assert "toy-eager-inference" in ran.stdout + ran.stderr
