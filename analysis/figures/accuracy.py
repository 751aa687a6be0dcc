"""Accuracy with intervals: by column and run, and under counterfactual probes."""

from collections.abc import Mapping

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from analysis.figures.style import COLUMN, GREY, INK, PAGE, canvas, legend_above, paper_style, run_looks, shortened
from analysis.table import GROUPS
from common import UserError


@paper_style
def table_figure(ours: pd.DataFrame, headings: list[str], names: Mapping[str, str] | None = None) -> Figure:
    """Return accuracy per column and average with its interval (percent), one point per method under `names`;
    averages are set off.
    """
    figure = canvas(PAGE, 2.5)
    axes = figure.subplots()
    looks = run_looks(ours.method)
    step = min(0.2, 0.7 / max(1, len(looks)))
    for number, (method, look) in enumerate(looks.items()):
        part = ours[ours.method == method].set_index("heading").reindex(headings)
        x = np.arange(len(headings)) + (number - (len(looks) - 1) / 2) * step
        axes.errorbar(
            x,
            part.value,
            np.abs(np.stack([part.value - part.low, part.high - part.value])),
            fmt=look.marker,
            capsize=0,
            elinewidth=1,
            color=look.colour,
            label=(names or {}).get(method, look.label),
        )
    for place, heading in enumerate(headings):
        if heading in GROUPS:
            axes.axvspan(place - 0.5, place + 0.5, color="#f1f1f1", lw=0, zorder=0)
    axes.set_xticks(range(len(headings)), [shortened(name, 18) for name in headings], rotation=30, ha="right")
    axes.set_xlim(-0.6, len(headings) - 0.4)
    axes.set_ylabel("accuracy, avg@k (%)")
    axes.grid(axis="y")
    legend_above(figure, *axes.get_legend_handles_labels())
    return figure


@paper_style
def probes_figure(rows: pd.DataFrame) -> Figure:
    """Return accuracy under each probe with its interval, and that on the clean picture of the same items (shares)."""
    if "by" in rows and (rows.by == "overall").any():
        rows = rows[rows.by == "overall"]
    if rows.empty:
        raise UserError("there are no probes to draw; run: python -m analysis.probes")
    figure = canvas(COLUMN, 0.75 + 0.22 * len(rows))
    axes = figure.subplots()
    values = 100 * rows[["accuracy", "low", "high", "clean"]].astype(float)
    for place, (name, row) in enumerate(zip(rows.probe, values.itertuples(), strict=True)):
        moved = str(name) != "clean" and np.isfinite(row.clean)
        if moved:
            axes.hlines(place, *sorted((row.clean, row.accuracy)), color="#c9c9c9", lw=3, zorder=1)
            axes.plot(row.clean, place, "|", color=GREY, ms=9, mew=1.2, label="clean picture")
        axes.errorbar(
            row.accuracy,
            place,
            xerr=[[row.accuracy - row.low], [row.high - row.accuracy]],
            fmt="o",
            color=INK,
            elinewidth=1,
            label="under the probe (95 %)",
        )
    axes.set_yticks(range(len(rows)), [shortened(name) for name in rows.probe])
    axes.set_ylim(len(rows) - 0.4, -0.6)
    axes.set_xlim(0, max(100.0, axes.get_xlim()[1]))
    axes.set_xlabel("accuracy (%)")
    axes.grid(axis="x")
    right = axes.secondary_yaxis("right")
    right.set_yticks(range(len(rows)), [f"{value:.1f}" for value in values.accuracy])
    right.tick_params(length=0)
    right.spines["right"].set_visible(False)
    handles = dict(zip(*reversed(axes.get_legend_handles_labels()), strict=True))
    legend_above(figure, list(handles.values()), list(handles))
    return figure
