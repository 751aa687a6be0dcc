"""A judge that errs on purpose, in known proportions: to see what calibration can do before a real judge is paid for.

It knows the true class of every response, and says something else as often as its habits state. Nothing here reads a
response or a picture. Its replies are those a real judge would send, so everything from the parsing on is the real
thing (analysis/judge/classes.py).
"""

import json
import random
from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from analysis.judge.classes import LABELS, PASSES, read_labels, rows_of
from analysis.judge.prompt import read_classify
from analysis.judge.summary import agreement_sentences, summary_of
from analysis.judge.wrong_items import Drawn, WrongItem, draw
from analysis.protocol.transitions import Share
from analysis.protocol.words import points
from analysis.runs import OpenedRun
from analysis.taxonomy import CLASSES
from common import UserError
from eval.estimate import number_text
from verify.judge_prompts import Judgement

UNPARSED = "unparsed"


@dataclass(frozen=True)
class Habits:
    """How a judge errs; shares between 0 and 1."""

    right: float = 0.72  # of the labels that are the true class
    favourite: str = "reasoning"  # what it says most when it errs
    pull: float = 0.7  # of its errors that are the favourite; the rest is spread evenly
    repeats: float = 0.5  # of the second pass's labels that are the first's again, as a real judge's errors are
    silent: float = 0.03  # of the replies that hold no label

    def __post_init__(self) -> None:
        shares = (self.right, self.pull, self.repeats, self.silent)
        if not all(0 <= share <= 1 for share in shares) or self.favourite not in CLASSES:
            raise UserError(
                f"{self} is no judge: shares lie between 0 and 1, the favourite is one of {', '.join(CLASSES)}"
            )


def confusion_of(habits: Habits) -> pd.DataFrame:
    """Return how often the judge says each class (rows) of each true class (columns); columns sum to 1."""
    table = pd.DataFrame(0.0, index=pd.Index(CLASSES, name="judge"), columns=pd.Index(CLASSES, name="truth"))
    for truth in CLASSES:
        others = [name for name in CLASSES if name != truth]
        liked = [name for name in others if name == habits.favourite] or others
        rest = [name for name in others if name not in liked] or others
        wrong = 1 - habits.right
        for names, share in ((liked, wrong * habits.pull), (rest, wrong * (1 - habits.pull))):
            table.loc[names, truth] += share / len(names)
        table.loc[truth, truth] = habits.right
    return table


def reply_of(rng: random.Random, habits: Habits, label: str) -> Judgement:
    """Return the reply with a label, read as a real one; now and then one without."""
    if rng.random() < habits.silent:
        return Judgement(None, UNPARSED, "(the simulated judge says nothing)")
    reply = json.dumps({"primary": label, "secondary": [], "quote": None})
    return read_classify(reply) or Judgement(None, UNPARSED, reply)


def simulate(items: Sequence[WrongItem], habits: Habits, seed: int = 0) -> pd.DataFrame:
    """Return two blinded passes over responses of known class, in the rows that analysis.judge.classes writes."""
    table = confusion_of(habits)
    passes: list[list[Judgement]] = [[] for _ in range(PASSES)]
    unknown = sum(item.truth is None for item in items)
    if unknown:
        raise UserError(
            f"{unknown} of {len(items)} responses have no true class; only the mini world's can be simulated"
        )
    for item in items:
        rng = random.Random(f"{seed}/{item.key}")
        chances = table[item.truth].tolist()
        first, other = rng.choices(CLASSES, chances, k=2)
        second = first if rng.random() < habits.repeats else other
        for judgements, label in zip(passes, (first, second), strict=True):
            judgements.append(reply_of(rng, habits, label))
    frame = pd.DataFrame(rows_of(items, passes))
    return frame.assign(label=frame.label.astype(object).where(frame.label.notna(), None))


def errors_of(views: Sequence[OpenedRun], items: int, seed: int, balanced: bool = False) -> Drawn:
    """Wrong responses of runs, as analysis.judge.classes draws them."""
    return draw([view.evaluation for view in views], items, seed, balanced=balanced)


def true_shares(items: Sequence[WrongItem]) -> dict[str, float]:
    """Return what the judge is to find out: the share of every class among the responses."""
    counts = Counter(str(item.truth) for item in items)
    return {name: counts[name] / len(items) for name in CLASSES}


def record_of(rows: pd.DataFrame, calibration: pd.DataFrame | None = None, seed: int = 0) -> dict[str, Any]:
    """Return all numbers of labels, as analysis.judge.classes writes them."""
    reasons = {str(n): dict(Counter(part.reason)) for n, part in rows.groupby("pass")}
    return summary_of(rows, calibration, seed) | {"reasons": reasons}


def labels_sentences(record: dict[str, Any]) -> list[str]:
    """Return agreement of the two passes, in words."""
    return [line.removeprefix("- ") for line in agreement_sentences(record)]


def confusion_frame(record: dict[str, Any]) -> pd.DataFrame:
    """Return what the judge said (rows) of every true class (columns), counted; an item's labels share a
    weight of 1.
    """
    table = pd.DataFrame(record["confusion"], index=pd.Index(CLASSES, name="truth"), columns=CLASSES)
    return table.rename_axis(columns="judge").T.loc[:, lambda frame: frame.sum() > 0]


def percent_table(table: pd.DataFrame) -> pd.DataFrame:
    """Return a confusion in percent, as text, with its row names as a column."""
    texts = table.map(lambda share: number_text(share) if share else "")
    return texts.reset_index(names=f"{table.index.name} says")


def rate_frame(record: dict[str, Any], truth: dict[str, float]) -> pd.DataFrame:
    """Per class: the true share, the judge's and the corrected one with their intervals (shares)."""
    rows = []
    for said, corrected in zip(record["rates"], record["corrected"], strict=True):
        rows.append(
            (
                said["name"],
                truth[said["name"]],
                said["said"],
                *said["interval"],
                corrected["corrected"],
                corrected["low"],
                corrected["high"],
                corrected["calibrated"],
            )
        )
    columns = ["class", "truth", "said", "said_low", "said_high", "corrected", "low", "high", "calibrated"]
    return pd.DataFrame(rows, columns=columns)


def rate_table(rates: pd.DataFrame) -> pd.DataFrame:
    """Return the rates as text, in percent."""
    said, corrected = (
        [points(Share(*line)) for line in rates[names].to_numpy(dtype=float)]
        for names in (["said", "said_low", "said_high"], ["corrected", "low", "high"])
    )
    note = ["" if known else "not calibrated" for known in rates.calibrated]
    return pd.DataFrame(
        {
            "class": rates["class"],
            "truth, %": [number_text(share) for share in rates.truth],
            "the judge says, %": said,
            "corrected, %": corrected,
            "": note,
        }
    )


def holds_truth(rates: pd.DataFrame, low: str, high: str) -> int:
    inside = (rates[low] - 1e-9 <= rates.truth) & (rates.truth <= rates[high] + 1e-9)
    return int(inside.sum())


def rate_sentences(rates: pd.DataFrame, of: str = "perception") -> list[str]:
    """Return how far off the judge's word is, and what the correction makes of it."""
    row = rates.set_index("class").loc[of]
    said, corrected = Share(row.said, row.said_low, row.said_high), Share(row.corrected, row.low, row.high)
    naive, mended = holds_truth(rates, "said_low", "said_high"), holds_truth(rates, "low", "high")
    return [
        f"{of}: the judge says {points(said)} %, corrected that is {points(corrected)} %, and the truth is "
        f"{number_text(row.truth)} %.",
        f"The intervals hold the truth in {naive} of {len(rates)} classes as the judge says, in {mended} corrected.",
    ]


def rate_errors(rates: pd.DataFrame) -> pd.DataFrame:
    """Rates minus the truth in points, as a forest plot takes them; the judge's word above, corrected below."""
    parts = []
    for group, names in (
        ("as the judge says", ["said", "said_low", "said_high"]),
        ("corrected", ["corrected", "low", "high"]),
    ):
        errors = 100 * (rates[names].to_numpy(dtype=float) - rates.truth.to_numpy()[:, None])
        frame = pd.DataFrame(errors, columns=["difference", "low", "high"])
        parts.append(frame.assign(label=rates["class"], group=group))
    return pd.concat(parts, ignore_index=True)


def coverage(
    calibration: Sequence[WrongItem], target: Sequence[WrongItem], habits: Habits, trials: int, of: str = "perception"
) -> pd.DataFrame:
    """Return the same judge again and again: rates of one class in every trial, with the truth beside them."""
    truth = true_shares(target)
    rows = []
    for trial in range(trials):
        record = record_of(simulate(target, habits, trial), simulate(calibration, habits, trial), trial)
        rates = rate_frame(record, truth)
        rows.append(rates[rates["class"] == of].assign(trial=trial))
    return pd.concat(rows, ignore_index=True)


def coverage_sentence(trials: pd.DataFrame) -> str:
    """Return how often the intervals hold the truth, in words."""
    name, mean = trials["class"].iloc[0], np.abs(trials.corrected - trials.truth).mean()
    naive, mended = holds_truth(trials, "said_low", "said_high"), holds_truth(trials, "low", "high")
    return (
        f"{len(trials)} simulated judges of these habits: the interval of the {name} rate holds the truth {naive} "
        f"times as the judge says, {mended} times corrected; the corrected rate is off by "
        f"{number_text(mean)} points on average."
    )


def real_sentences(folder: str) -> list[str]:
    """Return what a real judge's labels say, if there are any."""
    if not folder or not (Path(folder) / LABELS).exists():
        there = f"{Path(folder).name} holds no {LABELS}" if folder else "PERCEPT_LABELS names no folder"
        return [f"No labels of a real judge here: {there}; python -m analysis.judge writes them."]
    record = record_of(read_labels(Path(folder)))
    said = [
        f"{rate['name']}: the judge says {points(Share(rate['said'], *rate['interval']))} %."
        for rate in record["rates"] or []
    ]
    return [*labels_sentences(record), *said]


def habits_sentence(habits: Habits) -> str:
    """Return the judge in words."""
    shares = {name: f"{100 * value:.0f} %" for name, value in asdict(habits).items() if isinstance(value, float)}
    return (
        f"SIMULATED judge: says the true class in {shares['right']} of its labels; {shares['pull']} of its errors are "
        f"'{habits.favourite}'; the second pass repeats the first in {shares['repeats']} of cases; {shares['silent']} "
        "of its replies hold no label."
    )
