"""What probes find: accuracy against the clean picture, and why the wrong responses are wrong."""

from typing import Any

import numpy as np
import pandas as pd

from analysis.errors import diagnoses, has_classes
from analysis.protocol.transitions import NOTHING, Resampling, Share, flows, states_of
from eval.paired import OVERALL, compare_items, pair
from eval.statistics import mean_of_columns

READABLE = "items it can read"


def probe_rows(clean: pd.DataFrame, frame: pd.DataFrame, name: str, seed: int) -> list[dict[str, Any]]:
    """Return accuracy of a probe and its difference to clean on the same items: by column, by vision need, overall."""
    same = clean[clean.sample_id.isin(frame.sample_id)]
    rows = []
    for by in ("column", "vision_need"):
        items = pair(same, frame, ("the clean picture", name), by=by)
        if by == "vision_need" and set(items.part_I) == {"(no vision_need)"}:
            continue
        for line in compare_items(items, seed):
            if line.part == OVERALL and by == "vision_need":
                continue
            chosen_I = (items.part_I == line.part) | (line.part == OVERALL)
            parts = {part: (items.part_I == part)[chosen_I] for part in set(items.part_I[chosen_I])}
            columns_I, clusters_I = items.column_I[chosen_I], items.cluster_I[chosen_I]
            score = mean_of_columns(items.second_I[chosen_I], columns_I, clusters_I, parts)
            rows.append(
                {
                    "probe": name,
                    "by": by if line.part != OVERALL else OVERALL,
                    "part": line.part,
                    "items": line.items,
                    "accuracy": score.value,
                    "low": score.low,
                    "high": score.high,
                    "clean": line.first,
                    "difference": line.difference,
                    "difference_low": line.low,
                    "difference_high": line.high,
                    "p": line.p_difference,
                    "p_holm": line.p_difference_holm,
                }
            )
    return rows


def overall(rows: list[dict[str, Any]]) -> dict[str, Any]:
    return next(row for row in rows if row["by"] == "overall")


def with_states(frame: pd.DataFrame) -> pd.DataFrame:
    """`state`: right, wrong, or misread where a wrong chain of the mini world states a false fact."""
    state = frame.correct.astype(bool).map({True: "right", False: "wrong"})
    if has_classes(frame):
        state[[one.primary == "perception" for one in diagnoses(frame)]] = "misread"
    return frame.assign(state=state)


def why_wrong(clean: pd.DataFrame, oracle: pd.DataFrame, seed: int) -> dict[str, Share]:
    """Return shares of the wrong responses on the clean picture, as analysis/probes/run.py defines them; they
    sum to 1.
    """
    ids = sorted(oracle.sample_id.unique())
    names = ("right", "wrong", "misread")
    before, told = (states_of(with_states(f[f.sample_id.isin(ids)]), names, ids) for f in (clean, oracle))
    wrong_ISS = flows(before, told)[:, 1:].sum(axis=1)
    wrong_I, draw = 1 - before.shares_IS[:, 0], Resampling(before, seed)
    if before.k > 1:
        again_I = flows(before, before)[:, 1:, 0].sum(axis=1)
        chance, unseen = draw.ratios(np.stack([again_I, wrong_ISS[:, 0] - again_I], axis=1), wrong_I, (-1, 1))
    else:
        chance, unseen = NOTHING, draw.ratios(wrong_ISS[:, :1], wrong_I, (0, 1))[0]
    unreasoned, unread = draw.ratios(wrong_ISS[:, 1:], wrong_I, (0, 1))
    wrong = draw.ratios(wrong_I[:, None], np.ones(len(ids)), (0, 1))[0]
    return {
        "wrong": wrong,
        "chance": chance,
        "did not see": unseen,
        "did not take up the text": unread,
        "could not reason": unreasoned,
    }


def splits(
    clean: pd.DataFrame, oracle: pd.DataFrame, readable: list[str] | None, seed: int
) -> dict[str, dict[str, Share]]:
    """`why_wrong` of all items, of those whose text the model can read, by level of vision need and by column."""
    parts = {"all items": oracle}
    if readable:
        parts[READABLE] = oracle[oracle.sample_id.isin(readable)]
    for name in ("vision_need", "column"):
        values = [value for value in oracle[name].unique() if value]
        parts |= {f"{name}: {value}": oracle[oracle[name] == value] for value in values if len(values) > 1}
    return {name: why_wrong(clean, part, seed) for name, part in parts.items() if not part.empty}
