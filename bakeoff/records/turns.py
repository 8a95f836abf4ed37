"""Which words do the children of a group and their parent exchange? Standard library only.

A child asks with one of the words of `Asks`, and goes on when the parent answers. One socket per child carries both. An ask
may be followed by numbers: WARM by the expected seconds of a slice, SLICE by the times of its begin and end (CLOCK_MONOTONIC).
"""

from enum import StrEnum

ROUNDS = 100  # of a group, unless its slices are long: each lasts --timed-s / ROUNDS, and at least two steps
TURNS_FD = "BAKEOFF_TURNS_FD"  # environment variable: file descriptor of the child's end of the socket


class Asks(StrEnum):
    """What a child has done when it asks to go on."""

    BUILT = "built"
    COMPILED = "compiled"
    WARM = "warm"  # warmed up; the answer begins its first slice
    SLICE = "slice"  # a slice is over; the answer begins the next one
    TIMED = "timed"  # its last slice is over; the answer lets it check its outputs and end


class Answers(StrEnum):
    """What the parent answers."""

    GO = "go"
    TOGETHER = "together"  # to BUILT: compile, while the other members of the group compile, too
    LAST = "last"  # to WARM and SLICE: the next slice is the last one
