"""How are numbers written in tables? In full, or in the first form that fits where a column is narrow. Pure.

A shorter form drops digits beyond the third and words that the legend repeats.
"""

from collections.abc import Sequence


def seconds(value: float) -> str:
    """A duration with three digits and its unit."""
    for unit, factor in (("s", 1.0), ("ms", 1e3), ("µs", 1e6)):
        if value * factor >= 0.9995:
            return f"{value * factor:.3g} {unit}"
    return f"{value * 1e6:.2g} µs"


def mebibytes(value: float) -> str:
    """Bytes in MiB."""
    return f"{value / 2**20:.0f} MiB"


def figure(value: float) -> str:
    """A number with three digits, thousands separated."""
    return f"{value:,.0f}" if value >= 100 else f"{value:.3g}"


def compact(value: float) -> str:
    """A number with three digits and a suffix k, M, G or T."""
    for power, letter in ((4, "T"), (3, "G"), (2, "M"), (1, "k")):
        if value >= 999.5 * 1000 ** (power - 1):
            return f"{three(value / 1000**power)}{letter}"
    return f"{value:.3g}"


def cold_compile(value: float) -> tuple[str, ...]:
    """Forms of a cold compile time, the longest first."""
    return f"{value:.2f} s", f"{three(value)} s", three(value)


def warm_compile(value: float) -> tuple[str, ...]:
    """Forms of a warm compile time, which stands behind the cold one."""
    return f"({value:.2f})", f"({three(value)})"


def per_second(value: float) -> tuple[str, ...]:
    """Forms of a number of items per second."""
    return f"{figure(value)}/s", f"{compact(value)}/s", compact(value)


def whole(value: float) -> tuple[str, ...]:
    """A count."""
    return (f"{value:.0f}",)


def whole_mebibytes(value: float) -> tuple[str, ...]:
    """Bytes in MiB, without the unit."""
    return (str(int(value) >> 20),)


def last_mebibytes(value: float) -> tuple[str, ...]:
    """Forms of bytes in MiB, with the unit of the whole line."""
    return f"{int(value) >> 20} MiB", f"{int(value) >> 20} M"


def kernels(count: float) -> tuple[str, ...]:
    """A number of kernels."""
    return (f"{count:.0f} kernel{'s' * (count != 1)}",)


def three(value: float) -> str:
    """Three digits, trailing zeros kept: 1.00, 23.7, 123."""
    return f"{value:.2f}" if value < 9.995 else f"{value:.1f}" if value < 99.95 else f"{value:.0f}"


def first_that_fits(room: int | None, forms: Sequence[str]) -> str:
    """The first form that is at most `room` wide; else the last."""
    return next((text for text in forms if room is None or len(text) <= room), forms[-1])
