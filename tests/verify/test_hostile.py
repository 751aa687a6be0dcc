"""Texts made to crash, hang or fool a grader: none is accepted, none takes long."""

import random
import time

import pytest

from verify import Verdict, grade, limits

HOSTILE = {
    "tower": "\\boxed{10^10^10}",
    "tower in braces": "\\boxed{10^{10^{10}}}",
    "python tower": "\\boxed{9**9**9}",
    "factorial": "\\boxed{99999999!}",
    "huge exponent": "\\boxed{(x+1)^{100000}}",
    "exponent form": "\\boxed{1e999999999}",
    "megabyte of digits": "\\boxed{" + "7" * 10**6 + "}",
    "megabyte of text": "word " * 200_000,
    "megabyte of blanks": " " * 10**6,
    "megabyte of boxes": "\\boxed{" * 140_000,
    "megabyte of closed boxes": "\\boxed{2}" * 110_000,
    "nested braces": "\\boxed{" + "{" * 100_000 + "7" + "}" * 100_000 + "}",
    "nested brackets": "\\boxed{" + "(" * 250 + "7" + ")" * 250 + "}",
    "nested fractions": "\\boxed{" + "\\frac{1}{" * 5000 + "1" + "}" * 5000 + "}",
    "short nested fractions": "\\boxed{" + "\\frac{1}{" * 30 + "7" + "}" * 30 + "}",
    "many roots": "\\boxed{" + "\\sqrt" * 60 + "2}",
    "many signs": "\\boxed{" + "-" * 299 + "7}",
    "many commas": "\\boxed{" + "1," * 280 + "1}",
    "unbalanced": "\\boxed{7}} { \\boxed{{8} }{",
    "null bytes": "\\boxed{\x007\x00x}",
    "right to left": "\\boxed{\u202e13\u202c + ٣}",
    "Arabic digits": "\\boxed{٣٢}",
    "lone surrogates": "\\boxed{\ud800\udfff5}",
    "zero width": "\\boxed{1\u200b3\u2060}",
    "combining marks": "\\boxed{3" + "\u0301" * 500 + "}",
    "underscored number": "\\boxed{1_0}",
    "not a number": "\\boxed{nan}",
    "trailing backslash": "\\boxed{3}\\boxed{\\",
    "brackets of all kinds": "\\boxed{([{<|>}])}",
    "percent forest": "\\boxed{" + "%" * 500 + "}",
    "every answer": "\\boxed{1 or 2 or 3 or 4 or 5 or A or B or C or D}",
    "think bomb": "<think>" * 100_000 + "</think>" * 100_000,
    "answer phrases": "the answer is " * 70_000,
    "empty": "",
}
LONG = 100_000
GOLDS = ("31", "A", r"\sqrt{2}+x")


@pytest.fixture(scope="module", autouse=True)
def short_limit() -> None:
    limits.compare("latex", r"\log_{2} 8", "3")
    before, limits.LIMIT_S = limits.LIMIT_S, 0.25
    yield
    limits.LIMIT_S = before


@pytest.mark.parametrize("name", HOSTILE)
@pytest.mark.parametrize("grader", ["robust", "papo"])
def test_hostile_text_is_rejected_quickly(name: str, grader: str) -> None:
    for gold in GOLDS if len(HOSTILE[name]) < LONG else GOLDS[:1]:
        started = time.monotonic()
        verdict = grade(HOSTILE[name], gold, grader=grader)
        assert isinstance(verdict, Verdict) and verdict.correct is False, (gold, verdict.reason)
        assert time.monotonic() - started < 10.0, (gold, verdict.reason)


@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_gold_does_not_crash(name: str) -> None:
    for grader in ("robust", "papo"):
        assert grade("\\boxed{12345}", HOSTILE[name], grader=grader).correct is False


@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_text_with_options(name: str) -> None:
    verdict = grade(HOSTILE[name], "B", choices=["10", HOSTILE[name][:2000], "20"], task_type="choice")
    assert verdict.extracted is None or isinstance(verdict.extracted, str)


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
