"""Texts made to crash, hang or fool a grader: none is accepted, none takes long."""

import random
import time

import pytest

from tests.hostile import HOSTILE
from verify import Verdict, grade, limits

LONG = 100_000
GOLDS = ("31", "A", r"\sqrt{2}+x")


@pytest.fixture(scope="module", autouse=True)
def short_limit() -> None:
    limits.compare("latex", r"\log_{2} 8", "3")
    before, limits.LIMIT_S = limits.LIMIT_S, 0.25
    yield
    limits.LIMIT_S = before


@pytest.mark.parametrize("grader", ["robust", "papo"])
def test_hostile_text_is_rejected_quickly(grader: str) -> None:
    for name, text in HOSTILE.items():
        for gold in GOLDS if len(text) < LONG else GOLDS[:1]:
            started = time.monotonic()
            verdict = grade(text, gold, grader=grader)
            assert isinstance(verdict, Verdict) and verdict.correct is False, (name, gold, verdict.reason)
            assert time.monotonic() - started < 10.0, (name, gold, verdict.reason)


@pytest.mark.parametrize("grader", ["robust", "papo"])
def test_hostile_gold_does_not_crash(grader: str) -> None:
    for name, text in HOSTILE.items():
        assert grade("\\boxed{12345}", text, grader=grader).correct is False, name


def test_hostile_text_with_options() -> None:
    for name, text in HOSTILE.items():
        verdict = grade(text, "B", choices=["10", text[:2000], "20"], task_type="choice")
        assert verdict.extracted is None or isinstance(verdict.extracted, str), name


PIECES_OF_ANSWERS = (
    "\\boxed{ } { \\frac \\sqrt 1 23 .5 , - ^ _ \\pi ° % $ ( ] = A B. x cm \\text{ <think> </think> answer is"
    " ≤ < or ½ √ \\ ! \x00 \ud800"
)


def test_five_hundred_random_texts() -> None:
    """Random pieces of answers never raise, keep the types of a verdict, and a text always equals itself."""
    pieces = [*PIECES_OF_ANSWERS.split(" "), " ", "\n"]
    generator = random.Random(20)
    for number in range(500):
        inside = "".join(generator.choice(pieces) for _ in range(generator.randint(1, 14)))
        gold = "".join(generator.choice(pieces) for _ in range(generator.randint(1, 5)))
        choices = [gold, "1", "x"] if number % 3 == 0 else None
        for response in (inside, f"\\boxed{{{inside}}}"):
            for grader in ("robust", "papo"):
                verdict = grade(response, gold, choices=choices, grader=grader)
                assert isinstance(verdict.correct, bool) and isinstance(verdict.reason, str)
                assert not (verdict.correct and verdict.extracted is None) or gold.strip().lower() == "none"
    for text in ("23", "x+1", "(1,2)", "12 cm", "red", "\\frac{1}{2}", "50\\%"):
        assert grade(f"\\boxed{{{text}}}", text).correct and grade(f"\\boxed{{{text}}}", text, grader="papo").correct
