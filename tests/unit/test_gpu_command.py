"""What does `make gpu` run, verify and write? Without a GPU."""

import tomllib
from dataclasses import replace
from pathlib import Path

import pytest

from bakeoff.analysis.ratios import Ratios
from bakeoff.analysis.results import by_cell
from bakeoff.authoring import discovery
from bakeoff.authoring.discovery import ROOT
from bakeoff.authoring.errors import UsageError
from bakeoff.records.trial import Status
from benchmarks import gpu
from benchmarks.gpu import main
from benchmarks.lanes import Lanes, Unit
from tests.support.builders import cell, measurement
from tests.support.gpu_runs import keep_as


def test_units_cover_every_kernel_and_model(tmp_path: Path) -> None:
    groups, checks = gpu.units(tmp_path)
    everything = [*(unit for group in groups.values() for unit in group), *checks]
    assert all((ROOT / word).is_file() for unit in everything for word in unit.words if word.endswith(".py"))
    assert len({unit.title for unit in everything}) == len({unit.name for unit in everything}) == len(everything)
    operations = {path.stem.removeprefix("kernel_") for path in (ROOT / "models" / "kernels").glob("kernel_*.py")}
    models = {path.stem for path in (ROOT / "models").glob("[!_]*.py")}

    def of(title: str, units: list[Unit]) -> set[str]:
        return {unit.title.removeprefix(f"{title}: ") for unit in units if unit.title.startswith(f"{title}: ")}

    assert {title: of(title, group) for title, group in groups.items()} == {
        "kernels, bfloat16": operations,
        "matrix, bfloat16": models,
        "matrix, float32": models,
    }
    assert of("right on the device", checks) == operations - {"copy"}
    assert of("compiled without it, compiled for it", checks) == set(gpu.ALSO_COMPILED)


def test_own_kernels_run_on_models_with_operations_for_them() -> None:
    rows = tomllib.loads((ROOT / "experiments" / "compiled.toml").read_text())["code"]
    ours = {r["cell"].partition("-")[0].removeprefix("kernel_") for r in rows if "-torch_triton-" in r["cell"]}
    models = {m.name.removeprefix("kernel_") for m in discovery.models() if m.in_matrix or m.is_kernel}
    assert models - ours == set(gpu.WITHOUT_OWN_KERNELS)


def test_unsteady_cells_get_more_groups_beside_eager_and_all_trials_decide(tmp_path: Path) -> None:
    unit = Unit("matrix, float32: mlp", ("pytest", "--stacks", "torch_eager,torch_inductor,torch_script", "--trials", "2"))
    settled = cell("mlp", "torch_eager", 0.001)
    rising = measurement([0.001] * 150 + [0.002] * 150, held_out_step_s=(0.001,))
    keep_as(tmp_path, unit, [settled, replace(cell("mlp", "torch_inductor", 0.001), measurement=rising)])
    (more,) = gpu.verifying(tmp_path, [unit])
    assert more.title == "matrix, float32: mlp, verified"
    assert more.words[len(unit.words) :][:2] == ("--stacks", "torch_eager,torch_inductor")
    further = [cell("mlp", stack, 0.002, n, index=n) for n in (0, 1) for stack in ("torch_eager", "torch_inductor")]
    keep_as(tmp_path, more, further)
    run, _ = gpu.merged(tmp_path, [unit])
    assert run is not None
    assert [(trial.cell.stack, trial.index) for trial in run.trials] == [
        (stack, index) for index in (0, 2, 3) for stack in ("torch_eager", "torch_inductor")
    ]
    assert all(result.status is Status.OK for result in by_cell(run.trials).values())
    ratio = Ratios.of(run.trials).between(*(cell("mlp", stack, 0.001).cell for stack in ("torch_inductor", "torch_eager")))
    assert ratio is not None
    assert ratio.groups == 3, "members of groups with the same number in another run were taken for members of one"


def test_without_a_gpu_nothing_is_measured(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    def none() -> str:
        raise UsageError("PyTorch sees no GPU here")

    monkeypatch.setattr(gpu, "gpu", none)
    monkeypatch.setattr(Lanes, "work", lambda *_: pytest.fail("it began all the same"))
    assert main([]) == 2
    assert capsys.readouterr().err == "PyTorch sees no GPU here\n"
