"""Differences with intervals, one below the other."""

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from analysis.figures.style import GREY, INK, PAGE, canvas, paper_style, shortened
from common import UserError
from eval.paired import ALPHA

LABEL = "difference (percentage points), 95 % interval"
SHORT, LONGEST = 34, 64  # characters of a label: beyond SHORT the figure is as wide as the page


def difference_text(value: float, low: float, high: float) -> str:
    """Return a difference with its interval; what is not known is a dash."""
    if not np.isfinite(value):
        return "—"
    if not (np.isfinite(low) and np.isfinite(high)):
        return f"{value:+z.1f}".replace("-", "−")
    return f"{value:+z.1f} [{low:+z.1f}, {high:+z.1f}]".replace("-", "−")


def right_column(axes: Axes, places: list[float], texts: list[str], heading: str = "") -> None:
    """Numbers beside the rows, outside the axes."""
    right = axes.secondary_yaxis("right")
    right.set_yticks(places, texts)
    right.tick_params(length=0, pad=5)
    right.spines["right"].set_visible(False)
    if heading:
        axes.annotate(
            heading,
            (1, 1),
            (4, 2),
            "axes fraction",
            textcoords="offset points",
            ha="left",
            va="bottom",
            color=GREY,
            fontsize=7,
        )


@paper_style
def forest_figure(rows: pd.DataFrame, axis_label: str = LABEL) -> Figure:
    """Return rows of label, group, difference, low, high in points, and p, corrected.

    Markers are filled where p is below 0.05, and all of them where the rows have no p, as nothing was tested.
    """
    if rows.empty:
        raise UserError("there is no difference to draw; give at least one row")
    groups = rows.group.fillna("").astype(str) if "group" in rows else pd.Series("", index=rows.index)
    places: list[float] = []
    labels: list[tuple[float, str, bool]] = []
    height = 0.0
    for group in dict.fromkeys(groups):
        if group:
            labels.append((height, shortened(group, 44), True))
            height += 1
        for _ in range(int((groups == group).sum())):
            places.append(height)
            height += 1
        height += 0.4
    ordered = pd.concat([rows[groups == group] for group in dict.fromkeys(groups)])
    names = [shortened(name, LONGEST) for name in ordered.label]
    labels += [(y, name, False) for y, name in zip(places, names, strict=True)]
    narrow = max(map(len, names)) <= SHORT
    figure = canvas(0.75 * PAGE if narrow else PAGE, 0.6 + 0.19 * height)
    axes = figure.subplots()
    axes.axvline(0, color=GREY, lw=0.8, zorder=1)
    numbers = ordered[["difference", "low", "high"]].astype(float).to_numpy()
    filled = ordered.p < ALPHA if "p" in ordered else pd.Series(True, index=ordered.index)
    for y, (value, low, high), full in zip(places, numbers, filled, strict=True):
        axes.plot([low, high], [y, y], color=INK, lw=1.1, zorder=2)
        axes.plot(value, y, "o", color=INK, mfc=INK if full else "white", ms=4.2, mew=1, zorder=3)
    labels.sort()
    axes.set_yticks([y for y, _, _ in labels], [text for _, text, _ in labels])
    for tick, (_, _, heading) in zip(axes.get_yticklabels(), labels, strict=True):
        tick.set_fontweight("bold" if heading else "normal")
    axes.set_ylim(height - 0.6, -0.8)
    axes.tick_params(axis="y", length=0)
    axes.spines["left"].set_visible(False)
    axes.set_xlabel(axis_label)
    axes.margins(x=0.06)
    axes.grid(axis="x")
    right_column(axes, places, [difference_text(*line) for line in numbers])
    return figure
