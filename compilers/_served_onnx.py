"""How does ONNX Runtime run an ONNX file, whichever exporter wrote it?"""

from collections.abc import Callable
from pathlib import Path
from typing import Any

from bakeoff import BuildConfig, Unsupported
from bakeoff.compilers._served import ServedStack, need

FILE = "model.onnx"
INPUT = "input_{}"  # names given to exporters, so that inputs are identified whatever their order in the file


class OnnxServed(ServedStack):
    """On the CPU provider, with the threads of the configuration."""

    notes = (*ServedStack.notes, "ONNX Runtime optimises the graph while loading, by its defaults")

    session: Any = None

    def import_runtime(self) -> None:
        need("onnxruntime")

    def load(self, folder: Path, config: BuildConfig) -> Callable[..., Any]:
        runtime = need("onnxruntime")
        options = runtime.SessionOptions()
        options.intra_op_num_threads = config.threads
        options.inter_op_num_threads = 1
        session = runtime.InferenceSession(folder / FILE, options, providers=["CPUExecutionProvider"])
        self.session = session
        # an exporter may drop an input that the program does not use
        used = [(int(entry.name.removeprefix(INPUT.format(""))), entry.name) for entry in session.get_inputs()]
        return lambda *arrays: session.run(None, {name: arrays[i] for i, name in used})[0]

    def read_threads(self) -> dict[str, int]:
        options = self.session.get_session_options()
        return {"intra_op": options.intra_op_num_threads, "inter_op": options.inter_op_num_threads}


def need_float32(config: BuildConfig) -> None:
    """Raises Unsupported for other types: numpy has no bfloat16, and ONNX Runtime has no float16 for many CPU kernels."""
    if config.precision != "float32":
        raise Unsupported(f"ONNX cells are float32: --dtype {config.precision} works with PyTorch's own formats")
