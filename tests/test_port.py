"""Are the two halves of every model the same network? Forward pass and gradients of one training step, in float64."""

from functools import cache
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pytest

from harness import discover, parity
from harness.cell import Mode
from harness.launch import Launcher
from harness.model import Arrays
from tests.conftest import settings

pytestmark = [
    pytest.mark.torch,
    pytest.mark.tensorflow,
    pytest.mark.skipif(not (find_spec("torch") and find_spec("tensorflow")), reason="needs both frameworks"),
]

TOLERANCE = 1e-9  # relative to the largest element of each array
MODELS = discover.models().names


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory):
    folder = tmp_path_factory.mktemp("port")
    for name in ("logs", "scratch"):
        (folder / name).mkdir()
    launcher = Launcher(settings=settings(timeout_s=300.0), folder=folder / "logs", scratch=folder / "scratch")
    models, stacks = discover.models(), discover.stacks()

    @cache
    def reference(model: str, stack: str, mode: Mode) -> list[Arrays]:
        path = Path(folder / f"{model}-{stack}-{mode}.npz")
        failure = launcher.reference(models[model], stacks[stack], mode, path)
        assert failure is None, failure.traceback or failure.message
        return parity.read(path)

    return reference


@pytest.mark.parametrize("model", MODELS)
def test_forward_passes_agree(run, model: str) -> None:
    torch, tensorflow = (run(model, stack, Mode.INFERENCE) for stack in ("torch_eager", "tf_eager"))
    assert len(torch) == len(tensorflow) == 4
    for ours, theirs in zip(torch, tensorflow, strict=True):
        assert {a.dtype for a in (*ours.values(), *theirs.values())} == {np.dtype("float64")}
        assert parity.error(theirs["output"], ours["output"]) <= TOLERANCE
    outputs = [batch["output"] for batch in torch]
    assert all(parity.error(outputs[0], other) > 1e-3 for other in outputs[1:])  # batches differ, and the output with them


@pytest.mark.parametrize("model", MODELS)
def test_gradients_of_one_training_step_agree(run, model: str) -> None:
    (torch,), (tensorflow,) = (run(model, stack, Mode.TRAINING) for stack in ("torch_eager", "tf_eager"))
    assert set(torch) == set(tensorflow)
    assert sum(name.startswith("gradient.") for name in torch) >= 4
    largest = max(float(np.abs(array).max()) for array in torch.values())
    # softmax ignores what is added to all keys alike, so that a key's bias has no gradient: rounding on both sides
    zero = {n for n in torch if max(float(np.abs(half[n]).max()) for half in (torch, tensorflow)) < 1e-12 * largest}
    assert all(name.endswith("key.bias") for name in zero)
    errors = {name: parity.error(tensorflow[name], torch[name]) for name in torch if name not in zero}
    worst = max(errors, key=lambda name: errors[name])
    print(f"{model}: largest relative difference {errors[worst]:.1e} in {worst}")
    assert errors[worst] <= TOLERANCE
    assert all(np.any(torch[name]) for name in torch), "a gradient of zeros compares with anything"
