"""Do real deployment formats run without the model's code, and are they reported as wrong if a weight was changed?"""

from dataclasses import replace
from pathlib import Path

import pytest

from bakeoff.authoring import discovery
from bakeoff.authoring.discovery import ROOT, Source, StackSource
from bakeoff.records.trial import Status
from tests.support.needs import needs_tensorflow, needs_torch
from tests.support.planting import settings
from tests.support.serving import run

IMPORTED = "\nimport sys, pathlib\npathlib.Path({!r}).open('a').write(pathlib.Path(sys.argv[1]).name + '\\n')\n"


def corrupted(tmp_path: Path, stack: StackSource, corrupt: str) -> StackSource:
    """The same format with an export that changes a weight."""
    path = tmp_path / "corrupted.py"
    path.write_text(
        f'HEADER = {{"framework": "{stack.framework}"}}\n'
        f"from bakeoff.compilers.{stack.name} import STACK\nhonest = STACK.export\n"
        f"def export(program, *rest):\n    {corrupt}\n    honest(program, *rest)\nSTACK.export = export\n"
    )
    return replace(stack, name="corrupted", path=path)


@pytest.mark.parametrize(
    ("name", "corrupt"),
    [
        pytest.param("served_torch_script", "program.module.head.bias.add_(1.0)", marks=needs_torch),
        pytest.param("served_savedmodel", "program.module.head.bias.assign_add([1.0] * 10)", marks=needs_tensorflow),
    ],
)
def test_a_real_format_and_one_whose_weights_were_changed(tmp_path: Path, name: str, corrupt: str) -> None:
    stack = discovery.stacks()[name]
    path, seen = tmp_path / "copied.py", tmp_path / "seen"  # a model's file that notes every child that imports it
    path.write_text((ROOT / "models" / "mlp.py").read_text() + IMPORTED.format(str(seen)))
    small = settings(shape=("width=64", "depth=1"), timeout_s=120.0)
    both, exporter = (stack, corrupted(tmp_path, stack, corrupt)), discovery.stacks()[stack.exported_by]
    _, results = run(tmp_path, Source("copied", path), *both, settings=small, all_stacks=[exporter])
    assert set(seen.read_text().split()) == {"export-cold.request", "reference-cold.request"}
    right, wrong = results[name], results["corrupted"]
    assert right.status in (Status.OK, Status.UNSTEADY), right.reason
    assert right.parity_error < 1e-5
    assert wrong.status is Status.WRONG, wrong.reason
