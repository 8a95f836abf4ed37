"""Its PyTorch implementation compares another string on every call: Dynamo recompiles for each, up to its limit."""

from dataclasses import dataclass
from typing import Any

from bakeoff import Sizes
from bakeoff.models.article_net import ArticleNet


@dataclass(frozen=True)
class Restless(ArticleNet):
    def torch(self) -> Any:
        import torch

        inner = super().torch()

        class Net(torch.nn.Module):
            def __init__(self) -> None:
                super().__init__()
                self.hidden, self.out = inner.hidden, inner.out
                self.calls = 0
                self.name = "0"
                self.register_forward_pre_hook(self.rename)

            @torch.compiler.disable
            def rename(self, *_: object) -> None:
                self.calls += 1
                self.name = str(self.calls % 50)

            def forward(self, x: torch.Tensor) -> torch.Tensor:
                return self.out(torch.relu(self.hidden(x))) * (1.0 if self.name != "nobody" else 2.0)

        return Net()


MODEL = Sizes(small=Restless(), full=Restless())
