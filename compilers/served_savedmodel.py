"""A SavedModel with one signature, as TensorFlow Serving loads it; loaded and called from Python here."""

from collections.abc import Callable
from pathlib import Path
from typing import Any, final

import tensorflow as tf

from bakeoff import Array, Batch, BuildConfig, Weights
from bakeoff.compilers import _tensorflow
from bakeoff.compilers._exported_tensorflow import INPUT, TensorFlowExported, traced
from bakeoff.compilers._served import Served

HEADER = {"framework": "tensorflow", "default": False, "exported_by": "tf_eager"}


@final
class ServedSavedModel(TensorFlowExported):
    """Served from saved_model.pb and its variables."""

    def export(
        self, program: _tensorflow.TensorFlowProgram, example: tuple[tf.Tensor, ...], weights: Weights, folder: Path
    ) -> None:
        tf.saved_model.save(program.module, str(folder), signatures=traced(program, example)[1])

    def load(self, folder: Path, config: BuildConfig) -> Callable[..., Any]:
        _tensorflow.configure(config)
        loaded = tf.saved_model.load(str(folder))
        signature = loaded.signatures["serving_default"]
        (name,) = signature.structured_outputs

        def run(
            *tensors: tf.Tensor, _owner: Any = loaded
        ) -> tf.Tensor:  # keeps `loaded` alive: a signature does not own its variables
            return signature(**{INPUT.format(i): tensor for i, tensor in enumerate(tensors)})[name]

        return run

    def to_device(self, program: Served, batch: Batch) -> tuple[tf.Tensor, ...]:
        return tuple(_tensorflow.tensor(array, program.config) for array in batch.inputs)

    def synchronize(self, output: Any) -> None:
        _tensorflow.wait(output)

    def fetch(self, output: Any) -> dict[str, Array]:
        return {"output": output.numpy()}

    def read_threads(self) -> dict[str, int]:
        return _tensorflow.threads()


STACK = ServedSavedModel()
