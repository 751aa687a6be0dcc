"""Where the responses of one run go under another: an alluvial drawing of states, right and the error classes.

Heights are shares of all pairs of responses to the same items. A ribbon has the colour of the error it leaves; one
that leaves `right` has the colour of the error it ends in.
"""

from dataclasses import dataclass
from typing import Any

from matplotlib.axes import Axes
from matplotlib.colors import to_rgba
from matplotlib.figure import Figure
from matplotlib.patches import PathPatch, Rectangle
from matplotlib.path import Path

from analysis.figures.style import (
    GREY,
    HATCHES,
    INK,
    PAGE,
    canvas,
    display_names,
    in_order,
    paper_style,
    shortened,
    spread,
    state_colour,
)
from analysis.protocol.flow import AGAIN, FORWARD, Findings
from analysis.protocol.transitions import RIGHT
from common import UserError

BAR, GAP = 0.035, 0.022  # width of a bar in x, space between bars in shares
LEAST_LABELLED, MOST_LABELS = 0.004, 14
HEIGHT = 3.1
NOTE = "% of all pairs of responses to the same item; hatched: was right"
TEXT_X, TEXT_Y = 0.1, 0.04  # room of a number on a ribbon, in x and in shares


@dataclass(frozen=True)
class Ribbon:
    """Pairs that go from one state to another; y is the lower edge at either end."""

    begin: str
    end: str
    share: float
    left_y: float
    right_y: float

    @property
    def look(self) -> dict[str, Any]:
        """Return what stays is pale, what comes right is full, what was right is hatched."""
        colour = state_colour(self.end if self.begin == RIGHT else self.begin)
        if self.begin == self.end:
            return {"facecolor": to_rgba(colour, 0.4), "edgecolor": to_rgba(colour, 0.5), "zorder": 1}
        if self.begin == RIGHT:
            pale, edge = to_rgba(colour, 0.18), to_rgba(colour, 0.75)
            return {"facecolor": pale, "edgecolor": edge, "hatch": "/////", "zorder": 2}
        return {"facecolor": to_rgba(colour, 0.6), "edgecolor": to_rgba(colour, 0.8), "zorder": 3}

    def middle(self, t: float) -> tuple[float, float]:
        """Return the ribbon's middle line; t runs from 0 (left) to 1 (right)."""
        x = 3 * (1 - t) * t * t * 0.5 + 3 * (1 - t) * (1 - t) * t * 0.5 + t**3
        rise = 3 * t * t - 2 * t**3
        return x, self.left_y + self.share / 2 + (self.right_y - self.left_y) * rise

    def path(self, start: float, stop: float) -> Path:
        middle = (start + stop) / 2
        top_left, top_right = self.left_y + self.share, self.right_y + self.share
        points = [
            (start, self.left_y),
            (middle, self.left_y),
            (middle, self.right_y),
            (stop, self.right_y),
            (stop, top_right),
            (middle, top_right),
            (middle, top_left),
            (start, top_left),
            (start, self.left_y),
        ]
        curve = [Path.CURVE4] * 3
        return Path(points, [Path.MOVETO, *curve, Path.LINETO, *curve, Path.CLOSEPOLY])


def shares_between(found: Findings, comparison: str) -> dict[tuple[str, str], float]:
    """Return share of all pairs from each state to each; what could not be counted is 0."""
    if comparison not in found.flow:
        raise UserError(f"there is no flow '{comparison}'; there are {', '.join(found.flow)}")
    cells = {
        (begin, end): cell.value or 0.0
        for begin, row in zip(found.names, found.flow[comparison], strict=True)
        for end, cell in zip(found.names, row, strict=True)
    }
    if min(cells.values()) < -1e-9:
        raise UserError(f"the flow '{comparison}' holds differences, which have no width; draw '{FORWARD}'")
    return cells


def stacked(totals: dict[str, float]) -> dict[str, float]:
    """Return the lower edge of each state's bar: errors above, `right` at the bottom."""
    edges, height = {}, 0.0
    for state in reversed(totals):
        edges[state] = height
        height += totals[state] + GAP
    return edges


def ribbons(cells: dict[tuple[str, str], float], order: list[str]) -> tuple[list[Ribbon], list[dict[str, float]]]:
    """Return the ribbons, and the lower edges of the bars on both sides."""
    left = stacked({state: sum(cells[state, end] for end in order) for state in order})
    right = stacked({state: sum(cells[begin, state] for begin in order) for state in order})
    found, used_left, used_right = [], dict(left), dict(right)
    for begin in reversed(order):
        for end in reversed(order):
            share = cells[begin, end]
            if share > 0:
                found.append(Ribbon(begin, end, share, used_left[begin], used_right[end]))
                used_left[begin] += share
                used_right[end] += share
    return found, [left, right]


def draw_bars(axes: Axes, x: float, edges: dict[str, float], totals: dict[str, float], outside: int) -> None:
    """Draw one bar per state with its name and percent beside it; labels that would meet are moved apart."""
    shown = [state for state in edges if totals[state] > 0]
    for state in shown:
        axes.add_patch(
            Rectangle(
                (x, edges[state]),
                BAR,
                totals[state],
                facecolor=state_colour(state),
                lw=0.4,
                edgecolor="white" if HATCHES.get(state) else state_colour(state),
                hatch=HATCHES.get(state, "+++"),
                zorder=4,
            )
        )
    middles = [edges[state] + totals[state] / 2 for state in shown]
    top = max(edges[state] + totals[state] for state in shown)
    places = spread(middles, 0.056, -0.01, top + 0.02)
    edge = x + BAR if outside > 0 else x
    for state, middle, place in zip(shown, middles, places, strict=True):
        if abs(place - middle) > 0.004:
            axes.plot([edge, edge + outside * 0.02], [middle, place], color=GREY, lw=0.5, clip_on=False)
        axes.text(
            edge + outside * 0.028,
            place,
            f"{shortened(state, 18)} {100 * totals[state]:.1f} %",
            va="center",
            ha="left" if outside > 0 else "right",
        )


def label_ribbons(axes: Axes, drawn: list[Ribbon]) -> None:
    """Percent on the ribbons, the widest first, where there is room for it."""
    taken: list[tuple[float, float]] = []
    for ribbon in sorted(drawn, key=lambda one: -one.share):
        least = LEAST_LABELLED if RIGHT in (ribbon.begin, ribbon.end) else 2.5 * LEAST_LABELLED
        if len(taken) == MOST_LABELS or ribbon.share < least:
            continue
        near_end = ribbon.begin == RIGHT and ribbon.end != RIGHT
        tries = [0.5] if ribbon.begin == ribbon.end else [0.16, 0.24, 0.32, 0.4]
        # Where it leaves an error, or where it enters one: there ribbons are still apart.
        for t in [1 - t for t in tries] if near_end else tries:
            x, y = ribbon.middle(t)
            x = BAR + x * (1 - 2 * BAR)
            if all(abs(x - a) > TEXT_X or abs(y - b) > TEXT_Y for a, b in taken):
                box = {"facecolor": "white", "alpha": 0.75, "edgecolor": "none", "pad": 0.6}
                axes.text(
                    x,
                    y,
                    f"{100 * ribbon.share:.1f}",
                    ha="center",
                    va="center",
                    fontsize=6.5,
                    color=INK,
                    bbox=box,
                    zorder=5,
                )
                taken.append((x, y))
                break


@paper_style
def flow_figure(found: Findings, names: tuple[str, str], comparison: str = FORWARD) -> Figure:
    """States of the first run left, of the second right; ribbons are as wide as their shares of all pairs."""
    cells = shares_between(found, comparison)
    first, second = display_names(names, 22)
    if comparison == AGAIN:
        second = f"{first},\nasked again"
    order = [
        state
        for state in [*in_order(set(found.names) - {RIGHT}), RIGHT]
        if any(cells[state, other] > 0 or cells[other, state] > 0 for other in found.names)
    ]
    if not order:
        raise UserError(f"the flow '{comparison}' is empty, so there is nothing to draw")
    drawn, edges = ribbons(cells, order)
    figure = canvas(0.8 * PAGE, HEIGHT)
    axes = figure.subplots()
    axes.set_axis_off()
    for ribbon in drawn:
        axes.add_patch(PathPatch(ribbon.path(BAR, 1 - BAR), lw=0.4, **ribbon.look))
    totals = [{s: sum(cells[s, o] for o in order) for s in order}, {s: sum(cells[o, s] for o in order) for s in order}]
    for x, bottom, total, outside in ((0.0, edges[0], totals[0], -1), (1 - BAR, edges[1], totals[1], 1)):
        draw_bars(axes, x, bottom, total, outside)
    label_ribbons(axes, drawn)
    top = max(bottom[state] + total[state] for bottom, total in zip(edges, totals, strict=True) for state in order)
    for x, name, side in ((BAR, first, "right"), (1 - BAR, second, "left")):
        axes.text(x, top + 0.05, name, ha=side, va="bottom", weight="bold")
    axes.set_xlim(0, 1)
    axes.text(0.5, -0.03, NOTE, ha="center", va="top", color=GREY, fontsize=7)
    axes.set_ylim(-0.03, top + 0.1)
    return figure
