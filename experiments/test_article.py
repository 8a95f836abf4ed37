"""How do the training results of the article compare with this machine?

The article reports images per second of ResNet-50 training on a V100, at batch 32 and 64, with 224 × 224 pixels. It also makes
two claims in words: what automatic differentiation costs, and how memory grows with the batch size.

`make article` runs this file once for each batch size (`--batch-size`), saves the runs, and prints one table over them. Images
have 64 × 64 pixels; `make article ARGS="--size full"` has 224 × 224. For the cost of differentiation:
`pytest experiments/test_article.py --modes training,loss --models mlp`.
"""

import argparse
import sys

import pytest

from bakeoff.analysis.metrics import METRICS
from bakeoff.analysis.results import by_cell
from bakeoff.archive import saved_runs, storage
from bakeoff.authoring.errors import UsageError
from bakeoff.pytest_plugin.replay import child_clock, replay
from bakeoff.records.cell import Cell, Mode
from bakeoff.records.trial import Status
from bakeoff.views.matrix import short

PEAK = METRICS["steady_peak"]
IMAGES_PER_SECOND = {32: {"tensorflow": 285, "torch": 271}, 64: {"tensorflow": 512, "torch": 498}}  # the article's, on a V100
LIMITS_MIB = (512, 1024, 2048, 4096)  # of memory above the framework's import


@pytest.mark.cells(models="resnet50", modes="training", when="training")
@pytest.mark.benchmark(group="ResNet-50 training", timer=child_clock)
def test_resnet50_training(measured, benchmark):
    benchmark.extra_info["cell"] = str(measured.cell)
    benchmark.extra_info["images_per_second"] = measured.throughput
    benchmark.extra_info["article_images_per_second"] = _article(measured)
    benchmark.extra_info["steady_peak_bytes"] = PEAK.value(measured)
    replay(benchmark, measured.steady_step_s)


@pytest.mark.cells(modes="loss,gradient,training", when="loss")
@pytest.mark.benchmark(group="parts of a training step", timer=child_clock)
def test_differentiation(measured, beside, benchmark):
    benchmark.extra_info["cell"] = str(measured.cell)
    loss = beside(Mode.LOSS)
    if loss is not None:
        benchmark.extra_info["times_loss"] = [loss.low, loss.value, loss.high]
    replay(benchmark, measured.steady_step_s)


@pytest.mark.cells(models="resnet50", modes="training", when="training")
def test_training_memory(ran, record_property):
    weights = ran.measurements[0].memory.weights_bytes
    record_property("batch_size", ran.measurements[0].items_per_step)
    record_property("steady_peak_bytes", PEAK.value(ran))
    # parameters, their gradients and at least one moment
    assert PEAK.value(ran) >= 2 * weights, "less than what a training step must hold"


def table(ratios):
    """Printed after a run: throughput at the article's batch sizes, and the parts of a training step."""
    return "\n".join([*throughput(ratios.results.values()), *_parts(ratios), ""])


def throughput(results):
    """Lines: ResNet-50 training beside the article's values, for results of one or several runs."""
    rows = [r for r in _resnet50(results) if _batch(r) in IMAGES_PER_SECOND]
    if rows:
        yield "ResNet-50 training: images/s (peak MiB above the import). The article's values: a V100, 224 × 224 pixels"
    for r in sorted(rows, key=lambda r: (_batch(r), r.framework)):
        values = f"{r.throughput:8.1f} ({int(PEAK.value(r)) >> 20:5})" if r.status is Status.OK else f"{r.status:>8}"
        yield f"  batch {_batch(r)}  {r.cell.stack:16} {values}   article, {r.framework}: {_article(r) or '–'}"


def memory(results):
    """Lines: the steady peak of ResNet-50 training by batch size, for results of several runs."""
    peaks = {}
    for r in _resnet50(results):
        if r.status is Status.OK:
            peaks.setdefault(r.cell.stack, {})[_batch(r)] = int(PEAK.value(r))
    if peaks:
        yield "ResNet-50 training: peak MiB above the import by batch size, and the largest of these batches within each limit"
    for stack, found in peaks.items():
        sizes = "  ".join(f"{batch}: {peak >> 20}" for batch, peak in sorted(found.items()))
        fits = {limit: max((b for b, peak in found.items() if peak <= limit << 20), default="none") for limit in LIMITS_MIB}
        yield f"  {stack:16} {sizes}   {'  '.join(f'≤ {limit} MiB: {batch}' for limit, batch in fits.items())}"


def _parts(ratios):
    losses = [cell for cell, r in ratios.results.items() if cell.mode is Mode.LOSS and r.status is Status.OK]
    if losses:
        yield "a training step as multiples of its loss (forward in training form): with gradients; also with the optimizer"
    for loss in losses:
        more = [ratios.between(loss, Cell(loss.model, loss.stack, mode)) for mode in (Mode.GRADIENT, Mode.TRAINING)]
        multiples = "  ".join("     –     " if ratio is None else short(ratio) for ratio in more)
        yield f"  {loss.model:20} {loss.stack:16} {multiples}"


def _resnet50(results):
    return [r for r in results if r.cell.model == "resnet50" and r.cell.mode is Mode.TRAINING and r.measurements]


def _batch(result):
    return result.measurements[0].items_per_step


def _article(result):
    """The article's images per second for this framework and batch size, or None."""
    return IMAGES_PER_SECOND.get(_batch(result), {}).get(result.framework)


def main(words):
    """Print one table over saved runs of different batch sizes, each named as `bakeoff show` takes it."""
    parser = argparse.ArgumentParser(prog="python -m experiments.test_article", description=main.__doc__)
    parser.add_argument("names", nargs="+", metavar="RUN")
    parser.add_argument(storage.FLAG, default=storage.default_storage(), metavar="PATH", help="the folder of the saved runs")
    asked = parser.parse_args(words)
    try:
        paths = [saved_runs.find(name, storage.folder(asked.benchmark_storage)) for name in asked.names]
    except UsageError as error:
        parser.error(str(error))
    results = [r for path in paths for r in by_cell(saved_runs.read(path).trials).values()]
    sys.stdout.write("\n".join([f"from {', '.join(path.name for path in paths)}", *throughput(results), *memory(results), ""]))


if __name__ == "__main__":
    main(sys.argv[1:])
