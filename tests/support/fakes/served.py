"""Deployment formats in numpy: a correct one and one class per planted fault."""

import sys
from pathlib import Path
from typing import Any

import numpy as np

from bakeoff import Batch, BuildConfig, Exportable, Model, Stack, Step, Unavailable, Unsupported, Weights
from tests.support.fakes.honest import STEP_S, spend


class Served(Stack[Any], Exportable):
    """x @ w from w.npy. Its notes are the names of the models' modules that were imported when it was loaded."""

    def export(self, program: Any, example: Any, weights: Weights, folder: Path) -> None:
        assert (weights["w"] == program.w).all()
        np.save(folder / "w.npy", self.exported(program.w))

    def exported(self, w: Any) -> Any:
        return w

    def build(self, model: Model, weights: Weights, config: BuildConfig) -> Any:
        assert config.artifact is not None
        self.notes = tuple(name for name in sys.modules if "toy" in name or name.startswith("models"))
        assert not weights
        return np.load(Path(config.artifact, "w.npy"))

    def to_device(self, program: Any, batch: Batch) -> Any:
        return batch.inputs[0]

    def compile(self, program: Any) -> Step:
        def step(x: Any) -> Any:
            spend(STEP_S)
            return x @ program

        return step

    def synchronize(self, output: Any) -> None:
        pass

    def fetch(self, output: Any) -> Any:
        return {"output": output}


class Corrupted(Served):
    def exported(self, w: Any) -> Any:
        return w * 1.001


class Refuses(Served):
    def exported(self, w: Any) -> Any:
        raise Unsupported("this format has no matrix product")


class Lacks(Served):
    def exported(self, w: Any) -> Any:
        raise Unavailable("fakelib is not installed: pip install fakelib")


class Breaks(Served):
    def exported(self, w: Any) -> Any:
        raise RuntimeError("planted in export")


class Empty(Served):
    def export(self, program: Any, example: Any, weights: Weights, folder: Path) -> None:
        pass


class Truncated(Served):
    """What was written cannot be loaded."""

    def export(self, program: Any, example: Any, weights: Weights, folder: Path) -> None:
        super().export(program, example, weights, folder)
        whole = (folder / "w.npy").read_bytes()
        (folder / "w.npy").write_bytes(whole[: len(whole) // 2])
