"""pass@k and maj@k against hand-worked numbers, against every choice of k of n, and against fresh draws."""

from collections import Counter
from itertools import combinations

import numpy as np
import pandas as pd
import pytest

from common import UserError
from eval.metrics_at_k import majority_at_k, metrics_at_k, normalised, pass_at_k, usual_ks
from eval.statistics import average_at_k, mean_over_items

RIGHT, WRONG, SILENT = ("a", True), ("b", False), (None, False)
Responses = list[tuple[str | None, bool]]


def majority(responses: Responses, k: int) -> float:
    return float(
        majority_at_k([[answer for answer, _ in responses]], np.array([[right for _, right in responses]]), k)[0]
    )


def majority_by_counting(responses: Responses, k: int) -> float:
    """The definition: every choice of k responses, the share of right ones among the answers with most votes."""
    elected = []
    for chosen in combinations(responses, k):
        votes = Counter(answer for answer, _ in chosen if answer)
        winners = [answer for answer, count in votes.items() if count == max(votes.values())]
        shares = [np.mean([right for answer, right in responses if answer == winner]) for winner in winners]
        elected.append(float(np.mean(shares)) if winners else 0.0)
    return float(np.mean(elected))


def test_pass_at_k_by_hand() -> None:
    """Two right of four: k=2 misses in 1 of 6 pairs, k=3 never; none right stays 0."""
    correct = np.array([[1, 1, 0, 0], [0, 0, 0, 0], [1, 1, 1, 1]])
    assert pass_at_k(correct, 2) == pytest.approx([5 / 6, 0, 1])
    assert pass_at_k(correct, 3) == pytest.approx([1, 0, 1])


def test_pass_at_1_is_average_at_k() -> None:
    correct = np.random.default_rng(0).random((50, 7)) < 0.3
    assert pass_at_k(correct, 1) == pytest.approx(correct.mean(axis=1))
    assert pass_at_k(correct, 1).mean() == pytest.approx(average_at_k(correct, [str(i) for i in range(50)]).value)


def test_pass_at_n_is_any_right_one() -> None:
    correct = np.random.default_rng(1).random((50, 5)) < 0.2
    assert pass_at_k(correct, 5) == pytest.approx(correct.any(axis=1).astype(float))


def test_pass_at_k_is_unbiased() -> None:
    """Right with chance 0.2: three tries hold a right one with 1 - 0.8^3, however many responses one has drawn."""
    correct = np.random.default_rng(2).random((20000, 8)) < 0.2
    assert pass_at_k(correct, 3).mean() == pytest.approx(1 - 0.8**3, abs=0.006)


@pytest.mark.parametrize(
    ("responses", "k", "expected"),
    [
        ([RIGHT, RIGHT, WRONG], 3, 1.0),
        ([RIGHT, WRONG], 2, 0.5),  # a tie between two
        ([RIGHT, WRONG, ("c", False)], 3, 1 / 3),  # a tie between three
        ([RIGHT, RIGHT, WRONG, WRONG], 3, 0.5),  # two of the four choices of three hold both right ones
        ([RIGHT, WRONG, SILENT], 2, 0.5),  # pairs: a tie, right alone, wrong alone
        ([RIGHT, SILENT, SILENT], 3, 1.0),  # who says nothing has no vote
        ([SILENT, SILENT], 2, 0.0),
        ([RIGHT, RIGHT, WRONG], 1, 2 / 3),
        ([RIGHT, ("$$", False), ("$$", False)], 3, 1.0),  # nothing is left of such an answer
        ([(None, True), (None, True), WRONG], 3, 1.0),  # accepted although the scorer names no answer
        ([("a", True), ("a", False), WRONG], 3, 0.5),  # one spelling judged both ways wins, and is half right
        ([("1.50", True), ("$1.5$", True), ("3", False), ("4", False), ("5", False)], 5, 1.0),
    ],
)
def test_majority_by_hand(responses: Responses, k: int, expected: float) -> None:
    assert majority(responses, k) == pytest.approx(expected)


def test_majority_is_the_mean_over_all_choices() -> None:
    rng = np.random.default_rng(3)
    for _ in range(40):
        drawn = [[None, "a", "b", "c", "d"][place] for place in rng.integers(0, 5, rng.integers(1, 8))]
        responses = [(answer, answer == "b" or (answer == "c" and rng.random() < 0.5)) for answer in drawn]
        for k in range(1, len(responses) + 1):
            assert majority(responses, k) == pytest.approx(majority_by_counting(responses, k)), (responses, k)


def test_majority_at_1_is_the_share_of_right_responses() -> None:
    rng = np.random.default_rng(4)
    answers = rng.choice(["a", "b", "c"], (30, 6))
    assert majority_at_k(answers.tolist(), answers == "a", 1) == pytest.approx((answers == "a").mean(axis=1))


def test_majority_is_quick_where_all_answers_differ() -> None:
    """256 responses have 10^75 choices of 128; which of 128 answers that all occur twice wins is up to chance."""
    answers = [[str(number % 128) for number in range(256)]]
    assert majority_at_k(answers, np.array([[answer == "7" for answer in answers[0]]]), 128)[0] == pytest.approx(
        1 / 128
    )


@pytest.mark.parametrize(
    ("one", "other"), [("12", "12.0"), ("$12$", "12"), ("Red", r"\text{red}"), ("½", "1/2"), ("x + 1", "x+1")]
)
def test_spellings_of_one_answer(one: str, other: str) -> None:
    assert normalised(one) == normalised(other)


@pytest.mark.parametrize(("one", "other"), [("100", "1"), ("1.05", "1.5"), ("-3", "3"), ("A", "B"), ("x", "X")])
def test_different_answers_stay_apart(one: str, other: str) -> None:
    assert normalised(one) != normalised(other)


def test_a_page_long_answer_is_no_burden() -> None:
    assert normalised(" " + "{" * 100_000) == "{" * 100_000


@pytest.mark.parametrize("k", [0, 5])
def test_k_beyond_the_responses_is_refused(k: int) -> None:
    with pytest.raises(UserError, match=f"k={k} needs"):
        pass_at_k(np.ones((2, 4)), k)
    with pytest.raises(UserError, match=f"k={k} needs"):
        majority_at_k([["a"] * 4], np.ones((1, 4)), k)


def predictions(verdict: object = False) -> pd.DataFrame:
    """Three items, four responses: all right, half right, one that a scorer may leave open."""
    rows = [
        (f"i{item}", k, answer, right)
        for item, line in enumerate(["aaaa", "aabc", "ddd"])
        for k, (answer, right) in enumerate((answer, answer == "a") for answer in line)
    ]
    rows.append(("i2", 3, None, verdict))
    frame = pd.DataFrame(rows, columns=["sample_id", "k", "extracted", "correct"])
    return frame.assign(cluster=frame.sample_id)


def test_metrics_of_predictions() -> None:
    """maj@4 of the second item: two votes win. Intervals of nothing but 0, 1 and chances lie in [0, 1]."""
    found = metrics_at_k(predictions().sample(frac=1, random_state=0))
    assert list(found) == ["pass@1", "maj@1", "pass@2", "maj@2", "pass@4", "maj@4"]
    assert found["pass@1"]["mean"] == found["maj@1"]["mean"] == pytest.approx(0.5)
    assert found["pass@2"]["mean"] == pytest.approx((1 + 5 / 6 + 0) / 3)
    assert found["maj@4"]["mean"] == pytest.approx(2 / 3)
    assert all(0 <= part["low"] < part["mean"] < part["high"] <= 1 for part in found.values())


def test_an_open_verdict_is_refused() -> None:
    with pytest.raises(UserError, match="1 items lack a response or a verdict"):
        metrics_at_k(predictions(verdict=None))


def test_usual_ks() -> None:
    assert [usual_ks(n) for n in (1, 2, 6, 8)] == [[1], [1, 2], [1, 2, 4, 6], [1, 2, 4, 8]]


def test_the_interval_of_pass_at_k_covers_the_truth() -> None:
    """Difficulty uniform on [0, 1]: pass@2 is 1 - 1/3. 300 simulations, binomial noise 1.3 %."""
    rng = np.random.default_rng(5)
    covered = 0
    for _ in range(300):
        correct = rng.random((60, 4)) < rng.random(60)[:, None]
        found = mean_over_items(pass_at_k(correct, 2), [str(item) for item in range(60)])
        covered += found.low <= 2 / 3 <= found.high
    assert 0.90 <= covered / 300 <= 0.98
