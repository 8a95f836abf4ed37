"""The article's claims that can be measured, again and here: `pytest experiments/test_article.py --modes training,loss`.

It gives images per second of ResNet-50 training on a V100 at batch 32 and 64, at 224 × 224 pixels: that is `--size full`; the
default is 64 × 64. It takes as long as the whole matrix of training steps, and so is asked where this file or its models are
named: `make article`. What it says in words: what automatic differentiation costs (each model's loss, with its gradients, with
the optimizer), how much memory training takes (peak against batch size). Debugging is test_gallery's breaks_breakpoint; eager
against graph mode is every table's second ratio.
"""

import re

import pytest

from bakeoff.analysis.metrics import METRICS
from bakeoff.pytest_plugin.replay import child_clock, replay
from bakeoff.records.cell import Mode
from bakeoff.records.trial import Status

PEAK = METRICS["steady_peak"]
IMAGES_PER_SECOND = {32: {"tensorflow": 285, "torch": 271}, 64: {"tensorflow": 512, "torch": 498}}  # the article's, on a V100
LIMITS_MIB = (512, 1024, 2048, 4096)  # of memory above the framework's import
BATCHES = re.compile(r"resnet50_batch_\d+")


@pytest.mark.cells(models="resnet50_batch_32,resnet50_batch_64", modes="training", when="training", apart=True)
@pytest.mark.benchmark(group="the article's table", timer=child_clock)
def test_resnet50_training(measured, benchmark):
    benchmark.extra_info["cell"] = str(measured.cell)
    benchmark.extra_info["images_per_second"] = measured.throughput
    batch = measured.measurements[0].items_per_step
    benchmark.extra_info["article_images_per_second"] = IMAGES_PER_SECOND[batch].get(measured.framework)
    benchmark.extra_info["steady_peak_bytes"] = PEAK.value(measured)
    replay(benchmark, measured.steady_step_s)


@pytest.mark.cells(modes="loss,gradient,training", when="loss")
@pytest.mark.benchmark(group="parts of a training step", timer=child_clock)
def test_differentiation(measured, beside, benchmark):
    benchmark.extra_info["cell"] = str(measured.cell)
    loss = beside(Mode.LOSS)
    if loss is not None:
        benchmark.extra_info["times_loss"] = measured.step_s / loss.step_s
    replay(benchmark, measured.steady_step_s)


@pytest.mark.cells(
    models="resnet50_batch_8,resnet50_batch_16,resnet50_batch_32,resnet50_batch_64",
    modes="training",
    when="training",
    apart=True,
)
def test_memory_by_batch_size(ran, record_property):
    weights = ran.measurements[0].memory.weights_bytes
    record_property("batch_size", ran.measurements[0].items_per_step)
    record_property("steady_peak_bytes", PEAK.value(ran))
    # parameters, their gradients and one moment at least
    assert PEAK.value(ran) >= 2 * weights, "less than what a training step must hold"


def table(results):
    """The three tables, as far as their cells were measured."""
    ok = {cell: r for cell, r in results.items() if r.status is Status.OK}
    return "\n".join([*_throughput(results), *_parts(ok), *_memory(ok), ""])


def _throughput(results):
    rows = [r for cell, r in results.items() if BATCHES.fullmatch(cell.model) and cell.mode is Mode.TRAINING and r.measurements]
    rows = [r for r in rows if r.measurements[0].items_per_step in IMAGES_PER_SECOND]
    if rows:
        yield "ResNet-50 training, images/s (peak MiB above the import); the article's are a V100's at 224 × 224 pixels"
    for r in sorted(rows, key=lambda r: (r.measurements[0].items_per_step, r.framework)):
        batch = r.measurements[0].items_per_step
        said = f"{r.throughput:8.1f} ({int(PEAK.value(r)) >> 20:5})" if r.status is Status.OK else f"{r.status:>8}"
        article = IMAGES_PER_SECOND[batch].get(r.framework, "–")
        yield f"  batch {batch}  {r.cell.stack:16} {said}   article, {r.framework}: {article}"


def _parts(ok):
    losses = [r for cell, r in ok.items() if cell.mode is Mode.LOSS]
    if losses:
        yield "a training step as multiples of its loss (forward in training form): with gradients, with the optimizer, too"
    for loss in losses:
        more = [ok.get(type(loss.cell)(loss.cell.model, loss.cell.stack, mode)) for mode in (Mode.GRADIENT, Mode.TRAINING)]
        told = "  ".join("   –  " if r is None else f"×{r.step_s / loss.step_s:5.2f}" for r in more)
        yield f"  {loss.cell.model:20} {loss.cell.stack:16} {told}"


def _memory(ok):
    rows = [r for cell, r in ok.items() if BATCHES.fullmatch(cell.model) and cell.mode is Mode.TRAINING]
    peaks = {}
    for r in rows:
        peaks.setdefault(r.cell.stack, {})[r.measurements[0].items_per_step] = int(PEAK.value(r))
    if peaks:
        yield "ResNet-50 training, MiB above the import by batch size; then the largest of these batches that fits into a limit"
    for stack, found in peaks.items():
        sizes = "  ".join(f"{batch}: {peak >> 20}" for batch, peak in sorted(found.items()))
        fits = {limit: max((b for b, peak in found.items() if peak <= limit << 20), default="none") for limit in LIMITS_MIB}
        yield f"  {stack:16} {sizes}   {'  '.join(f'≤ {limit} MiB: {batch}' for limit, batch in fits.items())}"
