"""How are TensorBoard's event files written? Only this file imports tensorboardX. The caller decides what is written."""

import sys
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bakeoff.authoring.errors import UsageError

# what tensorboardX imports where it finds it, and nothing here needs: frameworks, and clients of other machines
UNWANTED = ("torch", "chainer", "theano", "comet_ml", "boto3", "google.cloud", "matplotlib")


@dataclass(frozen=True, slots=True)
class Scalar:
    """A point of a curve. TensorBoard keeps 32 bits of its value."""

    tag: str
    value: float
    step: int = 0
    wall_s: float = 0.0  # seconds since 1970


@dataclass(frozen=True, slots=True)
class Text:
    """Markdown."""

    tag: str
    text: str
    step: int = 0
    wall_s: float = 0.0


@dataclass(frozen=True, slots=True)
class Hyperparameters:
    """What a run was asked for, and the tags of its scalars that came of it."""

    given: Mapping[str, str]
    metrics: tuple[str, ...]
    failed: bool = False
    wall_s: float = 0.0
    step: int = 0


Note = Scalar | Text | Hyperparameters


def need() -> None:
    """Raises UsageError where tensorboardX is not installed."""
    with _hidden():
        try:
            import tensorboardX  # noqa: F401  # to find out whether it is there
        except ModuleNotFoundError as error:
            if (error.name or "").partition(".")[0] not in ("tensorboardX", "google"):  # google.protobuf comes with it
                raise
            raise UsageError("--tensorboard needs tensorboardX: pip install '.[tensorboard]'") from None


def write(folder: Path, notes: Iterable[Note], wall_s: float) -> Path:
    """One event file in `folder`, whole or not at all. The same `wall_s` names the same file, which it replaces."""
    need()
    from tensorboardX.proto.event_pb2 import Event
    from tensorboardX.record_writer import RecordWriter

    folder.mkdir(parents=True, exist_ok=True)
    path = folder.absolute() / f"events.out.tfevents.{int(wall_s):010}.bakeoff"
    partial = path.with_name("partial")  # a name that TensorBoard does not read
    records = RecordWriter(str(partial))  # by an absolute path, which no scheme of another machine begins
    try:
        records.write(Event(wall_time=wall_s, file_version="brain.Event:2").SerializeToString())
        for note in notes:
            for summary in _summaries(note):
                event = Event(wall_time=note.wall_s or wall_s, step=note.step, summary=summary)
                records.write(event.SerializeToString())
    finally:
        records.close()
    return partial.replace(path)


def _summaries(note: Note) -> Iterator[Any]:
    from tensorboardX import summary

    if isinstance(note, Scalar):
        yield summary.scalar(note.tag, note.value)
    elif isinstance(note, Text):
        yield summary.text(note.tag, note.text)
    else:
        *begun, end = summary.hparams(dict(note.given), dict.fromkeys(note.metrics))
        yield from begun
        yield _failed(end) if note.failed else end


def _failed(end: Any) -> Any:
    """The end of a session that tensorboardX calls a success."""
    from tensorboardX.proto.api_pb2 import Status
    from tensorboardX.proto.plugin_hparams_pb2 import HParamsPluginData

    plugin = end.value[0].metadata.plugin_data
    data = HParamsPluginData.FromString(plugin.content)
    data.session_end_info.status = Status.Value("STATUS_FAILURE")
    plugin.content = data.SerializeToString()
    return end


@contextmanager
def _hidden() -> Iterator[None]:
    """None in sys.modules is how Python spells `not installed`: the parent imports no framework, nor does a library for it."""
    names = [name for name in UNWANTED if name not in sys.modules]
    sys.modules.update(dict.fromkeys(names))  # type: ignore[arg-type]  # None is what blocks an import
    try:
        yield
    finally:
        for name in names:
            del sys.modules[name]
