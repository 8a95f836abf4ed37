"""How is a TOML file read into a record?"""

from pathlib import Path
from typing import TypeVar

import msgspec

from bakeoff.authoring.errors import UsageError

T = TypeVar("T")


def read_toml(path: Path, record: type[T]) -> T:
    """The record in a TOML file, or an empty one if there is no file. UsageError, in one line, for a broken one."""
    if not path.exists():
        return record()
    try:
        return msgspec.toml.decode(path.read_bytes(), type=record)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise UsageError(f"{path.name}: {error}") from None
