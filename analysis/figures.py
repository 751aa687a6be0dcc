"""Figures in one style; each function returns a matplotlib figure."""

import io

import matplotlib

matplotlib.use("Agg")

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from analysis.errors import CLASSES
from analysis.table import NAMES

COLOURS = {"base": "#9aa0a6", "grpo": "#4c78a8", "papo_g": "#e4572e", "dapo": "#72b7b2", "papo_d": "#b279a2"}
CLASS_COLOURS = dict(zip(CLASSES, ("#e4572e", "#4c78a8", "#f2b134", "#76b041", "#9aa0a6", "#000000"), strict=True))
STYLE = {"font.size": 9, "axes.spines.top": False, "axes.spines.right": False, "axes.grid": True, "grid.alpha": 0.25,
         "figure.dpi": 130, "legend.frameon": False}  # fmt: skip


def png(figure: Figure) -> bytes:
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png", bbox_inches="tight")
    plt.close(figure)
    return buffer.getvalue()


def table_figure(ours: pd.DataFrame, headings: list[str]) -> Figure:
    """Accuracy per column and average with its interval, one point per method."""
    with plt.rc_context(STYLE):
        figure, axes = plt.subplots(figsize=(9, 3.6))
        methods = list(ours.method.unique())
        for number, method in enumerate(methods):
            part = ours[ours.method == method].set_index("heading").loc[headings]
            x = np.arange(len(headings)) + (number - (len(methods) - 1) / 2) * 0.2
            errors = np.abs(np.stack([part.value - part.low, part.high - part.value]))
            axes.errorbar(x, part.value, errors, fmt="o", ms=4, capsize=2, color=COLOURS.get(method),
                          label=NAMES.get(method, method))  # fmt: skip
        axes.set_xticks(range(len(headings)), headings, rotation=30, ha="right")
        axes.set_ylabel("accuracy, avg@k (%)")
        axes.legend(ncols=len(methods), loc="upper center", bbox_to_anchor=(0.5, 1.14))
    return figure


def curves_figure(metrics: dict[str, list[pd.DataFrame]]) -> Figure:
    """Training accuracy, perception KL, surprisal and length over the steps; thin lines are seeds."""
    panels = {"reward/accuracy": "training accuracy", "actor/kl_prcp_loss": "perception KL loss (falls as KL grows)",
              "actor/entropy_loss": "surprisal per token (nats)",
              "response_length/mean": "response length (tokens)"}  # fmt: skip
    with plt.rc_context(STYLE):
        figure, grid = plt.subplots(1, len(panels), figsize=(13, 2.8))
        for axes, (name, title) in zip(grid, panels.items(), strict=True):
            for method, seeds in metrics.items():
                frames = [frame.set_index("step")[name] for frame in seeds if name in frame]
                if not frames:
                    continue
                smooth = [frame.rolling(8, min_periods=1).mean() for frame in frames]
                for one in smooth:
                    axes.plot(one.index, one, color=COLOURS.get(method), alpha=0.3, lw=0.8)
                mean = pd.concat(smooth, axis=1).mean(axis=1)
                axes.plot(mean.index, mean, color=COLOURS.get(method), lw=1.8, label=NAMES.get(method, method))
            axes.set_title(title, fontsize=9)
            axes.set_xlabel("step")
        grid[0].legend()
        figure.tight_layout()
    return figure


def errors_figure(shares: pd.DataFrame) -> Figure:
    """Share of all responses in each error class, one bar per method; the rest is right."""
    with plt.rc_context(STYLE):
        figure, axes = plt.subplots(figsize=(7, 0.6 + 0.5 * len(shares)))
        left = np.zeros(len(shares))
        for name in CLASSES:
            values = 100 * shares[name].to_numpy()
            bars = axes.barh(range(len(shares)), values, left=left, color=CLASS_COLOURS[name], label=name)
            labels = [f"{v:.1f}" if v >= 2 else "" for v in values]
            axes.bar_label(bars, labels, label_type="center", fontsize=8, color="white")
            left += values
        axes.set_yticks(range(len(shares)), [NAMES.get(m, m) for m in shares.index])
        axes.invert_yaxis()
        axes.set_xlabel("share of all responses that are wrong, by class (%)")
        axes.legend(ncols=6, loc="upper center", bbox_to_anchor=(0.5, -0.35), fontsize=8)
    return figure
