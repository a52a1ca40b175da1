"""The page's figures: SVG whose text is text and whose colours are the page's.

The drawing library is imported when a figure is drawn. Text is never read as mathematics, as
class names come from users. Colours are written as names of the page's style, so that the
figures follow its light and its dark form.
"""

import io
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from components.fraction import percent
from components.outcome import Curve

REGIMES = {
    "real": "real only",
    "synthetic": "synthetic only",
    "synthetic_then_real": "synthetic, then real",
}
"""Regimes by their name in the data, as people read them."""

_INK, _LINE = "#010203", "#040506"
_PALETTE = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9")
"""Okabe and Ito's colours, told apart with any colour vision."""

_MARKS = ("o", "s", "^", "D", "v", "P")
_STYLE = {
    "svg.fonttype": "none",
    "text.parse_math": False,
    "font.family": "sans-serif",
    "font.size": 9,
    "text.color": _INK,
    "axes.edgecolor": _LINE,
    "axes.labelcolor": _INK,
    "xtick.color": _INK,
    "ytick.color": _INK,
    "xtick.major.size": 0,
    "ytick.major.size": 0,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.spines.left": False,
    "axes.grid": True,
    "axes.grid.axis": "y",
    "grid.color": _LINE,
    "grid.linewidth": 0.6,
}
_POINTS = 240
"""Most points of a drawn curve; longer ones are averaged in runs."""


@dataclass(frozen=True)
class Figure:
    """A figure of the page.

    Attributes:
        title: What it shows.
        svg: The drawing, safe to stand in the page as it is.
    """

    title: str
    svg: str


@dataclass(frozen=True)
class Series:
    """A line with its name.

    Attributes:
        name: Written at its right end. Lines that share a name share a colour and one label.
        points: (x, value); values that are not finite are left out.
        intervals: (low, high) of every point, or None without.
    """

    name: str
    points: Sequence[tuple[float, float]]
    intervals: Sequence[tuple[float, float] | None] = ()


def by_fraction(title: str, series: Sequence[Series], fractions: Sequence[float]) -> Figure:
    """A metric by fraction of the real data, one line a regime.

    Args:
        title: Name of the metric.
        series: A regime's line; x is the index of the fraction.
        fractions: The fractions, in the order of the axis.
    """

    def draw(axes: Any) -> None:
        shift = np.linspace(-0.05, 0.05, len(series)) if len(series) > 1 else np.zeros(1)
        colours = _colours(series)
        for number, one in enumerate(series):
            colour, mark = colours[one.name], _MARKS[number % 6]
            kept = [
                (x + shift[number], value, interval)
                for (x, value), interval in zip(
                    one.points, one.intervals or [None] * len(one.points), strict=True
                )
                if np.isfinite(value)
            ]
            axes.plot(
                [x for x, _, _ in kept], [value for _, value, _ in kept],
                color=colour, marker=mark, markersize=5, linewidth=1.6,
            )  # fmt: skip
            for x, _, interval in kept:
                if interval is not None and all(np.isfinite(interval)):
                    axes.plot([x, x], interval, color=colour, linewidth=1.1)
        axes.set_xticks(range(len(fractions)), [percent(one) for one in fractions])
        axes.set_xlim(-0.25, len(fractions) - 0.75)
        axes.set_xlabel("share of the real training photos")
        axes.set_ylim(0, axes.get_ylim()[1] * 1.03)
        _name_ends(axes, series)

    return Figure(title, _svg(title, draw, 0.645))


def curves(title: str, series: Sequence[Series]) -> Figure:
    """Curves of trainings over their steps; the faint line is what was recorded.

    Args:
        title: What the curves are.
        series: A curve each.
    """

    def draw(axes: Any) -> None:
        colours = _colours(series)
        for one in series:
            colour = colours[one.name]
            x, raw, smooth = thin(one.points)
            if len(x) > 12:
                axes.plot(x, raw, color=colour, linewidth=0.7, alpha=0.25)
            single = {"marker": "o", "markersize": 4} if len(x) == 1 else {}
            axes.plot(x, smooth, color=colour, linewidth=1.5, **single)
        axes.set_xlabel("training step")
        axes.margins(x=0.02)
        low, high = _range(series)
        axes.set_ylim(low, high)
        _name_ends(axes, series)

    return Figure(title, _svg(title, draw, 0.645))


def thin(points: Curve | Sequence[tuple[float, float]]) -> tuple[Any, Any, Any]:
    """Steps, values and smoothed values of a curve, at most a few hundred of each.

    Runs of points are averaged. The smoothed value is a running mean over a tenth of what is
    left; values that are not finite are dropped.
    """
    data = np.array([point for point in points if np.isfinite(point[1])], float).reshape(-1, 2)
    if len(data) > _POINTS:
        data = np.array([part.mean(0) for part in np.array_split(data, _POINTS)])
    half = len(data) // 20
    smooth = np.array(
        [data[max(0, i - half) : i + half + 1, 1].mean() for i in range(len(data))], float
    )
    return data[:, 0], data[:, 1], smooth


def _range(series: Sequence[Series]) -> tuple[float, float]:
    """Limits that the smoothed curves fit, whatever single noisy steps do."""
    raw = [thin(one.points) for one in series]
    lines = np.concatenate([smooth for _, _, smooth in raw])
    dots = np.concatenate([values for _, values, _ in raw])
    if not lines.size:
        return 0.0, 1.0
    low, high = min(0.0, float(lines.min())), float(max(lines.max(), np.quantile(dots, 0.98)))
    return low, high * 1.06 if high > low else low + 1.0


def _colours(series: Sequence[Series]) -> dict[str, str]:
    names = dict.fromkeys(one.name for one in series)
    return {name: _PALETTE[number % 6] for number, name in enumerate(names)}


def _name_ends(axes: Any, series: Sequence[Series]) -> None:
    """Write every line's name beside its right end, apart from each other."""
    found: dict[str, list[float]] = {}
    for one in series:
        x, values, smooth = thin(one.points)
        if len(x):
            found.setdefault(one.name, []).append(values[-1] if one.intervals else smooth[-1])
    ends = sorted((float(np.mean(last)), name) for name, last in found.items())
    if not ends:
        return
    colours = _colours(series)
    low, high = axes.get_ylim()
    span = (high - low) or 1.0
    places = spread([(value - low) / span for value, _ in ends], 0.085)
    for place, (_, name) in zip(places, ends, strict=True):
        axes.annotate(
            name, (1.02, place), xycoords="axes fraction", va="center",
            color=colours[name], annotation_clip=False,
        )  # fmt: skip


def spread(places: Sequence[float], gap: float) -> list[float]:
    """Ascending places moved apart to be at least `gap` from each other, within 0 .. 1 if they fit.

    Args:
        places: Ascending places.
        gap: Smallest distance.
    """
    moved: list[float] = []
    for place in places:
        moved.append(max(place, moved[-1] + gap) if moved else max(place, 0.0))
    over = max(0.0, (moved[-1] - 1.0) if moved else 0.0)
    for number in range(len(moved) - 1, -1, -1):
        ceiling = moved[number + 1] - gap if number + 1 < len(moved) else moved[number] - over
        moved[number] = min(moved[number], ceiling)
    return moved


def _svg(name: str, draw: Any, width: float) -> str:
    import matplotlib
    from matplotlib.figure import Figure as Canvas

    with matplotlib.rc_context({**_STYLE, "svg.hashsalt": name}):
        figure = Canvas(figsize=(4.6, 2.7))
        axes = figure.add_axes((0.085, 0.17, width, 0.79))
        draw(axes)
        stream = io.StringIO()
        figure.savefig(stream, format="svg", transparent=True, metadata={"Date": None})
    return _for_page(stream.getvalue())


def _for_page(svg: str) -> str:
    svg = svg[svg.index("<svg") :]
    svg = re.sub(r"<metadata>.*?</metadata>", "", svg, flags=re.S)
    svg = re.sub(r"<style.*?</style>", "", svg, flags=re.S)
    svg = re.sub(r' id="[a-zA-Z]+[\w.]*_\d+"', "", svg)
    head = r'<svg class="figure" viewBox="\1">'
    svg = re.sub(r'<svg[^>]*viewBox="([^"]*)"[^>]*>', head, svg, count=1)
    for number, colour in enumerate(_PALETTE):
        svg = svg.replace(colour, f"var(--series-{number})")
    return svg.replace(_INK, "var(--ink)").replace(_LINE, "var(--line)")
