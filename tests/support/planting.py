"""Writes files of fake stacks: each makes a class of tests/support/fakes a stack with the name of the class."""

import os
from pathlib import Path

import psutil

from bakeoff.authoring.discovery import Source, StackSource
from bakeoff.records.trial import Settings

FAKES = Path(__file__).parent / "fakes"

ROOMS = ("honest", "cheats", "crashes", "diagnosed")

TOY = Source("toy", FAKES / "toy.py")


def room_of(fault: str) -> str:
    """The module of fakes/ that has a class of this name. Raises ValueError without one."""
    found = [room for room in ROOMS if f"\nclass {fault}(" in (FAKES / f"{room}.py").read_text()]
    if len(found) != 1:
        raise ValueError(f"{fault} is in {found} of {ROOMS}")
    return found[0]


def plant(folder: Path, fault: str, room: str = "", **keys: object) -> Path:
    """A file that makes a class of `room`, by default of whichever of ROOMS has it, a stack; `keys` are those of its HEADER."""
    room = room or room_of(fault)
    folder.mkdir(exist_ok=True)
    path = folder / f"{fault.lower()}.py"
    header = {"framework": "numpy", **({"eager": True} if fault == "Eager" else {}), **keys}
    path.write_text(f"HEADER = {header!r}\nfrom tests.support.fakes import {room}\nSTACK = {room}.{fault}()\n")
    return path


def planted(folder: Path, *faults: str, room: str = "", **keys: object) -> list[StackSource]:
    """Write such files; the stacks in them."""
    return [
        StackSource(name=f.lower(), path=plant(folder, f, room, **keys), framework="numpy", eager=f == "Eager", **keys)
        for f in faults
    ]


def settings(**changes: object) -> Settings:
    """Short timings for fake stacks."""
    given = {"size": "small", "batch_size": None, "device": "cpu", "threads": 1, "timeout_s": 30.0, "timed_s": 0.3}
    return Settings(**(given | changes))


def left_behind() -> list[psutil.Process]:
    """Processes that fake stacks of this test run have started and that still run: STAYS in fakes/crashes.py."""
    mine = f"# {os.environ['FAKES_OF']}"
    found = psutil.process_iter(["cmdline"])
    return [p for p in found if p.info["cmdline"] and "98765" in p.info["cmdline"][-1] and p.info["cmdline"][-1].endswith(mine)]
