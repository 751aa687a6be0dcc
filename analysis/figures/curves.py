"""Training curves: the mean over seeds as a line, the seeds' range as a band."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import pandas as pd
from matplotlib.artist import Artist
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from analysis.figures.style import (
    COLUMN,
    GREY,
    METHOD_LOOKS,
    PAGE,
    canvas,
    legend_above,
    paper_style,
    run_looks,
    shortened,
)
from common import UserError

PANELS = {
    "reward/accuracy": "training accuracy (share)",
    "actor/kl_prcp_loss": "perception loss (nats)",
    "actor/entropy_loss": "surprisal (nats/token)",
    "response_length/mean": "response length (tokens)",
    "actor/grad_norm": "gradient norm",
}
WINDOW = 8
MOST_LINES = 8  # of one panel; with more runs each has a panel of its own
PER_LINE = 6


@dataclass(frozen=True, kw_only=True)
class Panel:
    """One metric over the steps, of the named runs or of all."""

    metric: str
    label: str
    rows: Sequence[str] = ()
    title: str = ""


def seeds_of(frames: list[pd.DataFrame], name: str) -> pd.DataFrame:
    """Return one smoothed column per seed that has the metric, indexed by the steps that all of them have."""
    series = [
        frame.drop_duplicates("step", keep="last").set_index("step")[name].astype(float)
        for frame in frames
        if name in frame
    ]
    known = [one.rolling(WINDOW, min_periods=1).mean() for one in series if one.notna().any()]
    return pd.concat(known, axis=1, join="inner") if known else pd.DataFrame()


def chosen_panels(metrics: Mapping[str, list[pd.DataFrame]]) -> list[Panel]:
    """Return the panels that any run has numbers for."""
    return [
        Panel(metric=name, label=label)
        for name, label in PANELS.items()
        if any(not seeds_of(frames, name).empty for frames in metrics.values())
    ]


@paper_style
def curves_figure(
    metrics: Mapping[str, list[pd.DataFrame]],
    panels: Sequence[Panel] | None = None,
    names: Mapping[str, str] | None = None,
) -> Figure:
    """Running means over the steps in the given panels (default: the usual ones there are), runs under `names`."""
    panels = panels or chosen_panels(metrics)
    if not panels:
        raise UserError(f"no run has a metric to draw; it would be one of {', '.join(PANELS)}")
    columns = min(3, len(panels))
    lines = -(-len(panels) // columns)
    figure = canvas(max(COLUMN, PAGE * columns / 3), 0.35 + 1.65 * lines)
    grid = figure.subplots(lines, columns, squeeze=False).ravel()
    handles: dict[str, Artist] = {}
    for axes, panel in zip(grid, panels, strict=False):
        for method, look in run_looks(metrics).items():
            seeds = seeds_of(metrics[method] if method in (panel.rows or metrics) else [], panel.metric)
            if seeds.empty:
                continue
            many = seeds.shape[1] > 1
            (line,) = axes.plot(
                seeds.index, seeds.mean(axis=1), color=look.colour, ls=look.line, zorder=2 if look.line == "-" else 2.5
            )
            if many:
                low, high = seeds.min(axis=1), seeds.max(axis=1)
                axes.fill_between(seeds.index, low, high, color=look.colour, alpha=0.2, lw=0)
            count = f" ({seeds.shape[1]} seeds: mean, min to max)" if many else " (1 seed)"
            handles.setdefault((names or {}).get(method, look.label) + count, line)
        axes.set_title(panel.title)
        axes.set_ylabel(shortened(panel.label, 34))
        axes.set_xlabel(f"step (running mean over {WINDOW})")
        axes.xaxis.set_major_locator(MaxNLocator(5, integer=True))
        axes.grid(axis="y")
    for axes in grid[len(panels) :]:
        axes.remove()
    legend_above(figure, list(handles.values()), list(handles))
    return figure


@paper_style
def curves_beside_baselines(
    metrics: Mapping[str, list[pd.DataFrame]],
    baselines: Mapping[str, str],
    names: Mapping[str, str],
    metric: str = "reward/accuracy",
) -> Figure:
    """Draw a small panel per method with the running mean of one metric over its baseline's, all on one scale."""
    drawn = [(name, baselines[name]) for name in metrics if baselines.get(name) in metrics]
    if not drawn:
        raise UserError("no trained row has a trained baseline; give `baselines` in the table's file")
    lines = -(-len(drawn) // PER_LINE)
    figure = canvas(PAGE, 0.5 + 1.05 * lines)
    grid = figure.subplots(lines, PER_LINE, squeeze=False, sharex=True, sharey=True).ravel()
    for axes, (name, baseline) in zip(grid, drawn, strict=False):
        for one, colour, label in (
            (baseline, GREY, "the recipe it stands on"),
            (name, METHOD_LOOKS["papo_g"][0], "the method"),
        ):
            seeds = seeds_of(metrics[one], metric)
            axes.plot(seeds.index, seeds.mean(axis=1), color=colour, label=label)
        axes.set_title(f"{names.get(name, name)}\nover {names.get(baseline, baseline)}", fontsize=6.5)
        axes.xaxis.set_major_locator(MaxNLocator(3, integer=True))
        axes.grid(axis="y")
    for axes in grid[max(0, len(drawn) - PER_LINE) : len(drawn)]:
        axes.tick_params(labelbottom=True)  # the lowest of its column, also where the last line is not full
    for axes in grid[len(drawn) :]:
        axes.remove()
    figure.supylabel(f"{PANELS[metric]} over the steps, running mean over {WINDOW}", fontsize=7)
    legend_above(figure, *grid[0].get_legend_handles_labels())
    return figure
