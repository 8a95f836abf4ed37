"""How are numbers written in tables? In full, or in the first form that fits where a column is narrow. Pure.

A shorter form drops digits beyond the third and words that the legend repeats.
"""


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
            return f"{_three(value / 1000**power)}{letter}"
    return f"{value:.3g}"


def compiling(cold_s: float, warm_s: float | None, room: int | None) -> str:
    """Cold compile time, and the warm one in brackets."""
    if warm_s is None:
        return _first(room, f"{cold_s:.2f} s", f"{_three(cold_s)} s")
    short = f"({_three(warm_s)})"
    return _first(room, f"{cold_s:.2f} s ({warm_s:.2f})", f"{_three(cold_s)} s {short}", f"{_three(cold_s)} {short}")


def speed(per_s: float, noise: str, room: int | None) -> str:
    """Items per second, and their noise."""
    return _first(room, f"{figure(per_s)}/s{noise}", f"{compact(per_s)}/s{noise}", f"{compact(per_s)}{noise}")


def ratios(over_eager: float | None, over_best: float, room: int | None) -> str:
    """The speed-up over eager, and the share of the fastest stack's speed."""
    full = "×?" if over_eager is None else f"×{over_eager:.2f}"
    short = "×?" if over_eager is None else f"×{_three(over_eager)}"
    return _first(room, f"{full} ×{over_best:.2f}", f"{short} ×{over_best:.2f}")


def peaks(peak_bytes: tuple[float, float] | None, room: int | None) -> str:
    """Two amounts of memory, in MiB."""
    if peak_bytes is None:
        return "? MiB"
    both = ", ".join(str(int(peak) >> 20) for peak in peak_bytes)
    return _first(room, f"{both} MiB", f"{both} M")


def on_device(step: str, over_eager: float | None, peak_bytes: int | None, room: int | None) -> str:
    """A GPU's time for a step, its ratio to eager's, and the peak of the GPU's memory in MiB."""
    peak = "" if peak_bytes is None else f", {peak_bytes >> 20} MiB"
    ratio = "" if over_eager is None else f" ×{over_eager:.2f}"
    return _first(room, f"device {step}{ratio}{peak}", f"{step}{ratio}", step)


def break_even(status: str, steps: int | None, room: int | None, *, undecided: bool = False) -> str:
    """A status, and the number of steps after which compiling has paid for itself (break-even); None: never."""
    if undecided:
        return _first(room, f"{status}, break-even undecided", f"{status}, unclear", status)
    if steps is None:
        return _first(room, f"{status}, never pays", f"{status}, never")
    forms = (f"pays after {figure(steps)}", f"pays after {compact(steps)}", f"from {compact(steps)}", compact(steps))
    return _first(room, *(f"{status}, {form}" for form in forms))


def _three(value: float) -> str:
    """Three digits, trailing zeros kept: 1.00, 23.7, 123."""
    return f"{value:.2f}" if value < 9.995 else f"{value:.1f}" if value < 99.95 else f"{value:.0f}"


def _first(room: int | None, *forms: str) -> str:
    """The first form that fits; else the last."""
    return next((text for text in forms if room is None or len(text) <= room), forms[-1])
