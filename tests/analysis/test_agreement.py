"""Kappa and alpha against published examples, statsmodels and hand-worked numbers."""

import numpy as np
import pandas as pd
import pytest
from statsmodels.stats.inter_rater import cohens_kappa

from analysis.judge.agreement import agreement, alpha_of, counts_of, kappa_of

# Krippendorff (2011), "Computing Krippendorff's Alpha-Reliability": the published examples and results.
TWO_CODERS = ["aabbdcccedda", "babbbccceddd"]
FOUR_CODERS = ["123321412...", "1233224125.3", ".3332342251.", "12332441251."]


def coders(lines: list[str]) -> pd.DataFrame:
    return pd.DataFrame({n: [None if value == "." else value for value in line] for n, line in enumerate(lines)})


@pytest.mark.parametrize(
    ("lines", "expected"), [(["0100000010", "1110010000"], 0.095), (TWO_CODERS, 0.692), (FOUR_CODERS, 0.743)]
)
def test_alpha_equals_the_published_examples(lines: list[str], expected: float) -> None:
    table = coders(lines)
    classes = sorted({value for line in lines for value in line} - {"."})
    assert alpha_of(counts_of(table, classes), np.ones((1, len(table))))[0] == pytest.approx(expected, abs=5e-4)


def test_alpha_by_hand_with_a_missing_label_and_weights() -> None:
    """Units xx, xy, yy, x-: 6 values, 3 of each; observed 2, expected 2 * 3 * 3 / 5."""
    table = pd.DataFrame({"one": ["x", "x", "y", "x"], "two": ["x", "y", "y", None]})
    counts = counts_of(table, ["x", "y", "z"])
    repeated = alpha_of(counts_of(pd.concat([table, table.iloc[[1]]]), ["x", "y"]), np.ones((1, 5)))[0]
    weights = np.array([[1, 1, 1, 1], [1, 2, 1, 1], [1, 0, 0, 0]])
    found = alpha_of(counts, weights)
    assert found[:2] == pytest.approx([1 - 2 / (2 * 9 / 5), repeated]) and np.isnan(found[2])


def test_agreement_of_two_has_kappa_and_intervals_over_clusters() -> None:
    rng = np.random.default_rng(0)
    first = rng.choice(["x", "y"], 60)
    second = np.where(rng.random(60) < 0.8, first, "y")
    table = pd.DataFrame({"one": first, "two": second}, dtype=object)
    found = agreement(table, ["x", "y", "z"])
    by_hand = [[((first == a) & (second == b)).sum() for b in "xy"] for a in "xy"]
    assert found.kappa == pytest.approx(cohens_kappa(by_hand, return_results=False))
    assert found.kappa_interval[0] < found.kappa < found.kappa_interval[1] and found.equal == (first == second).mean()
    order = np.argsort(first != second, kind="stable")
    crowded = agreement(table.iloc[order], ["x", "y", "z"], [f"problem {n // 10}" for n in range(60)])
    assert crowded.kappa == pytest.approx(found.kappa)
    assert np.ptp(crowded.alpha_interval) > 1.5 * np.ptp(found.alpha_interval)


def test_agreement_without_variety_or_pairs_is_undefined_not_perfect() -> None:
    same = agreement(pd.DataFrame({"one": ["x"] * 5, "two": ["x"] * 5}), ["x", "y"])
    assert (same.equal, same.kappa, same.alpha, same.alpha_interval) == (1, None, None, None)
    assert same.undefined_draws > 0
    none = agreement(pd.DataFrame({"one": ["x", None], "two": [None, "y"]}), ["x", "y"])
    assert (none.units, none.left_out, none.alpha) == (0, 2, None)
    three = agreement(pd.DataFrame({"a": ["x", "y"], "b": ["x", "y"], "c": ["x", None]}), ["x", "y"])
    assert three.kappa is None and three.alpha == 1 and np.isnan(kappa_of(np.zeros((1, 2, 2))))[0]
