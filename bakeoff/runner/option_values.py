"""How is the text of an option read? Each function raises UsageError, in one line, for a text that it cannot read."""

import os
from pathlib import Path

from bakeoff.authoring.errors import UsageError
from bakeoff.records.cell import Mode


def fields(words: list[str]) -> tuple[str, ...]:
    """The values of --shape, checked: each is FIELD=N. Returned as they were written."""
    for word in words:
        name, _, value = word.partition("=")
        if not (name.isidentifier() and value.isascii() and value.isdigit() and int(value)):
            raise UsageError(f"--shape {word}: write FIELD=N, such as pixels=32, with a whole number above 0")
        if name == "batch_size":
            raise UsageError(f"--shape {word}: the batch has an option of its own, --batch-size {value}")
    return tuple(words)


def modes(wanted: str) -> list[Mode]:
    """The value of --modes as modes, each once; inference if it is empty."""
    names = [name.strip() for name in wanted.split(",") if name.strip()]
    for name in names:
        if name not in set(Mode):
            raise UsageError(f"there is no mode {name}; there are: {', '.join(Mode)}")
    return [Mode(name) for name in dict.fromkeys(names)] or [Mode.INFERENCE]


def interpreters(pairs: list[str], frameworks: set[str]) -> dict[str, str]:
    """The values of --interpreter, as framework → absolute path of a Python."""
    found = {}
    for pair in pairs:
        framework, _, path = pair.partition("=")
        if framework not in frameworks:
            raise UsageError(f"--interpreter {pair}: write FRAMEWORK=PATH with one of: {', '.join(sorted(frameworks))}")
        if not Path(path).is_file():
            raise UsageError(f"--interpreter {pair}: there is no file {path or '(empty)'}")
        if not os.access(path, os.X_OK):
            raise UsageError(f"--interpreter {pair}: {path} cannot be executed")
        found[framework] = str(Path(path).absolute())
    return found


def at_least(least: int, value: int, flag: str) -> int:
    """`value` if it is at least `least`. The value of --threads must also not exceed the number of CPUs that we may use."""
    if value < least:
        raise UsageError(f"{flag} {value}: must be at least {least}")
    cores = len(os.sched_getaffinity(0))
    if flag == "--threads" and value > cores:
        raise UsageError(f"--threads {value}: only {cores} CPUs can be used here")
    return value
