"""What is imported where? No framework in the parent, only numpy and a framework in a child; and is collection quick?"""

import subprocess
import sys

from bakeoff.authoring.discovery import ROOT
from bakeoff.system.procfs import cpu_s_with_children
from tests.support.needs import FRAMEWORKS


def python(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, *arguments], capture_output=True, text=True, cwd=ROOT, timeout=120, check=False)


def test_parent_imports_no_framework() -> None:
    ask = f"import bakeoff.pytest_plugin.plugin, bakeoff.__main__, sys; print([m for m in {FRAMEWORKS} if m in sys.modules])"
    assert python("-c", ask).stdout.strip() == "[]"


def test_child_needs_only_numpy() -> None:
    ours = ("msgspec", "psutil", "rich", "pytest", "ruptures")
    ask = f"import bakeoff.worker.__main__, bakeoff.worker.measure, sys; print([m for m in {ours} if m in sys.modules])"
    assert python("-c", ask).stdout.strip() == "[]"


def test_gpu_tests_need_no_development_tools() -> None:
    """`make gpu` installs its own libraries, without those of the extra `dev`."""
    script = """
import sys
class Missing:
    def find_spec(self, name, *rest):
        if name.partition(".")[0] in ("hypothesis", "xdist", "playwright"):
            raise ModuleNotFoundError(name)
sys.meta_path.insert(0, Missing())
import pytest
sys.exit(pytest.main(["tests/frameworks/test_gpu.py", "--collect-only", "-q", "-p", "no:xdist"]))
"""
    done = python("-c", script)
    assert done.returncode == 0, done.stdout + done.stderr


def test_collecting_is_quick() -> None:
    """At most four times the CPU time of importing the libraries it needs, measured in turns: machines differ in speed."""

    def cpu_s(*arguments: str) -> float:
        before = cpu_s_with_children()
        assert python(*arguments).returncode == 0
        return cpu_s_with_children() - before

    libraries: list[float] = []
    collecting: list[float] = []
    while len(collecting) < 3 or (min(collecting) > 4 * min(libraries) and len(collecting) < 8):
        libraries.append(cpu_s("-c", "import pytest, numpy, msgspec, rich.table, pytest_benchmark.plugin"))
        collecting.append(cpu_s("-m", "pytest", "experiments", "--collect-only", "-q"))
    assert min(collecting) <= 4 * min(libraries), (collecting, libraries)
