"""Figures in one style that a paper can use; each function returns a matplotlib figure, `save` writes PNG and PDF."""

from analysis.figures.accuracy import probes_figure, table_figure
from analysis.figures.curves import curves_beside_baselines, curves_figure
from analysis.figures.dependency import position_figure, word_class_figure
from analysis.figures.errors import confusion_figure, errors_figure, repairs_figure, share_frame, why_wrong_figure
from analysis.figures.flow import flow_figure
from analysis.figures.forest import forest_figure
from analysis.figures.style import COLUMN, PAGE, png, run_looks, save, state_colour

__all__ = [
    "COLUMN",
    "PAGE",
    "confusion_figure",
    "curves_beside_baselines",
    "curves_figure",
    "errors_figure",
    "flow_figure",
    "forest_figure",
    "png",
    "position_figure",
    "probes_figure",
    "repairs_figure",
    "run_looks",
    "save",
    "share_frame",
    "state_colour",
    "table_figure",
    "why_wrong_figure",
    "word_class_figure",
]
