"""The judge's habits are found, and class rates are freed from them only as far as the calibration allows."""

import numpy as np
import pandas as pd
import pytest

from analysis.judge.calibration import (
    FEWEST,
    Labelled,
    calibrated_classes,
    confusion,
    corrected_rates,
    fitted,
    labelled,
    qualities,
)
from analysis.taxonomy import CLASSES
from common import UserError

TRUTHS = [name for name in CLASSES if name != "knowledge"]
SHARES = np.array([0.5, 0.22, 0.12, 0.08, 0.08, 0.0])  # of TRUTHS in a target set
PER_CLASS, TARGET = 80, 250


def noisy(right: float) -> np.ndarray:
    """Rows: what a judge says (CLASSES) of each true class; its mistakes lean towards reasoning."""
    habits_TJ = np.full((len(TRUTHS), len(CLASSES)), (1 - right) / 2 / (len(CLASSES) - 1))
    habits_TJ[:, CLASSES.index("reasoning")] += (1 - right) / 2
    for place, name in enumerate(TRUTHS):
        habits_TJ[place, CLASSES.index(name)] += right
    return habits_TJ / habits_TJ.sum(axis=1, keepdims=True)


def judged(rng: np.random.Generator, habits_TJ: np.ndarray, places: np.ndarray) -> Labelled:
    """Two labels for each item of the given true classes."""
    labels = np.array([rng.choice(len(CLASSES), size=2, p=habits_TJ[place]) for place in places])
    shares_IJ = np.eye(len(CLASSES))[labels].mean(axis=1)
    names = np.array([f"problem {n}" for n in range(len(places))])
    return Labelled(shares_IJ, names, np.array([TRUTHS[place] for place in places], dtype=object))


def both_sets(seed: int, habits_TJ: np.ndarray) -> tuple[Labelled, Labelled]:
    rng = np.random.default_rng(seed)
    calibration = judged(rng, habits_TJ, np.repeat(np.arange(len(TRUTHS)), PER_CLASS))
    return calibration, judged(rng, habits_TJ, rng.choice(len(TRUTHS), size=TARGET, p=SHARES))


def of_truths(rates: list) -> list:
    return [next(rate for rate in rates if rate.name == name) for name in TRUTHS]


def test_corrected_rates_cover_the_truth_that_the_judges_own_rates_miss() -> None:
    """Six simulated sets; the judge alone is off by eight points."""
    covered, errors, said = [], [], []
    for seed in range(6):
        rates = of_truths(corrected_rates(*both_sets(seed, noisy(0.65))))
        pairs = zip(rates, SHARES, strict=True)
        covered.append([rate.low - 1e-9 <= share <= rate.high + 1e-9 for rate, share in pairs])
        errors.append([rate.corrected for rate in rates] - SHARES)
        said.append([rate.said for rate in rates] - SHARES)
    assert np.mean(covered) >= 0.9
    assert np.abs(np.mean(errors, axis=0)).max() < 0.05 and np.mean([rate.high - rate.low for rate in rates]) < 0.3
    assert np.mean(said, axis=0)[TRUTHS.index("reasoning")] > 0.08


def test_a_judge_that_always_says_the_same_says_nothing() -> None:
    habits_TJ = np.zeros((len(TRUTHS), len(CLASSES)))
    habits_TJ[:, 0] = 1
    rates = corrected_rates(*both_sets(0, habits_TJ))
    assert rates[0].said == 1
    for rate in of_truths(rates):
        assert rate.low < 0.01 and rate.high > 0.99, rate


def test_a_judge_that_throws_dice_leaves_wide_intervals() -> None:
    habits_TJ = np.tile([0.4, 0.2, 0.1, 0.1, 0.1, 0.05, 0.05], (len(TRUTHS), 1))
    rates = of_truths(corrected_rates(*both_sets(1, habits_TJ)))
    assert np.mean([rate.high - rate.low for rate in rates]) > 0.7
    assert all(rate.low < 0.1 for rate in rates)


def test_a_perfect_judge_keeps_its_rates_and_still_has_intervals() -> None:
    calibration, target = both_sets(2, noisy(1.0))
    for rate in corrected_rates(calibration, target):
        assert rate.corrected == pytest.approx(rate.said, abs=0.01)
        assert rate.low <= rate.corrected <= rate.high and rate.high > rate.low
        assert rate.calibrated == (rate.name != "knowledge")


def test_responses_to_one_problem_do_not_pass_for_independent() -> None:
    """The same labels, eight to a problem: the intervals grow."""
    calibration, target = both_sets(3, noisy(0.8))
    groups = np.argsort(np.argmax(target.shares_IJ, axis=1), kind="stable")
    crowded = Labelled(target.shares_IJ[groups], np.array([f"p{n // 8}" for n in range(TARGET)]))
    alone = Labelled(target.shares_IJ[groups], target.cluster_I)
    wide, narrow = (corrected_rates(calibration, one)[0] for one in (crowded, alone))
    assert wide.corrected == pytest.approx(narrow.corrected)
    assert wide.high - wide.low > 1.5 * (narrow.high - narrow.low)


def test_the_fit_by_hand() -> None:
    """70 % and 40 % of two classes are called the first: 55 % of labels mean half of each."""
    confusion_JT = np.array([[0.7, 0.4], [0.3, 0.6]])
    assert fitted(confusion_JT, np.array([0.55, 0.45])) == pytest.approx([0.5, 0.5], abs=1e-4)
    # More than all of the first class could explain: the nearest share, not one above 1.
    assert fitted(confusion_JT, np.array([0.9, 0.1])) == pytest.approx([1, 0], abs=1e-4)


def rows(*lines: tuple) -> pd.DataFrame:
    return pd.DataFrame(lines, columns=["key", "cluster", "truth", "label"]).astype(object)


def test_confusion_and_quality_by_hand() -> None:
    items = labelled(
        rows(
            ("a", "p", "perception", "perception"),
            ("a", "p", "perception", "perception"),
            ("b", "q", "perception", "perception"),
            ("b", "q", "perception", "reasoning"),
            ("c", "r", "reasoning", "perception"),
            ("c", "r", "reasoning", None),
            ("d", "r", "reasoning", None),
        )
    )
    table = confusion(items)
    assert table.loc["perception", "perception"] == 1.5 and table.loc["perception", "reasoning"] == 0.5
    assert table.loc["reasoning", "perception"] == 1 and table.to_numpy().sum() == 3
    quality = {one.name: one for one in qualities(items)}
    assert quality["perception"].recall == 0.75 and quality["perception"].precision == 0.6
    assert quality["reasoning"].recall == 0 and quality["reasoning"].items == 1
    assert quality["knowledge"].recall is None and quality["format"].precision is None
    low, high = quality["perception"].recall_interval
    assert 0.15 < low < 0.25 and 0.9 < high < 1  # two items, whatever the number of labels


def test_too_little_is_refused() -> None:
    with pytest.raises(UserError, match="no response has a label"):
        labelled(rows(("a", "p", "perception", None)))
    unknown = labelled(rows(("a", "p", None, "perception")))
    with pytest.raises(UserError, match="labels of the mini world"):
        confusion(unknown)
    lines = [(f"{n}", "p", name, name) for name in TRUTHS for n in range(1 if name == "format" else FEWEST)]
    short = labelled(rows(*((f"{name}{key}", cluster, name, label) for key, cluster, name, label in lines)))
    with pytest.raises(UserError, match=r"fewer than 10 labelled responses of format; .*balanced=true"):
        calibrated_classes(short)
