"""How does a child export a program? It builds the inference program of an eager stack and writes it in a deployment format."""

import time
from pathlib import Path

from bakeoff.authoring.discovery import load_stack, shown
from bakeoff.authoring.errors import BakeoffError, Unsupported
from bakeoff.authoring.model import Draw, Weights
from bakeoff.authoring.protocols import Exportable
from bakeoff.records.trial import Phase
from bakeoff.system.sandbox import listing
from bakeoff.tasks.export.record import ExportResult
from bakeoff.worker import shipped
from bakeoff.worker.build import HELD_OUT, ROTATING, build, initial_weights
from bakeoff.worker.job import Job
from bakeoff.worker.measure import ITEMSIZE


def run(job: Job) -> ExportResult:
    """Write the exported program to the folder that the request names. Timed from the built program to files on disk.

    Raises Unsupported if the stack cannot export, BakeoffError if it wrote no file.
    """
    request, enter = job.request, job.enter
    assert request.artifact is not None
    settings, folder = request.settings, Path(request.artifact)
    exporter, format_path = job.load_stack(), str(request.options["format_path"])
    served = load_stack(Path(format_path))
    if not isinstance(served, Exportable):
        raise Unsupported(f"{type(served).__name__} is not a deployment format")
    served.import_export_tools()
    enter(Phase.BUILD)
    model, weights_bytes, program, batches = build(request, exporter, settings.dtype)
    weights = Weights(initial_weights(request, model))
    program_folder = folder / shipped.PROGRAM
    program_folder.mkdir(parents=True)
    enter(Phase.EXPORT)
    start = time.perf_counter()
    served.export(program, batches[0], weights, program_folder)
    export_s = time.perf_counter() - start
    files = {str(Path(path).relative_to(shipped.PROGRAM)): size for path, size in listing(folder, (shipped.PROGRAM,)).items()}
    if not files:
        raise BakeoffError(f"{shown(format_path)} exported nothing")
    inputs = [served.exported_inputs(model, model.batch(Draw(settings.seed, 1, i), i)) for i in range(ROTATING + HELD_OUT)]
    shipped.write(folder, model, inputs, weights_bytes, ITEMSIZE[settings.dtype])
    return ExportResult(export_s=export_s, files=files)
