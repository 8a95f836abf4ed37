"""TFLite, now LiteRT: one flatbuffer, converted by TensorFlow, served by ai-edge-litert's interpreter with XNNPACK.

A step copies the inputs in, invokes, and copies the output out, as a server does. Nothing is quantised.
"""

from collections.abc import Callable
from pathlib import Path
from typing import Any, final

from bakeoff import BuildConfig, Weights
from bakeoff.compilers._exported_tensorflow import INPUT, TensorFlowExported, traced
from bakeoff.compilers._served import need, refused

HEADER = {
    "framework": "ai_edge_litert",
    "default": False,
    "devices": ["cpu"],
    "exported_by": "tf_eager",
    "extra": "deploy",
}
FILE = "model.tflite"


@final
class ServedTflite(TensorFlowExported):
    """Served from model.tflite."""

    def import_runtime(self) -> None:
        need("ai_edge_litert.interpreter")

    def export(self, program: Any, example: Any, weights: Weights, folder: Path) -> None:
        import tensorflow as tf

        _, concrete = traced(program, example)
        converter = tf.lite.TFLiteConverter.from_concrete_functions([concrete], program.module)
        try:
            converted = converter.convert()
        except Exception as error:
            if type(error).__name__ != "ConverterError":  # a class of a private module
                raise
            raise refused("TFLite's converter", error) from error
        (folder / FILE).write_bytes(converted)

    def load(self, folder: Path, config: BuildConfig) -> Callable[..., Any]:
        interpreter = need("ai_edge_litert.interpreter").Interpreter(str(folder / FILE), num_threads=config.threads)
        interpreter.allocate_tensors()
        signature = interpreter.get_signature_runner()
        (output,) = signature.get_output_details()
        names = [INPUT.format(i) for i in range(len(signature.get_input_details()))]

        def run(*arrays: Any) -> Any:
            return signature(**dict(zip(names, arrays, strict=True)))[output]

        return run


STACK = ServedTflite()
