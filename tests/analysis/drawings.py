"""What the tests of the figures share: made-up runs, and what stands in a drawing."""

import pandas as pd
from matplotlib.figure import Figure
from matplotlib.text import Text

from analysis.protocol.transitions import RIGHT

LONG = "runs/2026-01-05/a sweep over the coefficient $\\gamma$ of the perception_{KL}/seed0"
HOSTILE = "$x_{1}$ \\frac{ <b>&amp;"
MANY = ("base", HOSTILE, LONG, "papo_g/seed0", "papo_g/seed1", "x")
# Per item the states of two responses; what the figures must show is worked out by hand from these.
FIRST = [["right", "right"], ["perception", "perception"], ["perception", "perception"], ["format", "format"]]
SECOND = [["right", "perception"], ["right", "right"], ["perception", "perception"], ["right", "right"]]


def frame_of(states: list[list[str]], k: int = 2) -> pd.DataFrame:
    rows = [
        (f"item/{item}", number, state) for item, line in enumerate(states) for number, state in enumerate(line[:k])
    ]
    frame = pd.DataFrame(rows, columns=["sample_id", "k", "state"])
    return frame.assign(
        column="chart", cluster=frame.sample_id, correct=frame.state == RIGHT, misread=frame.state == "perception"
    )


def texts(figure: Figure) -> list[str]:
    return [text.get_text() for text in figure.findobj(Text) if text.get_visible() and text.get_text()]


def points(value: float, low: float, high: float, **more: object) -> dict:
    return {"difference": value, "low": low, "high": high, **more}


def profile(column: str, keys: list, means: list[float], margin: float = 0.1) -> pd.DataFrame:
    frame = pd.DataFrame({column: keys, "mean": means})
    return frame.assign(low=frame["mean"] - margin, high=frame["mean"] + margin)
