"""PyTorch to ONNX by torch.export (torch.onnx.export with dynamo=True, its default), served by ONNX Runtime."""

from pathlib import Path
from typing import Any, final

from bakeoff import Weights
from bakeoff.compilers._served import need, refused
from bakeoff.compilers._served_onnx import FILE, INPUT, OnnxServed, need_float32

HEADER = {
    "framework": "onnxruntime",
    "default": False,
    "devices": ["cpu"],
    "exported_by": "torch_eager",
    "extra": "deploy",
}


@final
class ServedOnnxTorch(OnnxServed):
    """Served from model.onnx, with model.onnx.data where the weights are too large for one file."""

    def import_export_tools(self) -> None:
        need("onnx")
        need("onnxscript")

    def export(self, program: Any, example: Any, weights: Weights, folder: Path) -> None:
        import torch

        from bakeoff.compilers import _torch_private as private

        need_float32(program.config)
        names = [INPUT.format(i) for i in range(len(example))]
        try:
            made = torch.onnx.export(program.module, example, dynamo=True, verbose=False, input_names=names)
        except (*private.export_errors(), torch.onnx.OnnxExporterError) as error:
            raise refused("torch.onnx.export", error) from error
        made.save(folder / FILE)


STACK = ServedOnnxTorch()
