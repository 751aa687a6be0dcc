"""avg@k, its parts and its interval against hand-worked numbers and simulation; paired comparison."""

from collections.abc import Sequence

import numpy as np
import pytest
from statsmodels.stats.multitest import multipletests

from eval.statistics import (
    McNemar,
    average_at_k,
    bootstrap_weights,
    effective_clusters,
    holm,
    mcnemar_exact,
    mean_of_columns,
)

Z = 1.959963984540054


def names(count: int) -> list[str]:
    return [f"problem {number}" for number in range(count)]


def test_average_at_k_by_hand() -> None:
    """Item means 1, 1/2, 0: variance of the mean (1/4 + 1/4) / 2 / 3 = 1/12, of which 1/4 / 3 / 3 = 1/36 is within."""
    score = average_at_k(np.array([[1, 1], [1, 0], [0, 0]]), names(3))
    assert (score.value, score.n, score.clusters, score.k) == (0.5, 3, 3, 2)
    assert score.error_responses**2 == pytest.approx(1 / 36)
    assert score.error_items**2 == pytest.approx(1 / 12 - 1 / 36)
    # Half a normal width is 0.566 and would leave [0, 1]: Wilson's interval on 1/4 / (1/12) = 3 observations.
    half = Z * (1 / 4 / 3 + Z**2 / 36) ** 0.5 / (1 + Z**2 / 3)
    assert (score.low, score.high) == pytest.approx((0.5 - half, 0.5 + half))
    assert score.record()["error_items"] == score.error_items


@pytest.mark.parametrize("tests", [1, 2, 9, 40])
def test_holm_is_that_of_statsmodels(tests: int) -> None:
    p_values = np.random.default_rng(tests).random(tests) ** 3
    assert np.array_equal(holm(p_values), multipletests(p_values, method="holm")[1])


def test_interval_by_hand() -> None:
    """Eight items of ten right: the usual standard error with n - 1, (0.8 * 0.2 / 9) ** 0.5."""
    score = average_at_k(np.array([[1]] * 80 + [[0]] * 20), names(100))
    half = Z * (0.8 * 0.2 / 99) ** 0.5
    assert (score.value, score.low, score.high) == pytest.approx((0.8, 0.8 - half, 0.8 + half))
    assert (score.error_responses, score.k) == (0.0, 1)  # one response per item cannot tell the parts apart


def test_clusters_by_hand() -> None:
    """Clusters of 2, 1, 1 items: residuals 2 * (1 - 1/2), 0 - 1/2, 0 - 1/2; 3/2 * (1 + 1/4 + 1/4) / 16 = 9/64."""
    score = average_at_k(np.array([[1], [1], [0], [0]]), ["a", "a", "b", "c"])
    assert score.clusters == 3
    assert score.error_items == pytest.approx(3 / 8)


def test_copies_in_a_cluster_are_no_new_evidence() -> None:
    """Every item five times: as clusters the interval stays as it was, as single items it would shrink by 5 ** 0.5."""
    correct = np.array([[1], [0], [1], [1], [0], [1], [0], [1]] * 5)
    once = average_at_k(correct, names(40))
    copied = average_at_k(correct.repeat(5, axis=0), np.repeat(names(40), 5))
    naive = average_at_k(correct.repeat(5, axis=0), names(200))
    assert (copied.low, copied.high) == pytest.approx((once.low, once.high))
    assert copied.clusters == 40
    ratio = (copied.high - copied.low) / (naive.high - naive.low)
    assert ratio == pytest.approx((5 * (1 / 39) / (5 / 199)) ** 0.5)


def test_the_order_of_items_does_not_matter() -> None:
    correct = np.array([[1, 0], [1, 1], [0, 0], [0, 1], [1, 1]])
    clusters = ["a", "b", "a", "c", "b"]
    order = [3, 0, 4, 2, 1]
    again = average_at_k(correct[order], [clusters[place] for place in order])
    assert again.record() == pytest.approx(average_at_k(correct, clusters).record())


def simulate(rng: np.random.Generator, clusters: int, size: int, k: int) -> tuple[np.ndarray, Sequence[str]]:
    """Problems of mean difficulty 0.45; the items of a problem share theirs."""
    difficulty_C = rng.beta(0.9, 1.1, clusters)
    correct_Ik = rng.random((clusters * size, k)) < difficulty_C.repeat(size)[:, None]
    return correct_Ik, np.repeat(names(clusters), size).tolist()


@pytest.mark.parametrize(("clusters", "size", "k"), [(60, 1, 1), (60, 1, 8), (40, 5, 4)])
def test_the_interval_covers_the_truth(clusters: int, size: int, k: int) -> None:
    """300 simulations of a 95 % interval: between 90 % and 98 % cover (binomial noise is 1.3 %)."""
    rng = np.random.default_rng(11)
    scores = [average_at_k(*simulate(rng, clusters, size, k)) for _ in range(300)]
    covered = np.mean([score.low <= 0.45 <= score.high for score in scores])
    assert 0.90 <= covered <= 0.98


def test_the_parts_of_the_error_are_those_of_the_simulation() -> None:
    """Beta(0.9, 1.1) has variance 0.45 * 0.55 / 3 = 0.0825 and leaves 0.165 within; 200 items, 4 responses."""
    rng = np.random.default_rng(12)
    scores = [average_at_k(*simulate(rng, 200, 1, 4)) for _ in range(60)]
    assert np.mean([score.error_items**2 for score in scores]) == pytest.approx(0.0825 / 200, rel=0.05)
    assert np.mean([score.error_responses**2 for score in scores]) == pytest.approx(0.165 / 4 / 200, rel=0.05)


def test_the_within_part_vanishes_where_responses_agree() -> None:
    score = average_at_k(np.array([[1, 1, 1, 1], [0, 0, 0, 0]]), names(2))
    assert score.error_responses == 0
    assert score.error_items == pytest.approx(0.5)  # 2/1 * (1/4 + 1/4) / 4 = 1/4


def test_the_between_part_is_never_below_zero() -> None:
    """All items at one half: everything that varies is the responses; the interval is Wilson's of 30 problems."""
    score = average_at_k(np.array([[1, 0], [0, 1], [1, 0]] * 10), names(30))
    assert score.error_items == 0
    assert score.error_responses == pytest.approx((1 / 4 / 30) ** 0.5)
    assert score.high - score.low == pytest.approx(2 * Z * (1 / 4 / 30 + Z**2 / 4 / 900) ** 0.5 / (1 + Z**2 / 30))


def test_the_response_part_is_what_new_responses_would_move() -> None:
    """The same 100 items answered 400 times over: the score's spread is the response part alone."""
    rng = np.random.default_rng(13)
    difficulty = rng.random(100)
    drawn = [rng.random((100, 4)) < difficulty[:, None] for _ in range(400)]
    spread = np.std([correct.mean() for correct in drawn], ddof=1)
    estimates = [average_at_k(correct, names(100)).error_responses ** 2 for correct in drawn]
    assert np.mean(estimates) ** 0.5 == pytest.approx(spread, rel=0.1)


@pytest.mark.parametrize(("value", "edges"), [(0, (0, Z**2 / (20 + Z**2))), (1, (20 / (20 + Z**2), 1))])
def test_all_wrong_and_all_right_have_a_width(value: int, edges: tuple[float, float]) -> None:
    """20 items in 20 problems: Wilson's edge is z^2 / (n + z^2) = 16 %; more responses of them change nothing."""
    score = average_at_k(np.full((20, 8), value), names(20))
    assert (score.low, score.high) == pytest.approx(edges)
    assert (score.error_items, score.error_responses) == (0, 0)


def test_where_nothing_varies_clusters_count_not_items() -> None:
    """Problems of 5, 1 and 1 items: 7^2 / (25 + 1 + 1) clusters of equal weight."""
    clusters = [*"aaaaa", "b", "c"]
    assert effective_clusters(np.ones(7), clusters) == pytest.approx(49 / 27)
    score = average_at_k(np.zeros((7, 4)), clusters)
    assert (score.low, score.high) == pytest.approx((0, Z**2 / (49 / 27 + Z**2)))


@pytest.mark.parametrize("mean", [0.02, 0.98])
def test_the_interval_covers_the_truth_near_its_borders(mean: float) -> None:
    """60 items of such a share; the plain normal interval covers 71 % of the time, see it fail in the second line."""
    rng = np.random.default_rng(14)
    scores = [average_at_k(rng.random((60, 1)) < mean, names(60)) for _ in range(300)]
    assert np.mean([score.low <= mean <= score.high for score in scores]) >= 0.94
    errors = [(score.error_items**2 + score.error_responses**2) ** 0.5 for score in scores]
    normal = [abs(score.value - mean) <= Z * error for score, error in zip(scores, errors, strict=True)]
    assert np.mean(normal) <= 0.8


Items = tuple[np.ndarray, np.ndarray, dict[str, np.ndarray]]


def two_columns(items: int) -> Items:
    """Strata, clusters and columns: `items` single items, and five versions of items / 5 problems, three in a part."""
    strata = np.array(["counting"] * items + ["versions"] * items)
    clusters = np.array([*names(items), *np.repeat(names(items // 5), 5)])
    part = np.concatenate([np.zeros(items, bool), np.arange(items) % 5 >= 2])
    columns = {"counting": strata == "counting", "versions": strata == "versions", "vision_centric": part}
    return strata, clusters, columns


def test_mean_of_columns_weighs_columns_equally() -> None:
    """Counting 1, versions 0.2 (one version of five), of which the part is 0: (1 + 0.2 + 0) / 3."""
    strata, clusters, columns = two_columns(50)
    scores = np.concatenate([np.ones(50), np.arange(50) % 5 == 0]).astype(float)
    found = mean_of_columns(scores, strata, clusters, columns)
    assert (found.value, found.n, found.clusters) == (pytest.approx(0.4), 100, 60)


def test_agreement_has_a_width() -> None:
    """40 single items and 8 problems of five: weights 1/80 and 1/16 a cluster, 1 / (40 / 80^2 + 8 / 16^2) = 80 / 3."""
    strata, clusters, columns = two_columns(40)
    del columns["vision_centric"]
    margin = Z**2 / (80 / 3 + Z**2)
    right = mean_of_columns(np.ones(80), strata, clusters, columns)
    equal = mean_of_columns(np.zeros(80), strata, clusters, columns, is_difference=True)
    assert (right.value, right.low, right.high) == pytest.approx((1, 1 - margin, 1))
    assert (equal.value, equal.low, equal.high) == pytest.approx((0, -margin, margin))


def test_a_column_has_one_interval_whatever_lies_beside_it() -> None:
    """As a column of a table, as a part of another column, and alone."""
    strata, clusters, columns = two_columns(40)
    scores = np.random.default_rng(5).random(80)
    for chosen in columns.values():
        beside = mean_of_columns(scores, strata, clusters, {"": chosen})
        alone = average_at_k(scores[chosen][:, None], clusters[chosen].tolist())
        assert alone.mean_record() == pytest.approx(beside.mean_record())
        assert alone.text() == beside.text() and (alone.n, alone.clusters) == (beside.n, beside.clusters)


def test_a_part_moves_with_its_column() -> None:
    """Whole problems right or wrong: the part repeats its column, so the mean is (counting + 2 versions) / 3."""
    strata, clusters, columns = two_columns(200)
    rng = np.random.default_rng(4)
    scores = np.concatenate([rng.random(200) < 0.5, np.repeat(rng.random(40) < 0.5, 5)]).astype(float)
    found = mean_of_columns(scores, strata, clusters, columns)
    singles, problems = scores[:200], scores[200::5]
    assert found.value == pytest.approx((singles.mean() + 2 * problems.mean()) / 3)
    error = (singles.var(ddof=1) / 200 + 4 * problems.var(ddof=1) / 40) ** 0.5 / 3
    assert found.high - found.low == pytest.approx(2 * Z * error)


def test_resamples_draw_whole_clusters_within_their_column() -> None:
    strata, clusters, columns = two_columns(20)
    weights_BI = bootstrap_weights(strata, clusters, seed=0)
    versions = weights_BI[:, columns["versions"]].reshape(-1, 4, 5)
    assert (versions == versions[:, :, :1]).all()
    assert (versions[:, :, 0].sum(axis=1) == 4).all()
    assert (weights_BI[:, columns["counting"]].sum(axis=1) == 20).all()
    assert weights_BI.mean(axis=0) == pytest.approx(np.ones(40), abs=0.1)
    assert (weights_BI == bootstrap_weights(strata, clusters, seed=0)).all()
    assert (weights_BI != bootstrap_weights(strata, clusters, seed=1)).any()


def test_pairing_narrows_the_interval_of_a_difference() -> None:
    """Both models share the items' difficulty: what is common cancels only where items are taken together."""
    strata, clusters, columns = two_columns(200)
    rng = np.random.default_rng(8)
    difficulty = rng.random(400)
    first = (rng.random((400, 8)) < difficulty[:, None]).mean(axis=1)
    second = (rng.random((400, 8)) < np.minimum(1, difficulty + 0.05)[:, None]).mean(axis=1)
    found = mean_of_columns(second - first, strata, clusters, columns, is_difference=True)
    apart = [mean_of_columns(scores, strata, clusters, columns) for scores in (first, second)]
    assert found.value == pytest.approx(apart[1].value - apart[0].value)
    unpaired = sum((score.high - score.low) ** 2 for score in apart) ** 0.5
    assert found.high - found.low < 0.6 * unpaired
    assert found.low < 0.04875 < found.high  # the mean of min(1, d + 0.05) - d over d in [0, 1]


@pytest.mark.parametrize(
    ("only_first", "only_second", "p_value"),
    [(10, 2, 0.0386), (2, 10, 0.0386), (1, 0, 1.0), (5, 0, 0.0625), (6, 0, 0.03125), (7, 7, 1.0), (0, 0, 1.0)],
)
def test_mcnemar_by_hand(only_first: int, only_second: int, p_value: float) -> None:
    """10 against 2: 2 * (1 + 12 + 66) / 4096 = 0.0386; items on which both agree do not count."""
    pairs = [(True, False)] * only_first + [(False, True)] * only_second + [(True, True)] * 30 + [(False, False)] * 9
    first, second = np.array(pairs).T
    found = mcnemar_exact(first, second)
    assert found == McNemar(only_first, only_second, found.p_value)
    assert found.p_value == pytest.approx(p_value, abs=5e-5)
