"""Drawings of single responses: tokens shaded by a score, patches of the picture, attention by layer."""

from collections.abc import Sequence

import matplotlib
import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from analysis.figures.dependency import SCORES
from analysis.figures.style import GREY, PAGE, canvas, display_names, ink_on, paper_style, run_looks
from common import UserError
from notebooks.looking import PatchEffects, Scored

PER_LINE = 106  # characters of a response on one line of the drawing
SHADES = "OrRd"
LEAST_SCALE = 0.1  # nats; less than that is drawn pale, whatever the largest cell
MEASURES = {"mass": "attention on the picture", "entropy": "evenness there (0 to 1)"}


def draw_tokens(axes: Axes, texts: Sequence[str], scores: Sequence[float], most: float, lines: int) -> None:
    """Draw words one after the other, each on a box of its score's shade; one that fits no line starts a new one."""
    shades = matplotlib.colormaps[SHADES]
    column, line = 0, 0
    for text, score in zip(texts, scores, strict=True):
        word = text.strip() or "␣"
        if column and column + len(word) > PER_LINE:
            column, line = 0, line + 1
        colour = matplotlib.colors.to_hex(shades(0.85 * min(1.0, max(0.0, score / most))))
        box = {"facecolor": colour, "edgecolor": "none", "pad": 1.2}
        axes.text(
            column, -line, word, family="DejaVu Sans Mono", fontsize=7, va="center", color=ink_on(colour), bbox=box
        )
        column += len(word) + 1
    axes.set_xlim(-0.5, PER_LINE + 2)
    axes.set_ylim(-lines + 0.4, 0.8)
    axes.set_axis_off()


def lines_of(texts: Sequence[str]) -> int:
    column, lines = 0, 1
    for text in texts:
        width = len(text.strip() or "␣")
        if column and column + width > PER_LINE:
            column, lines = 0, lines + 1
        column += width + 1
    return lines


@paper_style
def heat_figure(scored: Sequence[Scored], sample_id: str, score: str = "k1") -> Figure:
    """Return the tokens of one item's response under every run, shaded by a score on one scale."""
    parts = [one.of(sample_id) for one in scored]
    if any(part.empty for part in parts):
        raise UserError(f"a run has no scored response to {sample_id}; take another item")
    most = max(float(part[score].max()) for part in parts)
    lines = [lines_of(part.text.tolist()) for part in parts]
    figure = canvas(PAGE, 0.75 + sum(0.3 + 0.19 * count for count in lines))
    grid = figure.subplots(len(parts), 1, squeeze=False, height_ratios=[1.2 + count for count in lines]).ravel()
    names = display_names([one.run for one in scored])
    for axes, part, one, name, count in zip(grid, parts, scored, names, lines, strict=True):
        draw_tokens(axes, part.text.tolist(), part[score].tolist(), max(most, 1e-9), count)
        right = "right" if bool(one.responses.correct[sample_id]) else "wrong"
        axes.set_title(f"{name} ({right})", loc="left", fontsize=7.5)
    scale = matplotlib.cm.ScalarMappable(matplotlib.colors.Normalize(0, most / 0.85), SHADES)
    bar = figure.colorbar(scale, ax=list(grid), location="bottom", fraction=0.05, aspect=60, shrink=0.6)
    bar.ax.set_xlim(0, most)
    bar.set_label(SCORES.get(score, score))
    return figure


@paper_style
def effects_figure(found: Sequence[PatchEffects]) -> Figure:
    """Return the picture, and over it for every run what each blackened cell costs one token."""
    most = max(LEAST_SCALE, *(float(np.abs(one.effects).max()) for one in found))
    figure = canvas(PAGE, 0.55 + PAGE / (len(found) + 1))
    grid = figure.subplots(1, len(found) + 1, squeeze=False).ravel()
    grid[0].imshow(found[0].picture, interpolation="nearest")
    grid[0].set_title("picture", fontsize=7.5)
    for axes, one, name in zip(grid[1:], found, display_names([one.run for one in found]), strict=True):
        width, height = one.picture.size
        axes.imshow(one.picture.convert("L"), cmap="gray", alpha=0.35, interpolation="nearest")
        drawn = axes.imshow(
            one.effects,
            cmap="RdBu_r",
            vmin=-most,
            vmax=most,
            alpha=0.65,
            extent=(0, width, height, 0),
            interpolation="nearest",
        )
        rows, columns = one.effects.shape
        for (row, column), value in np.ndenumerate(one.effects):
            place = ((column + 0.5) * width / columns, (row + 0.5) * height / rows)
            axes.text(*place, f"{value:.1f}".replace("-0.0", "0.0"), ha="center", va="center", fontsize=6)
        axes.set_title(f"{name}: '{one.token}'", fontsize=7.5)
    for axes in grid:
        axes.set_xticks([])
        axes.set_yticks([])
        axes.spines[:].set_visible(False)
    figure.colorbar(
        drawn,
        ax=list(grid),
        location="bottom",
        fraction=0.05,
        aspect=50,
        shrink=0.5,
        label="loss of log-probability (nats)",
    )
    return figure


@paper_style
def attention_figure(rows: pd.DataFrame) -> Figure:
    """Return attention on the picture by layer, and how evenly it is spread there; bands are 95 % intervals."""
    figure = canvas(PAGE, 2.1)
    looks, handles = run_looks(rows.run), {}
    for axes, (measure, title) in zip(figure.subplots(1, len(MEASURES)), MEASURES.items(), strict=True):
        for run, look in looks.items():
            part = rows[(rows.run == run) & (rows.measure == measure)].sort_values("layer")
            (handles[look.label],) = axes.plot(
                part.layer, part["mean"], color=look.colour, ls=look.line, marker=look.marker
            )
            axes.fill_between(
                part.layer, part.low.astype(float), part.high.astype(float), color=look.colour, alpha=0.18, lw=0
            )
        axes.set_xticks(sorted(rows.layer.unique()))
        axes.set_ylim(0, 1.05 if measure == "entropy" else None)
        axes.set_xlabel("layer, from 0")
        axes.set_ylabel(title)
        axes.grid(axis="y", color=GREY, alpha=0.25)
    figure.legend(list(handles.values()), list(handles), loc="outside upper center", ncols=min(4, len(handles)))
    return figure
