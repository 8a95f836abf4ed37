"""Which settings does a run have, and what does a difference in one of them mean? One definition per field of Settings.

Options, --resume, comparisons, suggested commands and the report iterate over SETTINGS. To add a setting, add a field to
Settings and its definition here.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

from bakeoff.records.trial import Settings
from bakeoff.system.environment import default_threads


@dataclass(frozen=True, slots=True, kw_only=True)
class Setting:
    """One field of Settings."""

    name: str
    title: str
    flags: tuple[str, ...] = ()  # options that set it; none: the program chooses it
    default: Callable[[], Any] = lambda: None  # without these options
    unset: str = ""  # how a value that is None or empty is written
    text: Callable[[Any], str] = str
    compared: bool = True  # a comparison of two runs with different values notes it
    forbids: bool = False  # and is refused
    same_to_resume: bool = True  # --resume continues only a run with the same value
    in_script: bool = False  # a script of `bakeoff repro` can have it

    def shown(self, settings: Settings) -> str:
        """The value as text."""
        value = getattr(settings, self.name)
        return self.unset if value is None or value in ("", ()) else self.text(value)

    def options(self, settings: Settings, flags: Iterable[str]) -> list[str]:
        """The words of a command line that set the value by one of `flags`; none for the default."""
        value = getattr(settings, self.name)
        if value == self.default():
            return []
        if len(self.flags) > 1:  # the value is pairs of an option and its argument
            pairs = zip(value[::2], value[1::2], strict=True)
            return [word for flag, argument in pairs if flag in flags for word in (flag, argument)]
        values = value if isinstance(value, tuple) else (value,)
        return [word for each in values for flag in self.flags if flag in flags for word in (flag, str(each))]


SETTINGS: tuple[Setting, ...] = (
    Setting(name="size", title="size", flags=("--size",), default=lambda: "small", forbids=True, in_script=True),
    Setting(
        name="batch_size", title="batch size", flags=("--batch-size",), unset="the model's own", forbids=True, in_script=True
    ),
    Setting(
        name="shape",
        title="shape",
        flags=("--shape",),
        default=lambda: (),
        unset="the model's own",
        text=", ".join,
        forbids=True,
    ),
    Setting(name="dtype", title="dtype", flags=("--dtype",), default=lambda: "float32", forbids=True),
    Setting(name="target", title="target", flags=("--target",), default=lambda: "", unset="none", forbids=True),
    Setting(name="device", title="device", flags=("--device",), default=lambda: "cpu", forbids=True),
    Setting(name="threads", title="number of threads", flags=("--threads",), default=default_threads, forbids=True),
    Setting(name="seed", title="seed", default=lambda: 0),
    Setting(
        name="timed_s",
        title="duration of the timed steps",
        flags=("--timed-s",),
        default=lambda: 1.0,
        text=lambda value: f"{value:g} s",
    ),
    Setting(
        name="timeout_s",
        title="time limit of a child",
        flags=("--timeout-s",),
        default=lambda: 300.0,
        text=lambda value: f"{value:g} s",
        compared=False,
    ),
    Setting(
        name="memory_limit_bytes",
        title="memory limit of a child",
        unset="none",
        text=lambda value: f"{value / 2**30:.1f} GiB",
        compared=False,
        same_to_resume=False,  # it depends on the memory that is free at the start
    ),
    Setting(
        name="found_with",
        title="folders and interpreters",
        flags=("--models-from", "--compilers-from", "--interpreter"),
        default=lambda: (),
        unset="the built-in ones",
        text=" ".join,
        compared=False,
        in_script=True,
    ),
)
BY_FIELD: dict[str, Setting] = {setting.name: setting for setting in SETTINGS}


def defaults() -> dict[str, Any]:
    """Field of Settings → its value without any option."""
    return {setting.name: setting.default() for setting in SETTINGS}


def flags_of_the_cell() -> list[str]:
    """The options without which another command would measure another cell: settings that forbid a comparison, and folders."""
    return [flag for setting in SETTINGS if setting.forbids for flag in setting.flags] + list(BY_FIELD["found_with"].flags)


def flags_of_the_script() -> list[str]:
    """Those of them that `bakeoff repro` has. It starts no child, so it takes no interpreter."""
    return [flag for setting in SETTINGS if setting.in_script for flag in setting.flags if flag != "--interpreter"]


def options(settings: Settings, flags: Iterable[str]) -> list[str]:
    """The words of a command line that set these settings by `flags`; those that have their default are left out."""
    named = set(flags)
    return [word for setting in SETTINGS for word in setting.options(settings, named)]


def differing(one: Settings, other: Settings, settings: Iterable[Setting] = SETTINGS) -> list[Setting]:
    """Those of `settings` that differ."""
    return [setting for setting in settings if getattr(one, setting.name) != getattr(other, setting.name)]
