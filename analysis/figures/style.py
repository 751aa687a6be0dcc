"""One look for all figures: sizes, fonts, colours, names, files.

Colours are from Okabe and Ito's palette (Color Universal Design, 2008) and its darker neighbours. Every error class
has one colour in all figures and on the report's page; runs have colours of their own, each with a marker and a line
style, so that nothing hangs on colour alone. All text is plain: `$` and `_` in a name are printed as they are.
"""

import io
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from functools import wraps
from pathlib import Path
from typing import Any

import matplotlib
import numpy as np
from matplotlib.artist import Artist
from matplotlib.figure import Figure
from matplotlib.font_manager import fontManager
from matplotlib.textpath import TextPath

from analysis.protocol.flow import ALL
from analysis.protocol.transitions import RIGHT, UNCLASSIFIED, WRONG
from analysis.table import NAMES
from analysis.taxonomy import CLASSES
from common import atomic_write_bytes
from configs import Run

COLUMN, PAGE = 3.35, 6.9  # inches: one and two columns of a paper
DPI = 200
INK, GREY, FAINT = "#222222", "#6b6b6b", "#d9d9d9"
LONGEST_NAME = 26
FOOTER: ContextVar[str] = ContextVar("FOOTER", default="")
FOOTER_SIZE = 4.5
READABLE = 4.5  # WCAG's least contrast of text and what lies behind it

FONT = "DejaVu Sans"  # comes with matplotlib, so a figure looks the same everywhere
# For names in scripts that it does not have, where one of these is installed.
SCRIPTS = (
    "Noto Sans CJK SC",
    "Noto Sans CJK JP",
    "Source Han Sans SC",
    "WenQuanYi Micro Hei",
    "Microsoft YaHei",
    "PingFang SC",
    "Arial Unicode MS",
)
INSTALLED = {font.name for font in fontManager.ttflist}

STYLE: dict[str, Any] = {
    "font.family": [FONT, *(name for name in SCRIPTS if name in INSTALLED)],
    "font.size": 7.5,
    "axes.labelsize": 7.5,
    "axes.titlesize": 7.5,
    "xtick.labelsize": 7,
    "ytick.labelsize": 7,
    "legend.fontsize": 7,
    "text.color": INK,
    "axes.labelcolor": INK,
    "axes.edgecolor": GREY,
    "xtick.color": GREY,
    "ytick.color": GREY,
    "xtick.labelcolor": INK,
    "ytick.labelcolor": INK,
    "axes.linewidth": 0.6,
    "xtick.major.width": 0.6,
    "ytick.major.width": 0.6,
    "xtick.major.size": 2.5,
    "ytick.major.size": 2.5,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": False,
    "grid.color": FAINT,
    "grid.linewidth": 0.5,
    "axes.axisbelow": True,
    "lines.linewidth": 1.3,
    "lines.markersize": 3.5,
    "hatch.linewidth": 0.5,
    "legend.frameon": False,
    "legend.handlelength": 1.8,
    "legend.columnspacing": 1.2,
    "text.parse_math": False,
    "axes.unicode_minus": True,
    "pdf.fonttype": 42,
    "ps.fonttype": 42,
    "savefig.facecolor": "white",
    "figure.facecolor": "white",
    "axes.xmargin": 0.02,
}

STATE_COLOURS = {
    RIGHT: "#c3d3c5",
    "perception": "#d55e00",
    "reasoning": "#0072b2",
    "knowledge": "#cc79a7",
    "calculation": "#e69f00",
    "inconsistency": "#56b4e9",
    "format": "#7d6b9e",
    "grader": "#3b3b3b",
    UNCLASSIFIED: "#b0b0b0",
    WRONG: "#8f8f8f",
    ALL: INK,
}
HATCHES = {
    "perception": "",
    "reasoning": "////",
    "knowledge": "xxxx",
    "calculation": "....",
    "inconsistency": "\\\\\\\\",
    "format": "----",
    "grader": "||||",
    UNCLASSIFIED: "",
    WRONG: "",
    RIGHT: "",
    ALL: "",
}
OTHER_STATE = "#a58b6f"
METHOD_LOOKS = {
    "base": ("#8a8a8a", "s", ":"),
    "grpo": ("#2f5597", "o", "--"),
    "papo_g": ("#b5174b", "D", "-"),
    "papo_off": ("#e08a2e", "d", ":"),  # PAPO's extra pass without its term: the control
    "dapo": ("#1b8a7a", "^", "--"),
    "papo_d": ("#7b3fa0", "v", "-"),
}
FALLBACK_LOOKS = (
    ("#a6611a", "P", "-."),
    ("#4d7f17", "X", "-"),
    ("#00688b", "<", "--"),
    ("#c2528b", ">", ":"),
    ("#5b5bd6", "h", "-."),
    ("#57534e", "*", "-"),
)


class PaperFigure(Figure):
    """A figure that pyplot does not know, so none stays open; notebooks show it as it is saved."""

    def _repr_png_(self) -> bytes:
        return png(self)


@dataclass(frozen=True)
class Look:
    """How a run is drawn."""

    label: str
    colour: str
    marker: str
    line: str


def shortened(name: str, most: int = LONGEST_NAME) -> str:
    """Return a name of at most `most` characters on one line; what is left out is in the middle."""
    name = " ".join(str(name).split()) or "(no name)"
    if len(name) <= most:
        return name
    end = (most - 1) // 2
    return f"{name[: most - 1 - end]}…{name[-end:]}"


def display_names(names: Iterable[str], most: int = LONGEST_NAME) -> list[str]:
    """Return names as papers print them; two that look alike once shortened get a number."""
    found: list[str] = []
    for name in names:
        label = shortened("/".join(NAMES.get(part, part) for part in str(name).split("/")), most)
        repeated = sum(other == label or other.startswith(f"{label} (") for other in found)
        found.append(f"{label} ({repeated + 1})" if repeated else label)
    return found


def run_looks(names: Iterable[str]) -> dict[str, Look]:
    """Known methods in their colours, also inside paths (`papo_g/seed0`), every further run in another one."""
    chosen = list(dict.fromkeys(names))
    spare = [FALLBACK_LOOKS[n % len(FALLBACK_LOOKS)] for n in range(len(chosen))]
    taken: set[str] = set()
    looks = {}
    for name, label in zip(chosen, display_names(chosen), strict=True):
        parts = str(name).lower().replace("\\", "/").split("/")
        method = next((part for part in parts if part in METHOD_LOOKS and part not in taken), None)
        if method:
            taken.add(method)
        looks[name] = Look(label, *(METHOD_LOOKS[method] if method else spare.pop(0)))
    return looks


def state_colour(state: str) -> str:
    return STATE_COLOURS.get(state, OTHER_STATE)


def in_order(states: Iterable[str]) -> list[str]:
    """Error classes in the taxonomy's order, then any other names as they come."""
    found = list(dict.fromkeys(states))
    known = [*CLASSES, UNCLASSIFIED, WRONG]
    return [name for name in known if name in found] + [name for name in found if name not in known]


def luminance(colour: str) -> float:
    """WCAG's relative luminance."""
    rgb = np.array(matplotlib.colors.to_rgb(colour))
    linear = np.where(rgb <= 0.04045, rgb / 12.92, ((rgb + 0.055) / 1.055) ** 2.4)
    return float(linear @ (0.2126, 0.7152, 0.0722))


def contrast(first: str, second: str) -> float:
    """WCAG's contrast of two colours, from 1 to 21."""
    dark, light = sorted((luminance(first), luminance(second)))
    return (light + 0.05) / (dark + 0.05)


def ink_on(colour: str) -> str:
    """Return the colour of text on a colour: one of white and black always reads, the usual ink where it can."""
    return next(ink for ink in (INK, "#ffffff", "#000000") if contrast(ink, colour) >= READABLE)


def spread(wanted: Sequence[float], gap: float, low: float, high: float) -> list[float]:
    """Places as close to the wanted ones as `gap` between neighbours lets them be, within the edges where they fit."""
    order = np.argsort(wanted, kind="stable")
    # With the gaps taken out the places only have to rise: isotonic regression, by pooling what falls.
    pools: list[list[float]] = []
    for rank, index in enumerate(order):
        pools.append([float(wanted[index]) - rank * gap, 1.0])
        while len(pools) > 1 and pools[-2][0] >= pools[-1][0]:
            (first, many), (second, few) = pools[-2:]
            pools[-2:] = [[(first * many + second * few) / (many + few), many + few]]
    level = [place for place, count in pools for _ in range(round(count))]
    roof = max(low, high - (len(level) - 1) * gap)
    found = np.empty(len(level))
    for rank, index in enumerate(order):
        found[index] = min(max(level[rank], low), roof) + rank * gap
    return found.tolist()


def canvas(width: float, height: float) -> Figure:
    """Return an empty figure that keeps everything inside its edges."""
    figure = PaperFigure(figsize=(width, height))
    figure.set_layout_engine("constrained", w_pad=0.06, h_pad=0.05)
    return figure


def legend_above(figure: Figure, handles: Sequence[Artist], labels: Sequence[str]) -> None:
    """Put one legend above the figure, in as many columns as fit; every further line makes the figure higher."""
    if not labels:
        return
    size = matplotlib.rcParams["legend.fontsize"]
    widest = max(TextPath((0, 0), label, size=size).get_extents().width for label in labels)
    columns = int(72 * figure.get_figwidth() // (widest + 5 * size))  # a handle and the space around it
    columns = max(1, min(columns, len(labels), 6))
    lines = -(-len(labels) // columns)
    figure.set_figheight(figure.get_figheight() + 1.5 * size / 72 * (lines - 1))
    figure.legend(handles, labels, loc="outside upper center", ncols=columns)


def paper_style(draw: Callable[..., Figure]) -> Callable[..., Figure]:
    """Draw in the style, and once: ticks that matplotlib makes late would else be in somebody else's style."""

    @wraps(draw)
    def styled(*arguments: Any, **settings: Any) -> Figure:
        with matplotlib.rc_context(STYLE):
            figure = draw(*arguments, **settings)
            figure.draw_without_rendering()
        return figure

    return styled


@contextmanager
def signed(run: Run) -> Iterator[None]:
    """Print below every figure that is written inside which command made it, and of which commit."""
    text = f"{' '.join(run.command)} · commit {run.commit[:7]}{' with changes' if run.dirty else ''}"
    token = FOOTER.set(text)
    try:
        yield
    finally:
        FOOTER.reset(token)


def sign(figure: Figure) -> None:
    """Print the footer on one line; what does not fit is left out in its middle."""
    if text := FOOTER.get():
        fitting = int(72 * figure.get_figwidth() / (0.62 * FOOTER_SIZE))
        figure.supxlabel(shortened(text, fitting), x=0.01, ha="left", fontsize=FOOTER_SIZE, color=GREY)


def bytes_of(figure: Figure, kind: str) -> bytes:
    buffer = io.BytesIO()
    metadata = {"CreationDate": None} if kind == "pdf" else {"Software": None}
    with matplotlib.rc_context(STYLE):
        sign(figure)
        figure.savefig(buffer, format=kind, dpi=DPI, metadata=metadata)
    return buffer.getvalue()


def close(figure: Figure) -> None:
    """Forget a figure that pyplot made; ours are not known to it."""
    from matplotlib import pyplot

    pyplot.close(figure)


def png(figure: Figure) -> bytes:
    """Return the figure as a picture; closes it."""
    found = bytes_of(figure, "png")
    close(figure)
    return found


def save(figure: Figure, folder: Path, name: str) -> list[Path]:
    """Write <name>.png and <name>.pdf with its fonts inside, and close the figure."""
    paths = [Path(folder) / f"{name}.{kind}" for kind in ("png", "pdf")]
    for path in paths:
        atomic_write_bytes(path, bytes_of(figure, path.suffix[1:]))
    close(figure)
    return paths
