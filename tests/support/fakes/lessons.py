"""Stacks in numpy that train: softmax regression by SGD with momentum, a correct one and one class per planted fault."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from bakeoff import Array, Arrays, Batch, BuildConfig, Diagnostics, Model, Stack, Step, Weights
from tests.support.fakes.honest import spend

RATE, MOMENTUM = 0.1, 0.9


@dataclass
class Pupil:
    w: Array
    v: Array
    mean: Array
    steps: int = 0


class Eager(Stack[Pupil]):  # Trainable by having its methods
    """A correct one. `mean` stands for batch norm's statistics."""

    def build(self, model: Model, weights: Weights, config: BuildConfig) -> Pupil:
        w = weights["w"].astype(config.precision)
        return Pupil(w, np.zeros_like(w), np.zeros(len(w), config.precision))

    def to_device(self, program: Pupil, batch: Batch) -> Any:
        return batch.inputs[0].astype(program.w.dtype), batch.target

    def compile(self, program: Pupil) -> Step:
        self.program = program
        return self.step

    def step(self, batch: Any) -> Any:
        spend(0.001)
        program, (x, target) = self.program, batch
        program.steps += 1
        loss, gradient = self.gradient(x, target)
        self.update(gradient)
        program.mean += x.dtype.type(0.1) * (x.mean(0) - program.mean)
        return loss

    def gradient(self, x: Array, target: Array) -> Any:
        logits = x @ self.program.w
        p = np.exp(logits - logits.max(1, keepdims=True))
        p /= p.sum(1, keepdims=True)
        rows = np.arange(len(x))
        loss = -np.log(p[rows, target]).mean()
        p[rows, target] -= 1
        return loss, x.T @ p / x.dtype.type(len(x))

    def update(self, gradient: Array) -> None:
        self.program.v *= gradient.dtype.type(MOMENTUM)
        self.program.v += gradient
        self.program.w -= gradient.dtype.type(RATE) * self.program.v

    def synchronize(self, output: Any) -> None:
        pass

    def fetch(self, output: Any) -> Any:
        return {"output": np.asarray(output)}

    def state(self, program: Pupil) -> Iterator[tuple[str, Array]]:
        yield "gradient.w", program.v
        yield "parameter.w", program.w
        yield "buffer.mean", program.mean

    def restart(self, program: Pupil, weights: Arrays) -> None:
        program.w[:] = weights["w"]
        program.v[:] = 0
        program.mean[:] = 0


class Compiler(Eager):
    """Correct, and compiled."""

    def compilations(self, program: Pupil) -> int:
        return 1

    def counters(self, program: Pupil) -> Diagnostics:
        return Diagnostics(graphs=1, recompiles=0)


class NeverUpdates(Compiler):
    def update(self, gradient: Array) -> None:
        self.program.v[:] = gradient


class WrongRate(Compiler):
    """By 1 %."""

    def update(self, gradient: Array) -> None:
        before = self.program.w.copy()
        super().update(gradient)
        self.program.w += (self.program.w - before) * gradient.dtype.type(0.01)


class WrongGradient(Compiler):
    """One element, by a thousandth of the largest."""

    def gradient(self, x: Array, target: Array) -> Any:
        loss, gradient = super().gradient(x, target)
        gradient[0, 0] += gradient.dtype.type(1e-3) * np.abs(gradient).max()
        return loss, gradient


class ForgetsMomentum(Compiler):
    """The first step is right."""

    def update(self, gradient: Array) -> None:
        self.program.v[:] = 0
        super().update(gradient)


class ForgetsItsStatistics(Compiler):
    def step(self, batch: Any) -> Any:
        before = self.program.mean.copy()
        loss = super().step(batch)
        self.program.mean[:] = before
        return loss


class StopsLearning(Compiler):
    """Right only in its first twenty steps."""

    def update(self, gradient: Array) -> None:
        if self.program.steps <= 20:
            super().update(gradient)
        else:
            self.program.v[:] = gradient


class WrongOnOtherBatches(Compiler):
    """Always learns from the first batch."""

    def step(self, batch: Any) -> Any:
        self.first = getattr(self, "first", batch)
        return super().step(self.first)


class Diverges(Compiler):
    """Returns NaN from the 26th step on, until it is restarted."""

    def step(self, batch: Any) -> Any:
        loss = super().step(batch)
        return loss * np.nan if self.program.steps > 25 else loss

    def restart(self, program: Pupil, weights: Arrays) -> None:
        super().restart(program, weights)
        program.steps = 0


class KeepsNoState(Compiler):
    """Not Trainable, as it does not say what it learnt."""

    state = None
