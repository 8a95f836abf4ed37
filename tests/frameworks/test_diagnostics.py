"""Are messages and private names of the frameworks read correctly, and a missing one reported in one line?"""

import subprocess
import sys
from pathlib import Path

import pytest

from bakeoff.authoring.discovery import ROOT
from tests.support.needs import needs_tensorflow, needs_torch

DYNAMO = """Graph break in user code at {file}:12
Graph Break Reason: Encountered graph break when attempting to trace CALL: a function call, e.g. f(x, y):

Failed to trace builtin operator
  Explanation: Dynamo does not know how to trace builtin operator `print`
  Hint: Please report an issue to PyTorch.
  Hint: Avoid calling builtin `print`.

 For more details about this graph break, please visit: https://meta-pytorch.github.io/gb/gb0059.html

User code traceback:
  File "{user}", line 51, in forward
    print("branchy: one step")
  File "{file}", line 12, in inner
Traceback (most recent call last):
  File "/elsewhere/torch/_dynamo/symbolic_convert.py", line 1076, in wrapper
"""


@pytest.mark.parametrize(
    ("file", "line"), [pytest.param("USER", 12, marks=needs_torch), pytest.param("FRAMEWORK", 51, marks=needs_torch)]
)
def test_messages_of_dynamo_are_parsed(file: str, line: int) -> None:
    user = str(ROOT / "models" / "branchy.py")
    framework = str(Path(sys.prefix) / "lib" / f"python3.{sys.version_info.minor}" / "site-packages" / "torch" / "nn" / "f.py")
    text = DYNAMO.format(user=user, file=user if file == "USER" else framework)
    script = f"from compilers._dynamo import graph_break\nprint(graph_break({text!r}))"
    run = subprocess.run([sys.executable, "-c", script], cwd=ROOT, capture_output=True, text=True, check=True)
    assert f"where='models/branchy.py:{line}'" in run.stdout
    assert "reason='Failed to trace builtin operator'" in run.stdout
    assert "code='GB0059'" in run.stdout
    assert "hint='Avoid calling builtin `print`.'" in run.stdout


@pytest.mark.parametrize(
    ("script", "says"),
    [
        pytest.param(
            "import torch._dynamo.utils as u; del u.counters\nfrom compilers import _torch_private as p\np.counters()",
            "has no torch._dynamo.utils.counters, which diagnostics are read from (known: torch 2.11 to 2.14)",
            marks=needs_torch,
        ),
        pytest.param(
            "import types\nfrom compilers import _torch_private as p\np.field(types.SimpleNamespace(), 'guard_count')",
            "has no SimpleNamespace.guard_count",
            marks=needs_torch,
        ),
        pytest.param(
            "import tensorflow.python.eager.polymorphic_function.tracing_compilation as t\n"
            "del t._graph_building_time_counter\nfrom compilers import _tf_private as p\np.tracing_s()",
            "tracing_compilation._graph_building_time_counter, which diagnostics are read from (known: tensorflow 2.21)",
            marks=needs_tensorflow,
        ),
    ],
)
def test_a_missing_private_name_is_reported_in_one_line(script: str, says: str) -> None:
    run = subprocess.run([sys.executable, "-c", script], cwd=ROOT, capture_output=True, text=True, check=False)
    last = run.stderr.strip().splitlines()[-1]
    assert last.startswith("bakeoff.authoring.errors.Unavailable: ")
    assert says in last
