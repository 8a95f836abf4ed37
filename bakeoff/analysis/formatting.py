"""How the figures of a table are written: in full, or the first wording that fits where a column has little room. Pure.

Nothing is lost by that but digits beyond the third and words that the legend has, too.
"""


def figure(value: float) -> str:
    """A number with three digits, thousands separated."""
    return f"{value:,.0f}" if value >= 100 else f"{value:.3g}"


def compact(value: float) -> str:
    """A number with three digits, and k, M, G or T for what is left out."""
    for power, letter in ((4, "T"), (3, "G"), (2, "M"), (1, "k")):
        if value >= 999.5 * 1000 ** (power - 1):
            return f"{_three(value / 1000**power)}{letter}"
    return f"{value:.3g}"


def compiling(cold_s: float, warm_s: float | None, room: int | None) -> str:
    """Seconds from empty caches, and in brackets from those on disk."""
    if warm_s is None:
        return _first(room, f"{cold_s:.2f} s", f"{_three(cold_s)} s")
    short = f"({_three(warm_s)})"
    return _first(room, f"{cold_s:.2f} s ({warm_s:.2f})", f"{_three(cold_s)} s {short}", f"{_three(cold_s)} {short}")


def speed(per_s: float, noise: str, room: int | None) -> str:
    """Items per second, and how far they wander."""
    return _first(room, f"{figure(per_s)}/s{noise}", f"{compact(per_s)}/s{noise}", f"{compact(per_s)}{noise}")


def ratios(over_eager: float | None, over_best: float, room: int | None) -> str:
    """Two factors."""
    full = "×?" if over_eager is None else f"×{over_eager:.2f}"
    short = "×?" if over_eager is None else f"×{_three(over_eager)}"
    return _first(room, f"{full} ×{over_best:.2f}", f"{short} ×{over_best:.2f}")


def peaks(peak_bytes: tuple[int, int] | None, room: int | None) -> str:
    """Two amounts of memory, in MiB."""
    if peak_bytes is None:
        return "? MiB"
    told = ", ".join(str(peak >> 20) for peak in peak_bytes)
    return _first(room, f"{told} MiB", f"{told} M")


def on_device(step: str, over_eager: float | None, peak_bytes: int | None, room: int | None) -> str:
    """A GPU's time for a step, what eager's is of it, and its memory's peak in MiB."""
    peak = "" if peak_bytes is None else f", {peak_bytes >> 20} MiB"
    ratio = "" if over_eager is None else f" ×{over_eager:.2f}"
    return _first(room, f"device {step}{ratio}{peak}", f"{step}{ratio}", step)


def even(status: str, steps: int | None, room: int | None) -> str:
    """A status, and after how many steps compiling has paid for itself; None: never."""
    if steps is None:
        return _first(room, f"{status}, never even", f"{status}, never")
    return _first(room, f"{status}, even {figure(steps)}", f"{status}, even {compact(steps)}", f"{status}, {compact(steps)}")


def _three(value: float) -> str:
    """Three digits, with the zeros at their end: 1.00, 23.7, 123."""
    return f"{value:.2f}" if value < 9.995 else f"{value:.1f}" if value < 99.95 else f"{value:.0f}"


def _first(room: int | None, *wordings: str) -> str:
    """The first that fits; else the last."""
    return next((text for text in wordings if room is None or len(text) <= room), wordings[-1])
