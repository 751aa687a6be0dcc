"""Rewards for answers that are numbers on a scale."""

import math

import pytest

from common import UserError
from data import Sample
from models.response import Response
from train.asks.ask import Ask, Row
from train.asks.tools import Tools
from train.rewards.number import Closeness, Place
from verify.samples import grade_sample


def row(answer: str, gold: str = "3.5") -> Row:
    sample = Sample("a", "s", "How good?", (), gold)
    response = Response("a", 0, "clean", f"\\boxed{{{answer}}}")
    return Row(sample=sample, ask=Ask(count=1), response=response, verdict=grade_sample(sample, response.text, "papo"))


def test_closeness_falls_with_the_error_and_is_cut_to_the_scale():
    found = Closeness().score([row("3.5"), row("3.2"), row("9", "5"), row("good"), row("nan")], Tools())
    assert found == pytest.approx([1.0, math.exp(-1), 1.0, 0.0, 0.0])


def test_a_gold_that_is_no_number_is_graded():
    assert Closeness().score([row("red", "red"), row("blue", "red")], Tools()) == [1.0, 0.0]


def test_places_run_from_1_to_2_and_0_is_no_number():
    assert Place().score([row("1"), row("5"), row("4"), row("7"), row("good")], Tools()) == [1, 2, 1.75, 2, 0]
    assert Place().weight == 0


def test_a_scale_without_length_is_refused():
    with pytest.raises(UserError, match="give low below high"):
        Closeness(low=2, high=2)
