"""What is wrong with wrong answers, and what becomes of them: error classes, repairs, the judge's confusions."""

import matplotlib
import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Patch

from analysis.figures.forest import difference_text, right_column
from analysis.figures.style import (
    COLUMN,
    GREY,
    HATCHES,
    INK,
    PAGE,
    canvas,
    display_names,
    in_order,
    ink_on,
    legend_above,
    paper_style,
    shortened,
    state_colour,
)
from analysis.protocol.flow import ALL, Findings, Repair
from analysis.protocol.transitions import RIGHT, Resampling, Share, state_names, states_of
from analysis.taxonomy import CLASSES
from common import UserError

NOT_CLASSES = {RIGHT, "guess", "n", ALL}
OTHER_AT, AGAIN_AT = -0.16, 0.16


def share_frame(frames: dict[str, pd.DataFrame], seed: int = 0) -> pd.DataFrame:
    """Per run the share of all responses in each state, with `<state>_low` and `<state>_high` (95 %)."""
    ids = sorted(next(iter(frames.values())).sample_id.unique())
    names = state_names(list(frames.values()), CLASSES)
    rows = {}
    for run, frame in frames.items():
        states = states_of(frame, names, ids)
        draw, whole_I = Resampling(states, seed), np.ones(len(ids))
        wrong_I = 1 - states.shares_IS[:, 0]
        shares = draw.ratios(np.column_stack([states.shares_IS, wrong_I]), whole_I, (0, 1))
        rows[run] = {
            f"{name}{end}": value
            for name, share in zip((*names, ALL), shares, strict=True)
            for end, value in (("", share.value), ("_low", share.low), ("_high", share.high))
        }
    return pd.DataFrame(rows).T.astype(float)


def classes_in(shares: pd.DataFrame) -> list[str]:
    """Return the error classes that any run has, in the taxonomy's order."""
    names = [str(name) for name in shares.columns]
    classes = [n for n in names if n not in NOT_CLASSES and not n.endswith(("_low", "_high"))]
    return in_order(name for name in classes if shares[name].fillna(0).gt(0).any())


@paper_style
def errors_figure(shares: pd.DataFrame) -> Figure:
    """Return share of all responses in each error class, stacked, one bar per run; the whole bar is what is wrong."""
    figure = canvas(PAGE, 0.95 + 0.34 * len(shares))
    axes = figure.subplots()
    names, places = classes_in(shares), np.arange(len(shares))
    wrong = 100 * shares[names].fillna(0).sum(axis=1).to_numpy()
    most = max(float(wrong.max(initial=0)), 0.1)
    left = np.zeros(len(shares))
    for name in names:
        values = 100 * shares[name].fillna(0).to_numpy()
        colour = state_colour(name)
        bars = axes.barh(
            places,
            values,
            0.56,
            left=left,
            color=colour,
            edgecolor="white",
            lw=0.5,
            hatch=HATCHES.get(name, "+++"),
            label=shortened(name),
        )
        labels = [f"{value:.1f}" if value > 0.045 * most else "" for value in values]
        box = {"facecolor": colour, "edgecolor": "none", "pad": 0.8}
        axes.bar_label(bars, labels, label_type="center", fontsize=6.5, color=ink_on(colour), bbox=box)
        left += values
    if {f"{ALL}_low", f"{ALL}_high"} <= set(shares.columns):
        low, high = (100 * shares[f"{ALL}_{end}"].to_numpy() for end in ("low", "high"))
        spans = np.nan_to_num(np.stack([left - low, high - left])).clip(0)
        axes.errorbar(left, places + 0.38, xerr=spans, fmt="none", ecolor=INK, elinewidth=1, capsize=1.5)
    for place, total in zip(places, left, strict=True):
        axes.annotate(f"{total:.1f}", (total, place), (4, 0), textcoords="offset points", va="center", weight="bold")
    axes.set_yticks(places, display_names(shares.index))
    axes.set_ylim(len(shares) - 0.4, -0.5)
    axes.set_xlim(0, 1.15 * most)
    axes.set_xlabel("wrong responses, by error class (% of all responses)")
    legend_above(figure, *axes.get_legend_handles_labels())
    return figure


def draw_classes(axes: Axes, shares: pd.DataFrame, rows: list[str]) -> None:
    """Per class one bar per run: the first light and hatched, the last solid."""
    height = 0.76 / len(shares)
    for number, (_, row) in enumerate(shares.iterrows()):
        solid = number == len(shares) - 1
        places = np.arange(len(rows)) + (number - (len(shares) - 1) / 2) * height
        values, low, high = (
            100 * row.reindex([f"{name}{end}" for name in rows]).to_numpy(dtype=float) for end in ("", "_low", "_high")
        )
        for place, value, name in zip(places, np.nan_to_num(values), rows, strict=True):
            axes.barh(
                place,
                value,
                0.92 * height,
                fc=state_colour(name) if solid else "white",
                ec=state_colour(name),
                hatch="" if solid else "/////",
                lw=0.8,
            )
        spans = np.nan_to_num(np.stack([values - low, high - values])).clip(0)
        axes.errorbar(np.nan_to_num(values), places, xerr=spans, fmt="none", ecolor=INK, elinewidth=0.9)
        for place, value, end in zip(places, values, np.fmax(values, high), strict=True):
            if np.isfinite(value):
                axes.annotate(
                    f"{value:.1f}", (end, place), (3, 0), textcoords="offset points", va="center", fontsize=6.5
                )
    axes.set_xlim(0, 1.1 * axes.get_xlim()[1])


def draw_repairs(axes: Axes, repairs: dict[str, Repair], rows: list[str]) -> None:
    """Per class two points with intervals: the other run filled and round, the same run again hollow and square."""
    for place, name in enumerate(rows):
        found = repairs.get(name)
        if found is None or found.other.value is None:
            axes.text(2, place, "no such error", va="center", color=GREY, style="italic", fontsize=6.5)
            continue
        draw_share(axes, found.other, place + OTHER_AT, "o", state_colour(name), True)
        draw_share(axes, found.control, place + AGAIN_AT, "s", state_colour(name), False)
    axes.set_xlim(0, 100)
    axes.grid(axis="x")


def draw_share(axes: Axes, share: Share, place: float, marker: str, colour: str, filled: bool) -> None:
    if share.value is None:
        return
    if share.low is not None and share.high is not None:
        axes.plot([100 * share.low, 100 * share.high], [place, place], color=colour, lw=1.1, zorder=2)
    axes.plot(
        100 * share.value,
        place,
        marker,
        color=colour,
        mfc=colour if filled else "white",
        ms=4.5,
        mew=1,
        zorder=3,
        clip_on=False,
    )


def repair_handles(repairs: dict[str, Repair], first: str, second: str) -> list[Line2D]:
    """Return what the markers mean; no control with one response per item and no second sampling."""
    again = f"right under {first}, asked again"
    handles = [Line2D([], [], marker="o", color=INK, ms=4.5, lw=1.1, label=f"right under {second}")]
    if any(line.control.value is not None for line in repairs.values()):
        handles.append(Line2D([], [], marker="s", color=INK, mfc="white", ms=4.5, lw=1.1, label=again))
    return handles


def difference_texts(repairs: dict[str, Repair], rows: list[str]) -> list[str]:
    """Other minus control in points, as printed at the right."""
    shares = [repairs[name].difference if name in repairs else None for name in rows]
    edges = [(s.value, s.low, s.high) if s else (None, None, None) for s in shares]
    return [difference_text(*(np.nan if edge is None else 100 * edge for edge in line)) for line in edges]


def label_rows(axes: Axes, rows: list[str], labels: list[str]) -> None:
    axes.set_yticks(range(len(rows)), labels)
    axes.set_ylim(len(rows) - 0.5, -0.5)
    axes.tick_params(axis="y", length=0)
    if ALL in rows and len(rows) > 1:
        axes.axhline(rows.index(ALL) - 0.5, color=GREY, lw=0.6)


@paper_style
def repairs_figure(found: Findings, names: tuple[str, str], backward: bool = False) -> Figure:
    """Of one run's errors of each class: right under the other run, and under the same run asked again.

    Forward are the first run's errors under the second; backward the second's under the first.
    """
    own, other = display_names(names, 20)[:: -1 if backward else 1]
    repairs = {line.name: line for line in (found.backward if backward else found.forward) if line.errors}
    if not repairs:
        raise UserError(f"{own} has no error, so there is nothing to repair")
    classes = in_order(set(repairs) - {ALL})
    rows = classes if len(classes) == 1 else [*classes, ALL]
    figure = canvas(0.75 * PAGE, 0.85 + 0.32 * len(rows))
    axes = figure.subplots()
    draw_repairs(axes, repairs, rows)
    label_rows(axes, rows, [f"{shortened(name)} (n = {repairs[name].errors})" for name in rows])
    axes.set_xlabel(f"right (% of {own}'s errors), 95 % interval")
    right_column(axes, list(range(len(rows))), difference_texts(repairs, rows), "difference, points")
    handles = repair_handles(repairs, own, other)
    legend_above(figure, handles, [str(handle.get_label()) for handle in handles])
    return figure


@paper_style
def why_wrong_figure(found: Findings, shares: pd.DataFrame, names: tuple[str, str]) -> Figure:
    """Left: share of all responses in each error class under both runs. Right: what becomes of the first's errors."""
    first, second = display_names(names, 16)
    repairs = {line.name: line for line in found.forward if line.errors}
    classes = in_order([*classes_in(shares), *(set(repairs) - {ALL})])
    if not classes:
        raise UserError(f"neither {first} nor {second} has an error, so there is nothing to draw")
    rows = classes if len(classes) == 1 else [*classes, ALL]
    figure = canvas(PAGE, 0.9 + 0.36 * len(rows))
    left, right = figure.subplots(1, 2, width_ratios=(1, 1.15))
    draw_classes(left, shares, rows)
    draw_repairs(right, repairs, rows)
    label_rows(left, rows, [shortened(name) for name in rows])
    label_rows(right, rows, [""] * len(rows))
    left.grid(axis="x")
    left.set_xlabel("% of all responses, 95 % interval")
    right.set_xlabel(f"% of {first}'s errors that come right")
    right_column(right, list(range(len(rows))), difference_texts(repairs, rows), "difference, points")
    bars = [Patch(fc="white", ec=INK, hatch="/////", label=first), Patch(fc=INK, ec=INK, label=second)]
    for axes, handles in ((left, bars), (right, repair_handles(repairs, first, second))):
        axes.legend(handles=handles, loc="lower left", bbox_to_anchor=(0, 1.0), borderaxespad=0.4)
    return figure


def count_text(count: float) -> str:
    """Return counts of labels; those of several passes share an item's weight, so a count may be broken."""
    return f"{count:.0f}" if float(count).is_integer() else f"{count:.1f}"


@paper_style
def confusion_figure(matrix: pd.DataFrame) -> Figure:
    """Return counts of what the judge said (rows) of each true class (columns), shaded by their share of the
    true class.
    """
    if matrix.index.name == "truth" and matrix.columns.name != "truth":  # analysis.judge.calibration has truth in rows
        matrix = matrix.T
    counts = matrix.fillna(0).to_numpy(dtype=float)
    totals = counts.sum(axis=0)
    parts = np.divide(counts, totals, where=totals > 0, out=np.zeros_like(counts))
    size = 0.42 * max(counts.shape)
    figure = canvas(max(COLUMN, 1.3 + size), max(2.0, 1.0 + size))
    axes = figure.subplots()
    shades = matplotlib.colormaps["Blues"]
    axes.imshow(0.85 * parts, cmap=shades, vmin=0, vmax=1, aspect="auto")
    for (row, column), part in np.ndenumerate(parts):
        if counts[row, column]:
            said = f"{count_text(counts[row, column])}\n{100 * part:.0f} %"
            ink = ink_on(matplotlib.colors.to_hex(shades(0.85 * part)))
            axes.text(column, row, said, ha="center", va="center", fontsize=6.5, color=ink)
    rows, truth = ([shortened(name, 16) for name in names] for names in (matrix.index, matrix.columns))
    labels = [f"{name} ({count_text(total)})" for name, total in zip(truth, totals, strict=True)]
    axes.set_xticks(range(len(truth)), labels, rotation=40, ha="right", rotation_mode="anchor")
    axes.set_yticks(range(len(rows)), rows)
    axes.spines[:].set_visible(False)
    axes.tick_params(length=0)
    axes.set_xlabel("true class (number of labels)")
    axes.set_ylabel("class the judge gave")
    return figure
