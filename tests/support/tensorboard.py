"""Builds trials to export, and reads the event files of an export."""

import struct
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from bakeoff.__main__ import main
from bakeoff.records.cell import Cell, Mode
from bakeoff.records.diagnostics import Diagnostics, GraphBreak, Kind
from bakeoff.records.trial import Failure, Phase, Start, Status, Trial
from bakeoff.report import event_files
from tests.support.builders import measurement, trial

BREAK = GraphBreak(kind=Kind.GRAPH_BREAK, reason="a | b", where="models/toy.py:3", hint="do not")


def cell(stack: str = "compiler", mode: Mode = Mode.INFERENCE) -> Cell:
    return Cell("toy", stack, mode)


def good(step_s: float = 0.001) -> list[Trial]:
    """Three cold trials and a warm one: the first sample of each is slower, so that no two points are alike."""
    found = measurement([step_s + k * 1e-8 for k in range(100)], steps_per_sample=4, warmup_s=(0.5, 0.25, step_s, step_s))
    graphs = Diagnostics(graphs=2, recompiles=0, breaks=(BREAK,))
    cold = [trial(replace(found, first_call_s=0.5 + k / 10), index=k, diagnostics=graphs) for k in range(3)]
    return [*cold, trial(replace(found, first_call_s=0.125), start=Start.WARM, diagnostics=graphs)]


def broken(**changes: Any) -> Trial:
    output = Failure(
        status=Status.CRASH, phase=Phase.COMPILE, error="SIGSEGV", message="the child ended with <SIGSEGV> | in compile"
    )
    return trial(None, stack="dies", diagnostics=None, failure=output, **changes)


def export(storage: Path, board: Path, *arguments: str) -> int:
    return main(["export", "--tensorboard", str(board), "--benchmark-storage", str(storage / "saved"), *arguments])


def events(folder: Path) -> list[Any]:
    """All events in the one event file of a folder: TFRecords of length, checksum of the length, data, checksum of the data."""
    event_files.need()
    from tensorboardX.proto.event_pb2 import Event

    (path,) = folder.glob("*tfevents*.bakeoff")
    data, found, at = path.read_bytes(), [], 0
    while at < len(data):
        (length,) = struct.unpack_from("<Q", data, at)
        found.append(Event.FromString(data[at + 12 : at + 12 + length]))
        at += 16 + length
    assert found[0].file_version == "brain.Event:2"
    return found[1:]


def scalars(folder: Path) -> dict[str, dict[int, float]]:
    """Tag → step → value."""
    found: dict[str, dict[int, float]] = {}
    for event in events(folder):
        for value in event.summary.value:
            if value.HasField("simple_value"):
                steps = found.setdefault(value.tag, {})
                assert event.step not in steps
                steps[event.step] = value.simple_value
    return found


def texts(folder: Path) -> dict[str, str]:
    every = [v for event in events(folder) for v in event.summary.value]
    return {v.tag: v.tensor.string_val[0].decode() for v in every if v.metadata.plugin_data.plugin_name == "text"}


def hyperparameters(folder: Path) -> dict[str, Any]:
    from tensorboardX.proto.plugin_hparams_pb2 import HParamsPluginData

    plugins = {v.tag: v.metadata.plugin_data for event in events(folder) for v in event.summary.value}
    return {tag: HParamsPluginData.FromString(p.content) for tag, p in plugins.items() if p.plugin_name == "hparams"}


def about(value: float) -> Any:
    return pytest.approx(value, rel=1e-6)  # TensorBoard's scalars have 32 bits
