"""The pieces of the robust comparison: notation, exact arithmetic, units, structure, letters."""

from fractions import Fraction

import pytest

from verify import grade, surds
from verify.equality import kind_of, plain_text, same_answer
from verify.expression import Undecided, evaluate
from verify.floats import same_numerically
from verify.letters import gold_letters, letter_after_phrase, letter_of_text, option_texts, read_letter
from verify.notation import compact, tidy
from verify.quantity import read_quantity
from verify.structure import as_interval, split_collection, split_name
from verify.surds import as_fraction, is_equal
from verify.units import compatible_factor, read_unit, split_unit


def value(text: str) -> Fraction | None:
    return as_fraction(evaluate(text, surds))


def test_tidy_brings_unicode_and_latex_together() -> None:
    assert compact(tidy("2√3 · π")) == compact(tidy(r"$2\sqrt{3} \cdot \pi$"))
    assert tidy("60°").strip() == tidy(r"60^{\circ}").strip()
    assert compact(tidy(r"\left( 1,\, 2 \right)")) == "(1,2)"
    assert compact(tidy("2 1/2")) != compact(tidy("21/2"))
    assert tidy("\u202e12\u200b") == "12"
    for text in (r"\dfrac{1}{2}", "x²", r"\text{ab}", "{{3}}", "−4"):
        assert tidy(tidy(text)) == tidy(text)


def test_exact_arithmetic_by_hand() -> None:
    assert value("2+3\\cdot 4-6/3") == 12
    assert value("-2^{2}") == -4
    assert value("(-2)^2") == 4
    assert value("2^{-3}") == Fraction(1, 8)
    assert value(r"\sqrt{\frac{9}{4}}") == Fraction(3, 2)
    assert value(r"\sqrt{2}\sqrt{8}") == 4
    assert value(r"1\frac{3}{4}") == Fraction(7, 4)
    assert value("3 1/2") == Fraction(7, 2)
    assert value(r"\sqrt[3]{\frac{8}{27}}") == Fraction(2, 3)
    assert value("5!") == 120
    assert value(r"\sqrt{2}") is None


@pytest.mark.parametrize("number", [4, 12, 18, 72, 98, 2 * 3 * 5 * 49, 2 * 10007**2, 999_999_937, 30030])
def test_roots_are_split_into_square_and_squarefree(number: int) -> None:
    ((radicand, _), factor), *others = evaluate(rf"\sqrt{{{number}}}", surds)[0].items()
    assert not others and factor**2 * radicand == number
    assert all(radicand % (divisor * divisor) for divisor in range(2, 1000))


@pytest.mark.parametrize(
    "text", ["1/0", "1/2x", "2 3", "10^10^10", "9^{9999}", "abc", "1" * 80, "(" * 50 + "1", "", "+"]
)
def test_what_is_not_certain_is_undecided(text: str) -> None:
    with pytest.raises(Undecided):
        evaluate(text, surds)


def test_algebra_is_exact_both_ways() -> None:
    assert is_equal(evaluate("(x+y)^2", surds), evaluate("x^2+2xy+y^2", surds))
    assert not is_equal(evaluate("(x+y)^2", surds), evaluate("x^2+y^2", surds))
    assert is_equal(evaluate(r"\frac{1}{\sqrt{2}-1}", surds), evaluate(r"\sqrt{2}+1", surds))


def test_numbers_only_reject_clear_differences() -> None:
    assert same_numerically(r"\sin\frac{\pi}{6}", r"\frac{1}{2}") is True
    assert same_numerically(r"\sin x", r"\cos x") is False
    assert same_numerically(r"\sin 2x", r"2\sin x\cos x") is None
    assert same_numerically("1.4142136", r"\sqrt{2}") is None
    assert same_numerically(r"\log 100", "2") is None
    assert same_numerically("9^{9^{9}}", "5") is None


def test_units_convert_and_contradict() -> None:
    body, unit = split_unit("5 m/s^{2}")
    assert body == "5" and unit == read_unit("meters per second^2")
    assert compatible_factor(read_unit("cm"), read_unit("m")) == 100
    assert compatible_factor(read_unit("cm"), read_unit("cm^2")) is None
    assert compatible_factor(read_unit("km/h"), read_unit("m/s")) == Fraction(18, 5)
    assert split_unit("2x")[1] is None
    assert split_unit("12 and a half")[1] is None


def test_quantities() -> None:
    assert as_fraction(read_quantity("1,234.5").value) == Fraction("1234.5")
    assert as_fraction(read_quantity("2.5 million").value) == 2_500_000
    assert read_quantity("50\\%").is_percent
    assert kind_of("12 cm") == "number" and kind_of("\\sqrt{2}") == "math" and kind_of("red car") == "text"
    assert plain_text("The  Right-angled Triangle.") == "right angled triangle"


def test_structure() -> None:
    assert split_collection("(1, (2, 3))").elements == ("1", "(2, 3)")
    assert split_collection("1,000") is None
    assert split_collection("(x+1)(x-2)") is None
    assert split_name("x = 3") == ("x", "3")
    assert split_name("x^2 = 4") == (None, "x^2 = 4")
    name, interval = as_interval("5 \\ge x > 2")
    assert name == "x" and (interval.opening, interval.elements, interval.closing) == ("(", ("2", "5"), "]")
    assert as_interval("x < 2x + 1") == (None, None)


def test_letters() -> None:
    choices = ("A. ten", "B. a triangle", "C. 30")
    assert option_texts(choices) == ("ten", "a triangle", "30")
    assert option_texts(("A. ten", "B twenty")) == ("A. ten", "B twenty")
    assert letter_of_text("30.0", choices) == "C"
    assert read_letter("A triangle", "ABC", choices) == "B"
    assert read_letter("A triangle", "ABC", None) is None
    assert letter_after_phrase("A triangle is shown", "ABC", None) is None
    assert letter_after_phrase("A because it fits", "ABC", None) == "A"
    assert letter_after_phrase("(b).", "ABC", None) == "B"
    assert letter_after_phrase("A or B", "ABC", choices) is None
    assert gold_letters("triangle", choices) == "B"
    assert gold_letters("C, A", choices) == "AC"


def test_reasons_name_the_rule() -> None:
    assert grade("\\boxed{B}", "B").reason == "letter"
    assert grade("\\boxed{3}", "3").reason == "number"
    assert grade("\\boxed{\\sqrt{2}}", "\\sqrt2").reason == "math"
    assert grade("\\boxed{red}", "red").reason == "text"
    assert grade("\\boxed{4}", "3").reason == "mismatch"
    assert grade("I do not know", "3").reason == "no_answer"
    assert grade("\\boxed{4}", " ").reason == "empty_gold"
    assert grade("no", "3", grader="papo").reason == "no_box"
    assert same_answer("1" * 700, "2") == (False, "too_long")
    assert same_answer("1" * 700, "1" * 700) == (True, "text")
