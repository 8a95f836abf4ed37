"""Do the article's tables show what was measured? On records with known values."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import msgspec
import pytest

from bakeoff.analysis.ratios import Ratios
from bakeoff.authoring import discovery
from bakeoff.pytest_plugin.selection import named_cells
from bakeoff.records.cell import Cell, Mode
from bakeoff.runner.plan import Plan
from experiments import test_article as article
from tests.support.builders import SETTINGS, measurement, trial


def cell(model: str, mode: Mode, step_s: float, items: int = 1, stack: str = "torch_eager", mib: int = 300):
    base = measurement([step_s] * 100)
    found = replace(base, items_per_step=items, memory=replace(base.memory, steady_peak_bytes=mib * 2**20))
    return trial(found, model, stack, cell=Cell(model, stack, mode), framework="torch", baseline_bytes=100 * 2**20)


def test_tables_of_known_figures() -> None:
    trials = [
        cell("resnet50", Mode.TRAINING, 0.5, 32, mib=612),
        cell("mlp", Mode.LOSS, 0.002),
        cell("mlp", Mode.GRADIENT, 0.006),
        cell("mlp", Mode.TRAINING, 0.007),
    ]
    text = article.table(Ratios.of(trials))
    assert "batch 32  torch_eager          64.0 (  512)   article, torch: 271" in text
    assert "mlp                  torch_eager      ×3.00 ±0.07  ×3.50 ±0.09" in text


def test_a_part_of_a_step_that_had_no_turn_beside_the_loss_has_no_multiple() -> None:
    trials = [cell("mlp", Mode.LOSS, 0.002), replace(cell("mlp", Mode.GRADIENT, 0.006), group=None)]
    assert "×" not in article.table(Ratios.of(trials))


def test_one_table_over_saved_runs_of_several_batch_sizes(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    paths = []
    for batch, mib in ((32, 612), (64, 1300)):
        trials = [cell("resnet50", Mode.TRAINING, batch / 64, batch, mib=mib)]
        paths.append(str(tmp_path / f"{batch}.json"))
        Path(paths[-1]).write_bytes(msgspec.json.encode({"schema_version": 2, "trials": trials}))
    article.main(paths)
    text = capsys.readouterr().out
    assert "batch 32  torch_eager          64.0 (  512)   article, torch: 271" in text
    assert "batch 64  torch_eager          64.0 ( 1200)   article, torch: 498" in text
    assert "32: 512  64: 1200   ≤ 512 MiB: 32  ≤ 1024 MiB: 32  ≤ 2048 MiB: 64" in text


def test_an_unknown_saved_run_is_reported_in_one_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        article.main(["nowhere", f"--benchmark-storage={tmp_path}"])
    assert ended.value.code == 2
    assert "error: there is no saved run nowhere" in capsys.readouterr().err


def test_a_cell_that_trains_wrongly_has_no_throughput_in_the_table() -> None:
    wrong = replace(cell("resnet50", Mode.TRAINING, 0.5, 32).measurement, parity=None)
    text = article.table(Ratios.of([trial(wrong, cell=Cell("resnet50", "torch_eager", Mode.TRAINING))]))
    assert "64.0" not in text
    assert "error" in text


def test_questions_that_name_their_cells() -> None:
    models, stacks = discovery.models(), [discovery.stacks()["torch_eager"]]
    room = [m for m in models if m.in_matrix]

    def asked(selected: list[Mode], given: str | None = None, **marker: str) -> list[tuple[str, ...]]:
        chosen = room if given is None else models.pick(given)
        plan = Plan(settings=SETTINGS, models=chosen, stacks=stacks, modes=selected, all_models=list(models))
        option: Callable[[str], object] = {"models": given, "models_from": [], "stacks": None, "compilers_from": []}.__getitem__
        return named_cells(option, plan, **marker)

    article_ = {"models": "resnet50", "modes": "training", "when": "training"}
    assert asked([Mode.INFERENCE], **article_) == []
    assert asked([Mode.TRAINING], **article_) == [("resnet50", "torch_eager", "training")]
    assert asked([Mode.TRAINING], given="mlp", **article_) == []
    parts = asked([Mode.LOSS], given="mlp", modes="loss,gradient", when="loss")
    assert parts == [("mlp", "torch_eager", "loss"), ("mlp", "torch_eager", "gradient")]
