"""Which cells do the experiments select? As pytest collects them."""

import re

import pytest

from bakeoff.authoring import discovery
from tests.support.commands import pytest_here


@pytest.mark.parametrize(
    ("where", "asked"),
    [
        (("experiments",), True),  # of the cell that the matrix has anyway
        (("experiments", "--models=mlp"), False),
        (("experiments/test_article.py",), True),
        (("experiments/test_article.py::test_resnet50_training",), True),
    ],
)
def test_the_articles_table_is_selected_if_it_is_named(where: tuple[str, ...], asked: bool) -> None:
    done = pytest_here(*where, "--collect-only", "-q", "--modes=training")
    assert done.returncode == 0, done.stdout + done.stderr
    assert ("test_resnet50_training[" in done.stdout) is asked


def test_deployment_formats_are_selected_by_one_experiment() -> None:
    def collected(*arguments: str) -> set[str]:
        out = pytest_here("experiments/test_deploy.py", "--collect-only", "-q", *arguments).stdout
        return set(re.findall(r"test_deploy\[([\w-]+)\]", out))

    formats = {s.name for s in discovery.stacks() if s.exported_by}
    assert len(formats) >= 7
    assert collected() == {f"mlp-{name}-inference" for name in formats}
    one = "served_savedmodel"
    assert collected("--models", "lstm,dlrm", "--stacks", f"tf_eager,{one}") == {
        f"{m}-{one}-inference" for m in ("lstm", "dlrm")
    }
    assert not collected("--modes", "training")
    assert not collected("--stacks", "torch_eager")
    assert not collected("--target", "cuda:sm_90")


@pytest.mark.parametrize(
    ("chosen", "cells"),
    [
        (["--modes=training"], ["mlp-tf_mirrored_1", "mlp-tf_mirrored_2", "mlp-torch_ddp_1", "mlp-torch_ddp_2"]),
        (["--modes=training,inference", "--models=lstm", "--stacks=torch_eager,torch_ddp_2"], ["lstm-torch_ddp_2"]),
        (["--modes=training", "--models=lstm", "--stacks=torch_eager"], []),
        ([], []),
    ],
)
def test_only_training_is_selected(chosen: list[str], cells: list[str]) -> None:
    text = pytest_here("experiments/test_data_parallel.py", "--collect-only", "-q", *chosen, "-o", "addopts=").stdout
    found = [line.partition("[")[2].removesuffix("-training]") for line in text.splitlines() if "[" in line]
    assert sorted(found) == cells
