"""Does the profiler of each framework write a trace of the steps where TensorBoard finds it?"""

import gzip
import importlib.util
import json
from collections import Counter
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest

from bakeoff.tasks.profile.record import PROFILED_STEPS
from tests.support.needs import needs_tensorboard, needs_tensorflow, needs_torch
from tests.support.tensorboard import export, texts

pytestmark = needs_tensorboard


def profiled(tmp_path: Path, *cells: str) -> tuple[int, Path]:
    """Profile without any saved run."""
    words = [word for name in cells for word in ("--profile", name)]
    store = ["--bakeoff-storage", str(tmp_path / "store"), "--threads", "1"]
    return export(tmp_path, tmp_path / "board", *words, *store), tmp_path / "board" / "profiles"


@pytest.mark.parametrize("cells", [pytest.param(("mlp-torch_ddp_2-training", "mlp-torch_eager-training"), marks=needs_torch)])
def test_pytorchs_profiler_sees_every_step(tmp_path: Path, capsys: pytest.CaptureFixture[str], cells: tuple[str, ...]) -> None:
    code, home = profiled(tmp_path, *cells)
    out = capsys.readouterr().out
    assert code == 1  # of data-parallel workers none is profiled
    assert "mlp-torch_ddp_2-training: no profile: un" in out
    folder = home / "mlp" / "torch_eager-training"
    (path,) = folder.glob("plugins/profile/*/*.pt.trace.json.gz")
    assert f"mlp-torch_eager-training: {path}; times under a profiler are not measurements" in out
    assert "times under a profiler are not measurements" in texts(folder)["profile/about/text_summary"]
    with gzip.open(path, "rt") as file:
        trace = json.load(file)["traceEvents"]
    spans = [event for event in trace if event.get("ph") == "X"]
    steps = {e["name"]: (e["ts"], e["ts"] + e["dur"]) for e in spans if e["name"].startswith("ProfilerStep#")}
    assert set(steps) == {f"ProfilerStep#{number}" for number in range(PROFILED_STEPS)}
    for name in ("aten::addmm", "autograd::engine::evaluate_function: AddmmBackward0", "Optimizer.step#SGD.step"):
        begun = [event["ts"] for event in spans if event["name"] == name]
        inside = Counter(step for at in begun for step, (start, end) in steps.items() if start <= at <= end)
        assert len(inside) == PROFILED_STEPS, (name, sorted({e["name"] for e in spans}))


@pytest.mark.parametrize("name", [pytest.param("mlp-tf_function-inference", marks=needs_tensorflow)])
def test_tensorflows_profiler_sees_every_step(tmp_path: Path, name: str) -> None:
    code, home = profiled(tmp_path, name)
    assert code == 0
    (path,) = (home / "mlp" / "tf_function-inference").glob("plugins/profile/*/*.xplane.pb")
    found: Counter[str] = Counter()
    for plane in xspace(path).planes:
        names = {number: reported.name for number, reported in plane.event_metadata.items()}
        found.update(names[event.metadata_id] for line in plane.lines for event in line.events)
    assert found["step"] == PROFILED_STEPS
    assert sum(count for name, count in found.items() if "MatMul" in name) >= PROFILED_STEPS, sorted(found)


def xspace(path: Path) -> Any:
    """An xplane.pb, by TensorFlow's own schema: one generated file of it, without importing TensorFlow."""
    spec = find_spec("tensorflow")
    assert spec is not None
    assert spec.submodule_search_locations
    (file,) = Path(spec.submodule_search_locations[0]).glob("tsl/profiler/protobuf/xplane_pb2.py")
    spec = importlib.util.spec_from_file_location("xplane_pb2", file)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module.XSpace.FromString(path.read_bytes())
