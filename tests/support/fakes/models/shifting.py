"""Every second batch has another shape: a compiler that specialises on shapes compiles again, in the warm-up."""

from dataclasses import dataclass, replace

from bakeoff import Batch, Draw, Sizes
from bakeoff.models.article_net import ArticleNet


@dataclass(frozen=True)
class Shifting(ArticleNet):
    def batch(self, draw: Draw, index: int) -> Batch:
        other = replace(self, batch_size=self.batch_size + index % 2)
        return ArticleNet.batch(other, draw, index)


MODEL = Sizes(small=Shifting(), full=Shifting())
