"""Graders with partial credit, and which samples they get."""

import pytest

from verify import grade


@pytest.mark.parametrize(
    ("said", "gold", "score"),
    [("10", "10", 1.0), ("8", "10", 0.7), ("9", "10", 0.9), ("-10", "10", 0.0), ("0.1", "0", 0.0), ("0", "0", 1.0)],
)
def test_numeric_is_the_mean_relative_accuracy(said, gold, score):
    """8 of 10 meets the threshold 0.8 exactly, where floating point without care gives 0.6."""
    found = grade(f"\\boxed{{{said}}}", gold, task_type="numeric")
    assert (found.score, found.correct, found.grader) == (score, score == 1, "numeric/1")


@pytest.mark.parametrize(("said", "score"), [("B, a", 1.0), ("{a}", 0.5), ("a, b, c, d", 0.5), ("", 0.0)])
def test_sets_are_graded_by_overlap(said, score):
    assert grade(f"\\boxed{{{said}}}", "a, b", task_type="set").score == score


def test_other_graders_give_one_or_nothing():
    assert [grade(f"\\boxed{{{said}}}", "3").score for said in (3, 4)] == [1.0, 0.0]
