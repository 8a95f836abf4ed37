"""Keras 3's own format: a model's configuration and its weights, no graph, served by Keras on its TensorFlow backend.

It holds only Keras models, made of layers that Keras knows: a TensorFlow implementation that is a tf.Module cannot be saved in
it. What is exported is the model's Keras implementation (bakeoff.Model.keras), with the same weights; building it is part of
export_s.
"""

from collections.abc import Callable
from pathlib import Path
from typing import Any, final

import keras

from bakeoff import BuildConfig, Unsupported, Weights
from bakeoff.compilers import _tensorflow
from bakeoff.compilers._exported_tensorflow import TensorFlowExported

HEADER = {"framework": "keras", "default": False, "exported_by": "tf_eager", "extra": "deploy"}
FILE = "model.keras"


@final
class ServedKeras(TensorFlowExported):
    """Served from model.keras by Model.predict_on_batch, a tf.function that takes and returns numpy arrays."""

    notes = (
        *TensorFlowExported.notes,
        "Keras's predict_on_batch takes and returns numpy arrays; its tf.function is traced once",
    )

    def export(self, program: Any, example: Any, weights: Weights, folder: Path) -> None:
        if keras.backend.backend() != "tensorflow":
            raise Unsupported(f"Keras runs on {keras.backend.backend()} here: unset KERAS_BACKEND")
        program.model.keras(weights).save(folder / FILE)

    def load(self, folder: Path, config: BuildConfig) -> Callable[..., Any]:
        _tensorflow.configure(config)
        loaded = keras.saving.load_model(folder / FILE)
        return lambda *arrays: loaded.predict_on_batch(arrays[0] if len(arrays) == 1 else list(arrays))

    def read_threads(self) -> dict[str, int]:
        return _tensorflow.threads()


STACK = ServedKeras()
