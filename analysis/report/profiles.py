"""Where the scored answers of a report lean on the picture: the lines of its table and the frames of its figures."""

from collections.abc import Mapping
from dataclasses import dataclass

import pandas as pd

from analysis.dependency.profile import by_outcome, by_position, by_word_class, profile

SCORES = ("k3", "k1")
MAIN = "k3"  # PAPO's own, and what VPPO ranks tokens by
KINDS = {"all": "", "word_class": "kind of word", "outcome": "outcome"}


@dataclass(frozen=True)
class Profiles:
    """By run: lines of the table, the cost of masking in k1 over all tokens, and the frames of two figures."""

    lines: dict[str, pd.DataFrame]
    costs: dict[str, pd.Series]
    positions: dict[str, pd.DataFrame]
    word_classes: dict[str, pd.DataFrame]


def cuts(frame: pd.DataFrame, score: str) -> dict[str, pd.DataFrame]:
    """Return one score over all tokens, by kind of word and by outcome."""
    return {
        "all": profile(frame.assign(all="all tokens"), score, ["all"]),
        "word_class": by_word_class(frame, score),
        "outcome": by_outcome(frame, score),
    }


def table_lines(made: Mapping[str, Mapping[str, pd.DataFrame]]) -> pd.DataFrame:
    """Return the cuts of all scores side by side: kind, group, responses, tokens, and three numbers of each score."""
    parts = []
    for kind, title in KINDS.items():
        groups = made[MAIN][kind]
        part = groups[["responses", "tokens"]].assign(kind=title, group=groups[kind].astype(str))
        numbers = {f"{s}_{end}": made[s][kind][end] for s in SCORES for end in ("mean", "low", "high")}
        parts.append(part.assign(**numbers))
    return pd.concat(parts, ignore_index=True)


def profiles_of(frames: Mapping[str, pd.DataFrame]) -> Profiles:
    """`frames`: run -> its token frame, for the runs that could be scored."""
    made = {run: {score: cuts(frame, score) for score in SCORES} for run, frame in frames.items()}
    return Profiles(
        {run: table_lines(one) for run, one in made.items()},
        {run: one["k1"]["all"].iloc[0] for run, one in made.items()},
        {run: by_position(frame, MAIN) for run, frame in frames.items()},
        {run: one[MAIN]["word_class"] for run, one in made.items()},
    )
