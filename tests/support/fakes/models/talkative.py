"""Its TensorFlow implementation calls back into Python from inside the graph: tf.function runs it, XLA refuses it."""

from dataclasses import dataclass
from typing import Any

from bakeoff import Sizes, Weights
from bakeoff.models.article_net import ArticleNet


@dataclass(frozen=True)
class Talkative(ArticleNet):
    def tensorflow(self, weights: Weights) -> Any:
        import tensorflow as tf

        inner = super().tensorflow(weights)

        class Net(tf.Module):
            def __init__(self) -> None:
                super().__init__()
                self.inner = inner

            def __call__(self, x: tf.Tensor) -> tf.Tensor:
                y = tf.numpy_function(lambda a: a * 1, [self.inner(x)], x.dtype)
                return tf.ensure_shape(y, (32, 10))

        return Net()


MODEL = Sizes(small=Talkative(), full=Talkative())
