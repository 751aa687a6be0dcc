"""How many of a run's errors are of one class, whole and in parts: by column, by their need of the picture.

Shares are of wrong responses, with 95 % intervals from a bootstrap of clusters of items (protocol/transitions.py), so
that several responses to one problem do not pass for independent. Shapes: I items.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from analysis import taxonomy
from analysis.errors import CLASSES
from analysis.protocol.flow import ALL, FORWARD, Findings
from analysis.protocol.transitions import RIGHT, WRONG, Resampling, Share, States, state_names, states_of
from analysis.protocol.words import points
from analysis.runs import OpenedRun
from common import UserError
from eval.estimate import number_text

PERCEPTION, WHOLE, NAMELESS = taxonomy.PERCEPTION.name, "all", "(none)"
LEVELS = ("low", "medium", "high")  # of vision need; all other parts stand in the order of their items
COUNTS, SHARES = ["responses", "wrong", "errors"], ["share", "low", "high"]


@dataclass(frozen=True)
class Errors:
    """Wrong responses of one run: how many of each class, and what part of the run's errors that is."""

    counts: dict[str, int]  # class -> responses; `all errors` is their sum
    shares: dict[str, Share]  # class -> share of the errors, over clusters of items
    responses: int


def errors_of(states: States, draw: Resampling, inside_I: np.ndarray | None = None) -> Errors:
    """Return counts of a run's wrong responses by class, and each class's share of them; of some items or of all."""
    inside_I = np.ones(len(states.column_I), dtype=bool) if inside_I is None else inside_I
    state_Ik = states.state_Ik[inside_I]
    places = [place for place, name in enumerate(states.names) if name != RIGHT]
    classes = [states.names[place] for place in places]
    counts = {name: int((state_Ik == place).sum()) for name, place in zip(classes, places, strict=True)}
    above_IX = states.shares_IS[:, places] * inside_I[:, None]
    shares = draw.ratios(above_IX, above_IX.sum(axis=1), (0, 1)) if classes else []
    return Errors(counts | {ALL: sum(counts.values())}, dict(zip(classes, shares, strict=True)), state_Ik.size)


def class_shares(
    views: Sequence[OpenedRun], of: str = PERCEPTION, by: str | None = None, seed: int = 0
) -> pd.DataFrame:
    """Return one row per run and part: responses, wrong ones, those of the class, and their share among the wrong
    ones.

    `by` is a column of the predictions with one value per item; items without one are the part "(none)".
    """
    return pd.concat([shares_of_run(view, of, by, seed) for view in views], ignore_index=True)


def parts_of(view: OpenedRun, ids: Sequence[str], by: str | None) -> np.ndarray:
    """Return the part of every item."""
    if by is None:
        return np.full(len(ids), WHOLE)
    if by not in view.predictions:
        raise UserError(
            f"the predictions of {view.name} have no column '{by}'; they have {', '.join(view.predictions.columns)}"
        )
    items = view.predictions.drop_duplicates("sample_id").set_index("sample_id").loc[ids]
    return items[by].fillna("").astype(str).replace("", NAMELESS).to_numpy()


def shares_of_run(view: OpenedRun, of: str, by: str | None, seed: int) -> pd.DataFrame:
    if (view.predictions.state == WRONG).any():
        raise UserError(
            f"the errors of {view.name} have no classes; on the mini world they come by construction, elsewhere from "
            "python -m analysis.judge"
        )
    ids = sorted(view.predictions.sample_id.unique())
    names = state_names([view.predictions], CLASSES)
    states = states_of(view.predictions, names if of in names else (*names, of), ids)
    part_I, draw = parts_of(view, ids, by), Resampling(states, seed)
    rows = []
    for part in sorted(dict.fromkeys(part_I), key=lambda part: LEVELS.index(part) if part in LEVELS else -1):
        errors = errors_of(states, draw, part_I == part)
        share = errors.shares[of]
        counts = (errors.responses, errors.counts[ALL], errors.counts[of])
        rows.append((view.name, part, *counts, share.value, share.low, share.high))
    frame = pd.DataFrame(rows, columns=["run", "part", *COUNTS, *SHARES])
    return frame.astype(dict.fromkeys(SHARES, float))


def share_text(row: "pd.Series") -> str:
    """Return a share in percent with its interval, and of how many; a dash where nothing is wrong."""
    if pd.isna(row.share):
        return "—"
    return f"{points(Share(row.share, row.low, row.high))} of {row.wrong:,}"


def share_table(shares: pd.DataFrame, name: str = "part") -> pd.DataFrame:
    """Return a line per part, a column of text per run; `name` heads the parts."""
    texts = shares.assign(text=shares.apply(share_text, axis=1)).pivot(index="part", columns="run", values="text")
    texts = texts.loc[shares.part.unique(), shares.run.unique()]
    return texts.rename_axis(index=name, columns=None).reset_index()


def balance_sentence(found: Findings, names: Sequence[str], of: str = PERCEPTION) -> str:
    """Return what repairs and new errors of a class come to: its share of all responses under both runs."""
    line = next((line for line in found.lines if line.part == of), None)
    if line is None:
        return f"Neither {names[0]} nor {names[1]} makes a {of} error."
    place, right = found.names.index(of), found.names.index(RIGHT)
    mended, broken = (100 * (found.flow[FORWARD][a][b].value or 0) for a, b in ((place, right), (right, place)))
    change = points(Share(line.difference, line.low, line.high), "+")
    return (
        f"Of all responses {number_text(line.first)} % are {of} errors under {names[0]} and "
        f"{number_text(line.second)} % under {names[1]}, {change} points: {mended:.1f} % of the pairs of responses go "
        f"from such an error to right, {broken:.1f} % the other way."
    )
