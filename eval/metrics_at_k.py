"""pass@k and maj@k from n responses per item: the mean over all choices of k of the n, in closed form.

pass@k: at least one of k responses is right. maj@k: the answer that most of k responses give is right; between answers
given equally often chance decides. Shapes: I items, n responses per item.
"""

import re
from collections import Counter
from collections.abc import Sequence
from functools import lru_cache
from math import comb

import numpy as np
import pandas as pd
from scipy.stats import hypergeom

from common import UserError
from eval.statistics import mean_over_items
from verify.equality import MAXIMUM_LENGTH, is_wordy, plain_text
from verify.notation import compact, tidy

_DECIMAL = re.compile(r"-?[0-9]+\.[0-9]+")


def normalised(answer: str) -> str:
    """Return the spelling under which equal answers are counted: notation, case of words and zeros after the
    point go.
    """
    if len(answer) > MAXIMUM_LENGTH:
        return answer.strip()
    bare = tidy(answer)
    text = plain_text(bare) if is_wordy(bare) else compact(bare)
    return text.rstrip("0").rstrip(".") if _DECIMAL.fullmatch(text) else text


def check_k(k: int, responses: int) -> None:
    if not 1 <= k <= responses:
        raise UserError(f"k={k} needs that many responses per item, and there are {responses}; take k from 1 to that")


def pass_at_k(correct_In: np.ndarray, k: int) -> np.ndarray:
    """Per item, the chance that k of the n responses, drawn without putting back, hold a right one."""
    correct_In = np.asarray(correct_In, dtype=bool)
    responses = correct_In.shape[1]
    check_k(k, responses)
    return 1 - hypergeom.pmf(0, responses, correct_In.sum(axis=1), k)


@lru_cache(maxsize=1 << 14)
def expected_majority(answers: tuple[tuple[int, float], ...], silent: int, k: int) -> float:
    """Chance that k responses elect a right answer; `answers` holds count and share judged right of each answer.

    For every answer that may win and every number of votes it may win with, count the ways to draw the other votes:
    ways[s, r] draws s of them so that no other answer gets more votes and r others get equally many.
    `silent` responses give no answer and have no vote; without votes the item is wrong.
    """
    total = 0.0
    for place, (count, right) in enumerate(answers):
        for votes in range(1, min(count, k) + 1) if right else ():
            ways = np.zeros((k - votes + 1, (k - votes) // votes + 2))
            ways[:, 0] = [comb(silent, drawn) for drawn in range(k - votes + 1)]
            for other, _ in answers[:place] + answers[place + 1 :]:
                ways = with_another_answer(ways, other, votes)
            shares = ways[-1] / np.arange(1, ways.shape[1] + 1)
            total += right * comb(count, votes) * float(shares.sum())
    return total / comb(sum(count for count, _ in answers) + silent, k)


def with_another_answer(ways: np.ndarray, count: int, votes: int) -> np.ndarray:
    """Return the table of ways after one more answer, of which `count` responses exist, got at most `votes` votes."""
    more = np.zeros_like(ways)
    for drawn in range(min(count, votes, len(ways) - 1) + 1):
        before = comb(count, drawn) * ways[: len(ways) - drawn]
        if drawn < votes:
            more[drawn:] += before
        else:
            more[drawn:, 1:] += before[:, :-1]
    return more


def vote(answer: str | None, right: bool) -> str | None:
    """Return what a response votes for; None = nothing. A scorer may accept a response whose answer it does
    not name.
    """
    text = normalised(answer) if answer else ""
    return text if text or right else None


def majority_at_k(extracted_In: Sequence[Sequence[str | None]], correct_In: np.ndarray, k: int) -> np.ndarray:
    """Per item, the chance that a majority of k of the n responses is right; None is a response without an answer.

    One spelling that was judged both ways (a grader may read more than the answer) counts as right by its share.
    """
    values = []
    for extracted, correct in zip(extracted_In, np.asarray(correct_In, dtype=bool), strict=True):
        check_k(k, len(correct))
        keys = [vote(answer, right) for answer, right in zip(extracted, correct, strict=True)]
        counts = Counter(key for key in keys if key is not None)
        rights = Counter(key for key, right in zip(keys, correct, strict=True) if right)
        # Sorted, so that items with the same counts share one computation.
        answers = tuple(sorted((count, rights[key] / count) for key, count in counts.items()))
        values.append(expected_majority(answers, keys.count(None), k))
    return np.array(values)


def usual_ks(responses: int) -> list[int]:
    """1, 2, 4, ... and the number of responses itself."""
    return [*(2**power for power in range(responses.bit_length()) if 2**power < responses), responses]


def metrics_at_k(predictions: pd.DataFrame, ks: Sequence[int] | None = None) -> dict[str, dict[str, float]]:
    """pass@k and maj@k of predictions (columns sample_id, cluster, k, correct, extracted), for `scores.json`."""
    wide = predictions.pivot(index="sample_id", columns="k", values=["correct", "extracted"])
    correct_In = wide["correct"]
    if correct_In.isna().any().any():
        missing = int(correct_In.isna().any(axis=1).sum())
        raise UserError(f"{missing} items lack a response or a verdict; give only items that all responses are judged")
    clusters = predictions.drop_duplicates("sample_id").set_index("sample_id").cluster.loc[wide.index].tolist()
    extracted = wide["extracted"].astype(object)
    extracted_In = extracted.where(extracted.notna(), None).to_numpy().tolist()
    found: dict[str, dict[str, float]] = {}
    for k in ks or usual_ks(correct_In.shape[1]):
        found[f"pass@{k}"] = mean_over_items(pass_at_k(correct_In, k), clusters).mean_record()
        found[f"maj@{k}"] = mean_over_items(majority_at_k(extracted_In, correct_In, k), clusters).mean_record()
    return found
