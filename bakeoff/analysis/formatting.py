"""How are numbers written in tables? Pure."""


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


def compile_seconds(value: float) -> str:
    """A compile time."""
    return f"{value:.2f} s"


def warm_compile_seconds(value: float) -> str:
    """A compile time from warm caches, which stands behind the cold one."""
    return f"({value:.2f})"


def per_second(value: float) -> str:
    """A number of items per second."""
    return f"{figure(value)}/s"


def whole(value: float) -> str:
    """A count."""
    return f"{value:.0f}"


def whole_mebibytes(value: float) -> str:
    """Bytes in MiB, without the unit."""
    return str(int(value) >> 20)


def kernels(count: float) -> str:
    """A number of kernels."""
    return f"{count:.0f} kernel{'s' * (count != 1)}"
