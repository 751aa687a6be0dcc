"""Where answers lean on the picture: along the chain and by kind of word, one line or row of points per run."""

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from analysis.figures.style import COLUMN, PAGE, canvas, legend_above, paper_style, run_looks, shortened
from common import UserError

SCORES = {
    "k1": "fall of log-probability, k1 (nats)",
    "k3": "visual dependency, k3 (nats)",
    "probability_drop": "fall of probability",
    "entropy_change": "change of entropy (nats)",
    "kl": "KL (nats)",
}


def checked(profiles: dict[str, pd.DataFrame], column: str) -> None:
    if not any(len(frame) for frame in profiles.values()):
        raise UserError("there is no dependency profile to draw; score some responses first")
    for name, frame in profiles.items():
        if column not in frame or "mean" not in frame:
            raise UserError(f"the profile of {name} has no columns '{column}' and 'mean'; make it by_{column}")
        if frame[column].duplicated().any():
            raise UserError(f"the profile of {name} has several rows per {column}; draw one outcome at a time")


@paper_style
def position_figure(profiles: dict[str, pd.DataFrame], score: str) -> Figure:
    """Mean score along the answer, with its 95 % interval as a band; an empty bin is a gap."""
    checked(profiles, "position")
    figure = canvas(COLUMN, 2.2)
    axes = figure.subplots()
    width = min((np.diff(np.sort(f.position)).min() for f in profiles.values() if len(f) > 1), default=1.0)
    for name, look in run_looks(profiles).items():
        frame = profiles[name].sort_values("position")
        values = frame[["position", "mean", "low", "high"]].astype(float).to_numpy()
        gaps = np.flatnonzero(np.diff(values[:, 0]) > 1.5 * width) + 1
        x, mean, low, high = np.insert(values, gaps, np.nan, axis=0).T
        axes.plot(100 * x, mean, color=look.colour, ls=look.line, marker=look.marker, label=look.label)
        axes.fill_between(100 * x, low, high, color=look.colour, alpha=0.18, lw=0)
    axes.set_xlim(0, 100)
    axes.set_xlabel("position in the answer (% of its tokens)")
    axes.set_ylabel(SCORES.get(score, score))
    axes.grid(axis="y")
    legend_above(figure, *axes.get_legend_handles_labels())
    return figure


@paper_style
def word_class_figure(profiles: dict[str, pd.DataFrame], score: str) -> Figure:
    """Mean score of each kind of word with its interval; unused kinds are left out."""
    from analysis.dependency.profile import WORD_CLASSES  # which imports torch

    checked(profiles, "word_class")
    used = {str(kind) for frame in profiles.values() for kind in frame.dropna(subset=["mean"]).word_class}
    kinds = [kind for kind in WORD_CLASSES if kind in used] + sorted(used - set(WORD_CLASSES))
    looks = run_looks(profiles)
    figure = canvas(COLUMN if len(looks) * len(kinds) <= 18 else PAGE, 2.2)
    axes = figure.subplots()
    step = min(0.2, 0.7 / len(looks))
    for number, (name, look) in enumerate(looks.items()):
        frame = profiles[name].assign(word_class=profiles[name].word_class.astype(str)).set_index("word_class")
        part = frame.reindex(kinds)[["mean", "low", "high"]].astype(float)
        x = np.arange(len(kinds)) + (number - (len(looks) - 1) / 2) * step
        axes.errorbar(
            x,
            part["mean"],
            np.stack([part["mean"] - part.low, part.high - part["mean"]]).clip(0),
            fmt=look.marker,
            color=look.colour,
            elinewidth=1,
            label=look.label,
        )
    axes.set_xticks(range(len(kinds)), [shortened(kind, 16) for kind in kinds])
    axes.set_xlim(-0.6, len(kinds) - 0.4)
    axes.set_ylabel(SCORES.get(score, score))
    axes.grid(axis="y")
    legend_above(figure, *axes.get_legend_handles_labels())
    return figure
