"""TensorFlow to ONNX by tf2onnx, served by ONNX Runtime."""

import re
from pathlib import Path
from typing import Any, final

from bakeoff import Array, Batch, Model, Unsupported, Weights
from bakeoff.compilers._exported_tensorflow import signature, traced
from bakeoff.compilers._served import need
from bakeoff.compilers._served_onnx import FILE, OnnxServed, need_float32

HEADER = {
    "framework": "onnxruntime",
    "default": False,
    "devices": ["cpu"],
    "exported_by": "tf_eager",
    "extra": "deploy",
}
OPSET = 18  # the latest of tf2onnx 1.17


@final
class ServedOnnxTensorflow(OnnxServed):
    """Served from model.onnx."""

    def import_export_tools(self) -> None:
        need("tf2onnx.convert")

    def exported_inputs(self, model: Model, batch: Batch) -> tuple[Array, ...]:
        return model.tensorflow_inputs(*batch.inputs)

    def export(self, program: Any, example: Any, weights: Weights, folder: Path) -> None:
        need_float32(program.config)
        convert, onnx = need("tf2onnx.convert"), need("onnx")
        function, _ = traced(program, example)
        made, _ = convert.from_function(function, signature(example), opset=OPSET, output_path=str(folder / FILE))
        try:
            onnx.checker.check_model(str(folder / FILE))
        except onnx.checker.ValidationError as error:  # tf2onnx only logs operations that it does not know
            unknown = re.findall(r"No Op registered for (\w+)", str(error))
            why = f"it has no {unknown[0]}" if unknown else str(error).strip().splitlines()[0]
            raise Unsupported(f"tf2onnx writes no valid model: {why}") from error
        ours = {spec.name for spec in signature(example)}
        computed = [entry.name for entry in made.graph.input if entry.name not in ours]
        if computed:
            raise Unsupported(
                f"tf2onnx writes a model with {', '.join(computed)} as an input, which the program computes itself"
            )


STACK = ServedOnnxTensorflow()
