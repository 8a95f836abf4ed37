"""Do all implementations of a model compute the same? Forward pass and training steps, in float64."""

import json
import os
import subprocess
import sys
from functools import cache
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pytest

from bakeoff.authoring import discovery
from bakeoff.authoring.discovery import ROOT
from bakeoff.authoring.model import Arrays
from bakeoff.records.cell import Mode
from bakeoff.worker import parity
from bakeoff.worker.training import distances

pytestmark = [
    pytest.mark.skipif(not (find_spec("torch") and find_spec("tensorflow")), reason="needs both frameworks"),
]

TOLERANCE = 1e-9  # relative to the largest element of each array
MODELS = [m.name for m in discovery.models() if m.in_matrix]


# what a model computes does not depend on how many examples, tokens, or rows that no example looks up there are
BATCH_SIZE = 2
SMALLER = {"dlrm": {"rows": 500}, "lstm": {"tokens": 6}, "bert_encoder": {"tokens": 16}, "gpt_decoder": {"tokens": 16}}
TRAINED = [name for name in MODELS if name != "resnet50"]  # too long here; a run with both frameworks compares them as well

# the float64 references of all models in one process per framework: they take less than importing it
REFERENCES = f"""
import sys
from pathlib import Path
from bakeoff.authoring import discovery
from bakeoff.worker import parity, reference, training_reference
from bakeoff.records.cell import Cell, Mode
from bakeoff.records.request import Request
from bakeoff.records.trial import Start
from bakeoff.system.sandbox import Sandbox
from bakeoff.worker.job import Job
from tests.support.planting import settings
source, folder = discovery.stacks()[sys.argv[1]], Path(sys.argv[2])
for name in sys.argv[3:]:
    for mode in (Mode.INFERENCE, Mode.TRAINING):
        path = folder / f"{{name}}-{{source.name}}-{{mode}}.npz"
        shape = tuple(f"{{field}}={{value}}" for field, value in {SMALLER}.get(name, {{}}).items())
        request = Request(
            child="bakeoff.worker.reference", cell=Cell(name, source.name, mode), stack_path=str(source.path),
            model_path=str(discovery.models()[name].path), framework=source.framework,
            settings=settings(batch_size={BATCH_SIZE}, shape=shape),
            start=Start.COLD, sandbox=str(folder), result="", reference=str(path),
        )
        job = Job(request, Sandbox(folder), {{}}, lambda phase: None)
        if mode is Mode.INFERENCE:
            reference.run(job)
        elif name in {TRAINED}:
            parity.save(path, training_reference.exact_steps(request, job.load_stack()))
        if "torch" in sys.modules:  # which can be set only once per process
            sys.modules["torch"].set_num_interop_threads = lambda count: None
"""


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory):
    folder = tmp_path_factory.mktemp("port")

    @cache
    def written(stack: str) -> None:
        command = [sys.executable, "-c", REFERENCES, stack, str(folder), *MODELS]
        done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr

    def reference(model: str, stack: str, mode: Mode) -> list[Arrays]:
        written(stack)
        return parity.read(folder / f"{model}-{stack}-{mode}.npz")

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


@pytest.mark.parametrize("model", TRAINED)
def test_training_steps_agree(run, model: str) -> None:
    """Loss, gradients, moved parameters and batch norm's statistics, of first steps on three batches, and ten losses."""
    torch, tensorflow = (run(model, stack, Mode.TRAINING) for stack in ("torch_eager", "tf_eager"))
    *steps, rest = torch
    assert len(steps) == 3
    for ours, theirs in zip(steps, tensorflow, strict=False):
        assert set(ours) == set(theirs)
        assert sum(name.startswith("gradient.") for name in ours) >= 4
        largest = max(float(np.abs(array).max()) for name, array in ours.items() if name.startswith("gradient."))
        # softmax ignores what is added to all keys alike, so that a key's bias has no gradient: rounding on both sides
        zero = {n.partition(".")[2] for n in ours if n.startswith("gradient.") and np.abs(ours[n]).max() < 1e-12 * largest}
        assert all(name.endswith("key.bias") for name in zero)
        errors = {name: error for name, error in distances(theirs, ours, rest).items() if name.partition(".")[2] not in zero}
        worst = max(errors, key=lambda name: errors[name])
        print(f"{model}: largest relative difference {errors[worst]:.1e} in {worst}")
        assert errors[worst] <= TOLERANCE
    assert parity.error(tensorflow[-1]["losses"], rest["losses"]) <= TOLERANCE


# saved by a process that has the models' code, loaded and run by one that has none of it
SAVE = f"""
import sys
from pathlib import Path
import keras
import numpy as np
from bakeoff import Weights
from bakeoff.authoring import discovery
from bakeoff.authoring.model import Draw
def exact(arrays):
    return [array.astype("float64") if array.dtype.kind == "f" else array for array in arrays]
keras.config.set_floatx("float64")
for name in sys.argv[2:]:
    sizes = discovery.load(discovery.models()[name].path, "MODEL")
    model = sizes.at("small", {BATCH_SIZE}, {SMALLER}.get(name))
    weights = model.weights(Draw(0))
    model.keras(Weights(dict(zip(weights, exact(weights.values()))))).save(Path(sys.argv[1], f"{{name}}.keras"))
    for i in range(4):
        inputs = model.tensorflow_inputs(*model.batch(Draw(0, 1, i), i).inputs)
        np.savez(Path(sys.argv[1], f"{{name}}-{{i}}.npz"), *exact(inputs))
"""
LOAD = """
import sys
import keras
import numpy as np
for name in sys.argv[1:]:
    net = keras.saving.load_model(f"{name}.keras")
    for i in range(4):
        with np.load(f"{name}-{i}.npz") as archive:
            inputs = [archive[key] for key in archive.files]
        np.save(f"{name}-{i}.npy", net.predict_on_batch(inputs[0] if len(inputs) == 1 else inputs))
assert not {"bakeoff", "models"} & set(sys.modules)
"""
KERAS = [name for name in MODELS if name != "branchy"]  # whose reason for having none is a row of known_gaps.toml
# tf.nn.gelu, which Keras calls, rounds its constants to float32: 1.1e-8, 3.9e-9 and 5.0e-10 were seen
KERAS_TOLERANCE = dict.fromkeys(("mlp", "bert_encoder", "gpt_decoder"), 5e-8)


@pytest.fixture(scope="module")
def loaded(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("keras")
    for source, cwd, given in ((SAVE, ROOT, [str(folder)]), (LOAD, folder, [])):
        command = [sys.executable, "-c", source, *given, *KERAS]
        done = subprocess.run(command, cwd=cwd, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
    for path in folder.glob("*.keras"):
        path.unlink()  # hundreds of megabytes
    return folder


@pytest.mark.parametrize("model", KERAS)
def test_keras_implementations_agree_without_the_models_code(run, loaded: Path, model: str) -> None:
    tensorflow = [batch["output"] for batch in run(model, "tf_eager", Mode.INFERENCE)]
    keras = [np.load(loaded / f"{model}-{i}.npy") for i in range(4)]
    assert {output.dtype for output in keras} == {np.dtype("float64")}
    worst = max(parity.error(theirs, ours) for theirs, ours in zip(keras, tensorflow, strict=True))
    print(f"{model}: largest relative difference {worst:.1e}")
    assert worst <= KERAS_TOLERANCE.get(model, TOLERANCE)


# all of the gallery in one process per framework: they are small, and there are many
GALLERY = """
import sys
from pathlib import Path
import numpy as np
from bakeoff import Mode, BuildConfig, Weights
from bakeoff.authoring import discovery
from bakeoff.worker import parity
from bakeoff.authoring.discovery import load
from bakeoff.authoring.model import Draw
stack = load(Path(sys.argv[1]), "STACK")
if "torch" in sys.modules:  # which can be set only once per process
    sys.modules["torch"].set_num_interop_threads = lambda count: None
for source in (m for m in discovery.models() if m.in_gallery):
    model = load(source.path, "MODEL").at("small")
    program = stack.build(model, Weights(model.weights(Draw(0))), BuildConfig(mode=Mode.INFERENCE, precision="float64"))
    step = stack.step_without_compiler(program)
    outputs = [stack.fetch(step(stack.to_device(program, model.batch(Draw(0, 1, i), i)))) for i in range(4)]
    parity.save(Path(sys.argv[2], f"{source.name}.npz"), [{n: np.array(a) for n, a in o.items()} for o in outputs])
"""


def test_the_implementations_of_the_gallery_agree(tmp_path: Path) -> None:
    quiet = {**os.environ, "PYTHONBREAKPOINT": "0"}  # one of them has a breakpoint
    for stack in ("torch_eager", "tf_eager"):
        (tmp_path / stack).mkdir()
        path = str(discovery.stacks()[stack].path)
        subprocess.run(
            [sys.executable, "-c", GALLERY, path, str(tmp_path / stack)], cwd=ROOT, check=True, capture_output=True, env=quiet
        )
    names = [m.name for m in discovery.models() if m.in_gallery]
    for name in names:
        torch, tensorflow = (parity.read(tmp_path / stack / f"{name}.npz") for stack in ("torch_eager", "tf_eager"))
        for ours, theirs in zip(torch, tensorflow, strict=True):
            assert parity.error(theirs["output"], ours["output"]) <= TOLERANCE, name
        assert all(parity.error(torch[0]["output"], other["output"]) > 1e-3 for other in torch[1:]), name


COUNT = """
import json, sys
from pathlib import Path
import torch
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.utils.flop_counter import FlopCounterMode
from bakeoff.authoring import discovery
from bakeoff.authoring.model import Draw

found = {}
for name in sys.argv[1:]:
    model = discovery.load(discovery.models()[name].path, "MODEL").at("small")
    inputs = [torch.from_numpy(array) for array in model.batch(Draw(0, 1, 0), 0).inputs]
    net = model.torch()
    torch.backends.mkldnn.set_flags(False)  # its LSTM is one operation, which nobody counts
    # as products: the CPU's fused attention is not counted, either
    with FlopCounterMode(display=False) as counter, torch.no_grad(), sdpa_kernel(SDPBackend.MATH):
        net(*inputs)
    found[name] = (model.flops(), counter.get_total_flops())
print(json.dumps(found))
"""


def test_flops_are_those_that_pytorch_counts() -> None:
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    done = subprocess.run([sys.executable, "-c", COUNT, *MODELS], capture_output=True, text=True, env=environment, check=False)
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout.splitlines()[-1])
    assert set(found) == set(MODELS)
    for name, (ours, counted) in found.items():
        # PyTorch counts products and convolutions; an embedding bag's sums are ours alone
        extra = 512 * 8 * 40 * 32 if name == "dlrm" else 0
        assert ours - extra == pytest.approx(counted, rel=0.001), name
