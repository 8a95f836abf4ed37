"""How does the report draw? Vega-Lite specifications, made with Altair. The page puts the data of the chosen cell into them.

Each has named data sets instead of values, so that one specification serves every cell. Text and lines take the page's own
colours, light or dark. Whatever a colour distinguishes, a shape or a label distinguishes too.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import altair as alt

# Okabe and Ito's colours for all kinds of colour vision, in shades that stand out on white and on near-black alike
COLOURS = ("#0f7fc4", "#d5690b", "#0b9a73", "#c2609b", "#b58900", "#4aa3df", "#8a8f98", "#a0522d", "#6b5fc7", "#5f9e1f")
SHAPES = (
    "circle",
    "square",
    "triangle-up",
    "diamond",
    "cross",
    "triangle-down",
    "triangle-right",
    "triangle-left",
    "wedge",
    "arrow",
)
CONFIG: Mapping[str, Any] = {
    "background": "transparent",
    "font": "system-ui, sans-serif",
    "view": {"stroke": None},
    "axis": {
        "labelColor": "currentColor",
        "titleColor": "currentColor",
        "domainColor": "currentColor",
        "tickColor": "currentColor",
        "gridColor": "currentColor",
        "gridOpacity": 0.12,
        "domainOpacity": 0.4,
        "tickOpacity": 0.4,
        "titleFontWeight": "normal",
        "labelFontSize": 11,
        "titleFontSize": 12,
    },
    "legend": {
        "labelColor": "currentColor",
        "titleColor": "currentColor",
        "orient": "bottom",
        "columns": 3,
        "labelLimit": 260,
        "title": None,
        "symbolSize": 90,
    },
    "text": {"color": "currentColor"},
    "rule": {"color": "currentColor"},
}


def specifications(stacks: Sequence[str], *, validate: bool = False) -> dict[str, dict[str, Any]]:
    """Name of a chart → its specification. Every chart gives a stack the same colour and shape."""
    colour = alt.Color("stack:N").scale(domain=list(stacks), range=_cycled(COLOURS, len(stacks)))
    shape = alt.Shape("stack:N").scale(domain=list(stacks), range=_cycled(SHAPES, len(stacks)))
    charts = {
        "cost": _cost(colour, shape),
        "total": _total(colour, shape),
        "warmup": _warmup(),
        "spread": _spread(),
        "phases": _phases(),
        "losses": _losses(),
        "roofline": _roofline(colour, shape),
        "changes": _changes(),
        "trend": _trend(),
    }
    return {name: _specification(chart, validate) for name, chart in charts.items()}


def _cycled(values: Sequence[str], count: int) -> list[str]:
    return [values[i % len(values)] for i in range(count)]


def _specification(chart: Any, validate: bool) -> dict[str, Any]:
    spec: dict[str, Any] = chart.properties(
        width="container", autosize=alt.AutoSizeParams(type="fit-x", contains="padding")
    ).to_dict(validate=validate)
    return spec | {"config": dict(CONFIG)}


def _data(name: str) -> alt.NamedData:
    return alt.NamedData(name=name)


def _log(field: str, title: str, **more: Any) -> tuple[Any, ...]:
    return field, {
        "title": title,
        "scale": {"type": "log", "nice": False, "padding": 12},
        "axis": {"format": "~s", "tickCount": 5},
    } | more


def _x(field: str, title: str, **more: Any) -> alt.X:
    name, options = _log(field, title, **more)
    return alt.X(name, **options)


def _y(field: str, title: str, **more: Any) -> alt.Y:
    name, options = _log(field, title, **more)
    return alt.Y(name, **options)


def _cost(colour: alt.Color, shape: alt.Shape) -> Any:
    """Compile time against throughput; the lines are where a stack has just paid for itself after the chosen steps."""
    x = _x("compile_s:Q", "compile time, s (cold)", axis={"format": "~g", "tickCount": 5, "grid": False})
    y = _y("items_per_second:Q", "throughput, items per second", axis={"format": "~s", "tickCount": 5, "labelOverlap": True})
    line = (
        alt.Chart(_data("break_even"))
        .mark_line(clip=True, strokeDash=[5, 4], opacity=0.7, color="currentColor")
        .encode(x, y, detail="eager:N")
    )
    points = (
        alt.Chart(_data("cells"))
        .mark_point(filled=True, size=110, opacity=1)
        .encode(x, y, colour.legend(None), shape.legend(None), tooltip=["stack:N", "label:N"])
    )
    labels = alt.Chart(_data("cells")).mark_text(dy=-11, fontSize=11).encode(x, y, text="stack:N")
    return (line + points + labels).properties(height=320)


def _total(colour: alt.Color, shape: alt.Shape) -> Any:
    """How long N steps take, compiling included."""
    x = _x("steps:Q", "steps")
    y = _y("seconds:Q", "seconds, compiling included", axis={"format": "~g", "tickCount": 5})
    lines = alt.Chart(_data("totals")).mark_line(clip=True).encode(x, y, colour)
    points = alt.Chart(_data("marks")).mark_point(filled=True, size=60, opacity=1).encode(x, y, colour, shape)
    rule = alt.Chart(_data("chosen")).mark_rule(strokeDash=[2, 3], opacity=0.7).encode(x)
    return (lines + points + rule).properties(height=320)


def _warmup() -> Any:
    """The first steps of each trial; the rule is where the steady part begins."""
    x = alt.X("step:Q", title="step after the first call")
    y = _y("us:Q", "µs", axis={"format": "~s", "tickCount": 5})
    trial = alt.StrokeDash("trial:N").legend(title="trial")
    lines = alt.Chart(_data("curves")).mark_line(strokeWidth=1.2, color=COLOURS[0], clip=True).encode(x, y, trial)
    rule = alt.Chart(_data("steady")).mark_rule(color=COLOURS[1], strokeWidth=2).encode(x)
    label = (
        alt.Chart(_data("steady"))
        .mark_text(align="left", dx=5, dy=8, baseline="top", color=COLOURS[1])
        .encode(x, y=alt.value(0), text="label:N")
    )
    return (lines + rule + label).properties(height=240)


def _spread() -> Any:
    """Steady steps of each trial: 5th to 95th percentile, the middle half, and the median."""
    y = alt.Y("trial:N", title="trial")
    base = alt.Chart(_data("spread"))
    scale = alt.Scale(zero=False, padding=12)
    whole = base.mark_rule(opacity=0.8).encode(alt.X("p5:Q", title="µs per steady step", scale=scale), alt.X2("p95:Q"), y)
    half = base.mark_bar(height=14, color=COLOURS[0], opacity=0.75).encode(alt.X("p25:Q", scale=scale), alt.X2("p75:Q"), y)
    middle = base.mark_tick(thickness=3, height=20, color="currentColor").encode(alt.X("p50:Q", scale=scale), y)
    return (whole + half + middle).properties(height=alt.Step(34))


def _phases() -> Any:
    """What the first call of each stack consists of."""
    return (
        alt.Chart(_data("phases"))
        .mark_bar(stroke="#fff", strokeWidth=0.6, strokeOpacity=0.6)
        .encode(
            alt.X("seconds:Q", title="seconds of the first call"),
            alt.Y("stack:N", title=None, sort=None),
            alt.Color("phase:N", sort=None).scale(range=list(COLOURS)).legend(columns=2),
            order="order:Q",
            tooltip=["stack:N", "phase:N", alt.Tooltip("seconds:Q", format=".3~f")],
        )
        .properties(height=alt.Step(30))
    )


def _losses() -> Any:
    """The losses of the first training steps, and those of the same steps in float64."""
    x, y = alt.X("step:Q", title="training step"), alt.Y("loss:Q", title="loss", scale=alt.Scale(zero=False))
    base = alt.Chart(_data("losses"))
    line = base.mark_line(color=COLOURS[0]).encode(x, y, alt.StrokeDash("of:N").legend(orient="bottom"))
    points = base.mark_point(filled=True, size=40, color=COLOURS[0]).encode(x, y, alt.Shape("of:N"))
    return (line + points).properties(height=200)


def _roofline(colour: alt.Color, shape: alt.Shape) -> Any:
    """Flops per second against flops per byte, below what the machine was measured to reach (Williams et al. 2009)."""
    x = _x("flops_per_byte:Q", "flops per byte that must be moved")
    y = _y("flops_per_s:Q", "flops per second")
    peak = alt.Chart(_data("bound")).mark_line(strokeWidth=2, color="currentColor", opacity=0.8).encode(x, y)
    points = (
        alt.Chart(_data("cells"))
        .mark_point(filled=True, size=80, opacity=0.9)
        .encode(x, y, colour, shape, tooltip=["cell:N", "label:N"])
    )
    labels = alt.Chart(_data("models")).mark_text(align="left", dx=8, fontSize=11).encode(x, y, text="model:N")
    return (peak + points + labels).properties(height=380)


def _changes() -> Any:
    """The ratio of each timed metric that is not the same, with its interval. More than 1 is worse."""
    y = alt.Y("what:N", title=None, sort=None, axis=alt.Axis(labelLimit=190))
    scale = alt.Scale(type="log", nice=False, padding=14)
    base = alt.Chart(_data("changes"))
    colour = (
        alt.Color("verdict:N")
        .scale(domain=["better", "worse", "undecided", "same"], range=[COLOURS[0], COLOURS[1], COLOURS[6], COLOURS[2]])
        .legend(columns=2)
    )
    shape = alt.Shape("verdict:N").scale(
        domain=["better", "worse", "undecided", "same"], range=["triangle-left", "triangle-right", "circle", "square"]
    )
    whole = base.mark_rule(strokeWidth=2).encode(
        alt.X("low:Q", title="candidate / baseline (log)", scale=scale), alt.X2("high:Q"), y, colour
    )
    points = base.mark_point(filled=True, size=80, opacity=1).encode(
        alt.X("ratio:Q", scale=scale), y, colour, shape, tooltip=["what:N", "label:N"]
    )
    one = alt.Chart(_data("one")).mark_rule(strokeDash=[3, 3], opacity=0.6).encode(alt.X("ratio:Q", scale=scale))
    return (one + whole + points).properties(height=alt.Step(22))


def _trend() -> Any:
    """A metric over runs; rules are level shifts that a change-point search found."""
    x = alt.X("index:Q", title="run", axis=alt.Axis(format="d"))
    y = alt.Y("value:Q", title=None, scale=alt.Scale(zero=False, padding=10), axis=alt.Axis(format="~s"))
    base = alt.Chart(_data("points"))
    line = base.mark_line(color=COLOURS[0], strokeWidth=1.2).encode(x, y)
    points = base.mark_point(filled=True, size=30, color=COLOURS[0]).encode(x, y, tooltip=["run:N", "commit:N", "label:N"])
    rule = alt.Chart(_data("shifts")).mark_rule(color=COLOURS[1], strokeWidth=2).encode(x)
    label = (
        alt.Chart(_data("shifts"))
        .mark_text(align="left", dx=4, baseline="top", color=COLOURS[1])
        .encode(x, y=alt.value(0), text="label:N")
    )
    return (line + points + rule + label).properties(height=220)
