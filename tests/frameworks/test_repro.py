"""Does the script of a cell reproduce in the bare framework what Bakeoff reports for the cell?"""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.needs import needs_compiler, needs_tensorflow, needs_torch
from tests.support.scripts import text


def run(folder: Path, model: str, stack: str) -> subprocess.CompletedProcess[str]:
    """The script alone in an empty folder, by an interpreter that sees no other path than its packages'."""
    (folder / "it.py").write_text(text(model, stack))
    (folder / "empty").mkdir()
    environment = os.environ | {"TORCHINDUCTOR_CACHE_DIR": str(folder / "cache"), "TF_CPP_MIN_LOG_LEVEL": "1"}
    command = [sys.executable, "-I", str(folder / "it.py")]
    return subprocess.run(
        command, cwd=folder / "empty", env=environment, capture_output=True, text=True, timeout=400, check=False
    )


@pytest.mark.parametrize(
    ("model", "stack", "code", "output"),
    [
        pytest.param("mlp", "torch_script", 0, "0 of 12 outputs differ", marks=needs_torch),
        pytest.param("branchy", "torch_script", 1, "7 of 12 outputs differ", marks=needs_torch),
        pytest.param("breaks_custom_op", "torch_inductor", 1, "bakeoff_gallery::cbrt", marks=needs_compiler),
        pytest.param("mlp", "tf_xla", 0, "0 of 12 outputs differ", marks=needs_tensorflow),
        pytest.param("branchy", "tf_function", 1, "has no attribute 'numpy'", marks=needs_tensorflow),
        pytest.param("breaks_callback", "tf_xla", 1, "EagerPyFunc", marks=needs_tensorflow),
    ],
)
def test_script_shows_what_the_cell_showed(tmp_path: Path, model: str, stack: str, code: int, output: str) -> None:
    done = run(tmp_path, model, stack)
    assert (done.returncode, output in done.stdout + done.stderr) == (code, True), done.stdout + done.stderr


@pytest.mark.parametrize("stack", [pytest.param("torch_inductor", marks=needs_compiler)])
def test_inductor_says_where_it_breaks(tmp_path: Path, stack: str) -> None:
    done = run(tmp_path, "breaks_print", stack)
    reported = done.stdout + done.stderr
    sites = re.findall(r"Graph break in user code at (.+):(\d+)", reported)
    assert done.returncode == 0, reported
    assert sites, reported
    for file, line in sites:
        assert Path(file).name == "it.py"
        assert "# breaks here" in (tmp_path / "it.py").read_text().splitlines()[int(line) - 1]
