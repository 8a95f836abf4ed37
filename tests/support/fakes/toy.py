"""A network in numpy: y = x @ w. No framework has an implementation; the fake stacks use its weights directly."""

from dataclasses import dataclass

from bakeoff import Arrays, Batch, Draw, Model, Sizes


@dataclass(frozen=True)
class Toy(Model):
    batch_size: int = 4

    def weights(self, draw: Draw) -> Arrays:
        return {"w": draw.normal(8, 3)}

    def batch(self, draw: Draw, index: int) -> Batch:
        return Batch((draw.normal(self.batch_size, 8),), draw.integers(3, self.batch_size))


MODEL = Sizes(small=Toy(), full=Toy(batch_size=64))
