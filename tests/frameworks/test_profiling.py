"""Does either framework's profiler leave a trace of the steps, where TensorBoard looks for it?"""

import gzip
import importlib.util
import json
from collections import Counter
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest

from bakeoff.authoring import discovery
from bakeoff.authoring.discovery import ROOT
from bakeoff.authoring.errors import UsageError
from bakeoff.records.cell import Mode
from bakeoff.records.request import PROFILED_STEPS
from bakeoff.tasks.profile import parent as profiling
from tests.support.needs import needs_tensorboard, needs_tensorflow, needs_torch
from tests.support.planting import FAKES, plant
from tests.support.summaries import save
from tests.support.tensorboard import export, good, texts

pytestmark = needs_tensorboard


def test_a_glob_means_the_matrix_where_that_has_it() -> None:
    models, stacks = discovery.models(), discovery.stacks()

    def names(*wanted: str) -> list[str]:
        return [str(found) for found in profiling.chosen(wanted, models, stacks)]

    default = [f"mlp-{s.name}-inference" for s in stacks if s.default]
    assert names("mlp-*-inference") == default
    assert names("mlp-torch_eager", "mlp-torch_eager-*") == [f"mlp-torch_eager-{mode}" for mode in Mode]
    assert names("mlp-torch_inductor_f*-inference") == ["mlp-torch_inductor_frozen-inference"]  # not of the matrix
    with pytest.raises(UsageError, match="matches no cell"):
        names("mlp-*-serving")


def profiled(tmp_path: Path, *cells: str) -> tuple[int, Path]:
    """Profile without any saved run."""
    words = [word for name in cells for word in ("--profile", name)]
    store = ["--bakeoff-storage", str(tmp_path / "store"), "--threads", "1"]
    return export(tmp_path, tmp_path / "board", *words, *store), tmp_path / "board" / "profiles"


def test_a_stack_without_a_profiler_says_so(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    plant(tmp_path / "stacks", "Eager")
    (tmp_path / "models").mkdir()
    (tmp_path / "models" / "toy.py").write_text((FAKES / "toy.py").read_text())
    more = ["--compilers-from", str(tmp_path / "stacks"), "--models-from", str(tmp_path / "models")]
    store = ["--bakeoff-storage", str(tmp_path / "store")]
    save(tmp_path, 1, [], trials=good())
    assert export(tmp_path, tmp_path / "board", "--profile", "toy-eager-inference", *more, *store) == 1
    out = capsys.readouterr().out
    assert "toy-eager-inference: no profile: unsupported: Eager has no profiler" in out
    assert (tmp_path / "board" / "0001-000000000").is_dir()  # the saved run is there all the same
    assert not (tmp_path / "board" / "profiles").exists()


@pytest.mark.slow
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


@pytest.mark.slow
@pytest.mark.parametrize("name", [pytest.param("mlp-tf_function-inference", marks=needs_tensorflow)])
def test_tensorflows_profiler_sees_every_step(tmp_path: Path, name: str) -> None:
    code, home = profiled(tmp_path, name)
    assert code == 0
    (path,) = (home / "mlp" / "tf_function-inference").glob("plugins/profile/*/*.xplane.pb")
    found: Counter[str] = Counter()
    for plane in xspace(path).planes:
        names = {number: told.name for number, told in plane.event_metadata.items()}
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
