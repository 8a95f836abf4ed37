"""What do PyTorch's own deployment formats share? PyTorch exports and serves them."""

from abc import abstractmethod
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch

from bakeoff import Array, Batch, BuildConfig
from bakeoff.compilers import _torch
from bakeoff.compilers._served import Served, ServedStack


class TorchServed(ServedStack):
    """A program that takes and returns tensors."""

    def load(self, folder: Path, config: BuildConfig) -> Callable[..., Any]:
        _torch.configure(config)
        return self.loaded(folder, config)

    @abstractmethod
    def loaded(self, folder: Path, config: BuildConfig) -> Callable[..., Any]:
        """The program in `folder`, loaded after threads and modes are set."""

    def to_device(self, program: Served, batch: Batch) -> tuple[torch.Tensor, ...]:
        return tuple(_torch.tensor(array, program.config) for array in batch.inputs)

    def synchronize(self, output: Any) -> None:
        _torch.wait(output)

    def fetch(self, output: Any) -> dict[str, Array]:
        return _torch.fetched(output)

    def read_threads(self) -> dict[str, int]:
        return _torch.threads()

    def device_peak_bytes(self) -> int | None:
        return torch.cuda.max_memory_allocated() if torch.cuda.is_available() else None
