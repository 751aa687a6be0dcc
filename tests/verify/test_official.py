"""The official rules: every cell of the two tables of recorded verdicts, each rule by hand, and hostile texts."""

import json
import math
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.hostile import HOSTILE
from verify import grade, limits
from verify.official import guess, letters, maths, values, verdict

FOLDER = Path(__file__).parent
OPTIONS = {"A": "ten", "B": "twenty", "C": "thirty", "D": "forty"}


def read_rows(name: str) -> list[dict]:
    return [json.loads(line) for line in (FOLDER / name).read_text(encoding="utf-8").splitlines()]


def or_dice(letter: str | None) -> str:
    return letter or "?"


def mmstar_letter(text: str, options: dict[str, str]) -> str | None:
    accepted = [letter for letter in options if letters.mmstar_accepts(text, letter)]
    assert len(accepted) <= 1
    return accepted[0] if accepted else None


FREE_FORM: dict[str, Callable[[str, str], bool]] = {
    "P": lambda text, gold: grade(text, gold, grader="papo").correct,
    "M": maths.math_verify_accepts,
    "O": lambda text, gold: maths.mathvision_equal(maths.mathvision_extract(text), gold),
}
READERS: dict[str, Callable[[str, dict[str, str]], object]] = {
    "papo": lambda text, options: grade(text, "B", grader="papo").correct,
    "mmstar": mmstar_letter,
    "wemath": lambda text, options: letters.wemath_letter(text),
    "mmmu": lambda text, options: or_dice(letters.mmmu_letter(text, options)),
    "mmmu_pro": lambda text, options: or_dice(letters.mmmu_pro_letter(text, options)),
}


def split_cells(rows: list[dict], key: str) -> tuple[list[tuple], list[tuple]]:
    """(row, column, recorded value) of the cells that must be met, and of those marked as gaps."""
    met, gaps = [], []
    for row in rows:
        for column, recorded in row[key].items():
            (gaps if column in row.get("known_gap", {}) else met).append((row, column, recorded))
    return met, gaps


FREE_CELLS, FREE_GAPS = split_cells(read_rows("official_free_form.jsonl"), "accepted")
LETTER_CELLS, LETTER_GAPS = split_cells(read_rows("official_letters.jsonl"), "read")


def cell_id(cell: object) -> str:
    return f"{cell['response']} / {cell['gold']}"[:50] if isinstance(cell, dict) else str(cell)


@pytest.mark.parametrize(("row", "column", "recorded"), FREE_CELLS, ids=cell_id)
def test_free_form_cell(row: dict, column: str, recorded: bool) -> None:
    assert FREE_FORM[column](row["response"], row["gold"]) is recorded


@pytest.mark.parametrize(("row", "column", "recorded"), LETTER_CELLS, ids=cell_id)
def test_letter_cell(row: dict, column: str, recorded: object) -> None:
    assert READERS[column](row["response"], row["options"]) == recorded


def test_number_of_cells_and_of_known_gaps() -> None:
    assert (len(FREE_CELLS), len(FREE_GAPS)) == (36 * 3 + 1, 0)
    assert (len(LETTER_CELLS), len(LETTER_GAPS)) == (22 * 5, 0)


def test_guesses_depend_on_item_and_response_only() -> None:
    drawn = [guess("item", k, "ABCD") for k in range(400)]
    assert drawn == [guess("item", k, "ABCD") for k in range(400)]
    assert min(drawn.count(letter) for letter in "ABCD") > 60
    assert guess("a", 11, range(10**9)) != guess("a1", 1, range(10**9)) != guess("b", 1, range(10**9))


def test_verdict_names_the_rule_and_reports_the_format() -> None:
    made = verdict("mmmu", "B", True, "<think>x</think>\\boxed{B}", "guessed")
    assert (made.grader, made.format_ok, made.reason) == ("official-mmmu/1", True, "guessed")
    assert not verdict("mmmu", None, False, "B", "no_answer").format_ok


def test_mmstar_and_wemath() -> None:
    assert letters.mmstar_accepts("Option B", "B") and letters.mmstar_accepts("(b) x", "B")
    assert not letters.mmstar_accepts("", "B") and not letters.mmstar_accepts("B", "")
    assert letters.wemath_letter("<<Answer>>: A, no. <<Answer>>: <<C>>") == "C"
    assert letters.wemath_letter("I see") is None and letters.wemath_letter("Answer") is None


def test_mmmu_prefers_brackets_then_the_last_letter_then_text() -> None:
    assert letters.mmmu_letter("(A) or (C), and B at last", OPTIONS) == "C"
    assert letters.mmmu_letter("not A but C or so", OPTIONS) == "C"
    assert letters.mmmu_letter("it is not ten but forty I say", OPTIONS) == "D"
    assert letters.mmmu_letter("it says forty", OPTIONS) is None
    ten = {**OPTIONS, "I": "ninety"}
    assert letters.mmmu_pro_letter("First I thought. B. ", ten) == "I"
    assert letters.mmmu_pro_letter("so A. Answer: (D)", OPTIONS) == "D"
    assert letters.mmmu_pro_letter("Answer: All, so D", OPTIONS) == "D"  # two letters in the tail: the general rule


def test_blink_and_ai2d() -> None:
    assert letters.blink_letter(" (C) ") == letters.blink_letter("C") == "C"
    assert letters.blink_letter("(A) or (B)\n\nI take (B)") == "B"
    assert letters.blink_letter("(A) or (B)") is None and letters.blink_letter("The answer is B") is None
    # Between blanks only, in the whole text when the last paragraph has none or several, and among the row's options.
    assert letters.blink_letter("I take (B) here\n\n**(A) is not**") == "B"
    assert letters.blink_letter("(B) it is\n\nnot more") == "B" and letters.blink_letter("so (B).") is None
    assert letters.blink_letter("(B) as (C) is no option", "AB") == "B"
    assert letters.ai2d_letter("b") == letters.ai2d_letter("B. text") == letters.ai2d_letter("(B)") == "B"
    assert letters.ai2d_letter("The answer is B") is None


@pytest.mark.parametrize(
    ("text", "answer"),
    [
        ("So it must be (C).", "c"),
        ("(A)\nbecause", "a"),
        ("B", "b"),
        ("The area is 3,000.", "3,000"),
        ("The answer is x^2. Because", "x^2"),
        ("\\boxed{1}\\boxed{x = \\frac{3}{4}}.", "\\frac{3}{4}"),
        ("\\boxed{3/4}", "\\frac{3}{4}"),
        ("\\boxed{\\frac34}", "\\frac34"),
        ("\\boxed{\\sqrt2+\\frac34}", "\\sqrt{2}+\\frac{3}{4}"),
        ("\\boxed{7}} and {", "7"),
        ("\\boxed{.7 km}", "0.7"),
        ("\\boxed{(b)}", "b"),
        ("\\boxed{\\text{(D)}}", "d"),
        ("\\boxed{\\text{8}}", "{8}"),
        ("\\boxed{}", "\\boxed"),
        ("", ""),
        ("\\boxed{m^3 2 units}", "2"),
    ],
)
def test_mathvision_extraction(text: str, answer: str) -> None:
    assert maths.mathvision_extract(text) == answer


def test_mathvision_equality() -> None:
    assert maths.mathvision_equal("(1.004,\\frac{1}{2})", "(1.0,0.5)")
    assert maths.mathvision_equal("[0,\\infty]", "[0.001-0.001, \\infty]".replace(" ", "")) is False
    assert maths.mathvision_equal("\\sin(0)", "0") and not maths.mathvision_equal("(2,1)", "(1,2)")
    assert not maths.mathvision_equal("", "") and not maths.mathvision_equal("2\\sqrt{2}", "2\\sqrt2")


def test_math_verify_reads_whole_responses_up_to_a_limit() -> None:
    assert maths.math_verify_accepts("word " * 1000 + "\\boxed{31}", "31")
    assert not maths.math_verify_accepts("word " * 5000 + "\\boxed{31}", "31")
    assert maths.math_verify_accepts("It was 3 and then 4", "4") and not maths.math_verify_accepts("4", "4.1")


def test_emma() -> None:
    for text, answer in (
        ("C: text", "C"),
        ("c", "C"),
        ("1,234", "1,234"),
        ("\\boxed{\\text{left} x}", "left"),
        ("\\boxed{7}", "7"),
        ("The correct answer is\n D. Yes", "d"),
        ("Answer: Four\nmore", "four"),
        ("nothing", ""),
    ):
        assert maths.emma_extract(text) == answer, text
    assert maths.emma_equal("twenty-one", "21", None) and maths.emma_equal("B", "b", "x")
    assert maths.emma_equal("\\frac{1}{2}", "B", "0.501")
    assert not maths.emma_equal("0.51", "B", "0.5") and not maths.emma_equal("x+y", "y+x", None)
    assert not maths.emma_equal("(A)", "A", None) and not maths.emma_equal("\\frac{x}{2}", "x/2", None)
    assert maths.words_to_number("two million one hundred and five") == "2000105"
    assert maths.words_to_number("none at all") is None


def test_seephys_direct_match_or_no_word() -> None:
    assert maths.seephys_direct("<answer>12</answer>", "12") is True
    assert maths.seephys_direct("The final answer is: $2\\sqrt{2}$.", "\\sqrt{8}") is True
    assert maths.seephys_direct("The final answer is: 3", "4") is None
    assert maths.seephys_direct("<answer>twelve</answer>", "12") is None


def test_mathvista() -> None:
    choices = ["red", "green", "red wine"]
    assert values.mathvista_extract("", "multi_choice", "text", choices) == ""
    assert values.mathvista_extract("green", "multi_choice", "text", choices) == "green"
    assert values.mathvista_extract(" 12 ", "free_form", "integer", None) == "12"
    assert values.mathvista_extract("1.50", "free_form", "float", None) == "1.5"
    assert values.mathvista_extract('The answer is "7".', "free_form", "integer", None) == "7"
    assert values.mathvista_extract('The answer is "7".', "free_form", "integer", None, quick=False) is None
    for extraction, option in (("B", "green"), ("(c) x", "red wine"), ("gren", "green"), ("", "red"), ("D", "red")):
        assert values.mathvista_normalise(extraction, "multi_choice", "text", choices, None) == option
    assert values.mathvista_normalise("5.9", "free_form", "integer", None, None) == "5"
    assert values.mathvista_normalise("5 cm", "free_form", "integer", None, None) is None
    assert values.mathvista_normalise("1.25", "free_form", "float", None, 1.0) == "1.2"
    assert values.mathvista_normalise("3", "free_form", "float", None, 2.0) == "3.0"
    assert values.mathvista_normalise("[1, 2]", "free_form", "list", None, None) == "[1, 2]"
    assert values.mathvista_normalise("inf", "free_form", "integer", None, None) is None


def test_mmmu_open() -> None:
    for text, golds, accepted in (
        ("The total is 1,234 dollars.", ["1234.00"], True),
        ("so 1,234.5 or more", ["1234.5"], False),
        ("The result is 3\nnot 4", ["3"], True),
        ("It is 3. Then it is 4", ["3"], False),
        ("x = 2.004", ["2"], True),
        ("the answer is a red car", ["Red"], True),
        ("a car", ["car wheel"], False),
        ("no idea", ["7"], False),
        ("3", ["4", "3"], True),
        ("vitamin c", ["C"], True),
        ("acid", ["C"], False),
        ("so 1.5e3", ["1500"], True),
    ):
        assert values.mmmu_open_accepts(text, golds) is accepted, text


def test_chartqa_pope_and_yes_no() -> None:
    for text, gold, accepted in (
        ("1990", "2010", True),
        ("10%", "0.1", True),
        ("95", "100", True),
        ("94.9", "100", False),
        ("Red", "red", True),
        ("0", "0", True),
        ("0.0", "0", False),
        ("about 5", "5", False),
        ("nan", "5", False),
    ):
        assert values.chartqa_accepts(text, gold) is accepted, text
    for text, answer in (("No, it is.", "no"), ("NO", "yes"), ("It is not", "no"), ("Yes. no", "yes"), ("", "yes")):
        assert values.pope_answer(text) == answer
    assert values.yes_no_words("YES!") == "yes" and values.yes_no_words("no-one") == "no"
    assert values.yes_no_words("yes or no") is None and values.yes_no_words("nothing") is None


def test_dynamath_and_counting() -> None:
    reply = 'Here: {"solution": "\\(x\\)", "short answer": "2π"}'
    assert values.dynamath_short_answer(reply) == "2π"
    assert values.dynamath_short_answer('{"short answer": 3.5}') == "3.5"
    assert values.dynamath_short_answer("[1]") is None and values.dynamath_short_answer('{"solution": "x"}') == "None"
    assert values.dynamath_short_answer("so\n{3.5}") == "{3.5" and values.dynamath_short_answer("It is\n3.5.") == "3.5"
    assert values.dynamath_short_answer('{"short answer": "\\\\frac{1}{2}"}') == "frac{1}{2}"
    for answer, gold, kind, accepted in (
        ("2π", str(2 * math.pi), "float", True),
        ("1.0015", "1", "float", False),
        ("3 cm", "3", "float", True),
        ("π", "3.14", "float", False),
        ("(B) x", "B", "multiple choice", True),
        ("It is B", "B", "multiple choice", False),
        ("The Even one", "Even", "text", True),
        ("The even one", "Even", "text", False),
        ("", "", "text", False),
        ("x", "3", "float", False),
    ):
        assert values.dynamath_accepts(answer, gold, kind) is accepted, answer
    assert values.integer_in_tag("<answer> 12 </answer>") == 12
    assert values.integer_in_tag("<answer>12 cars</answer>") is None and values.integer_in_tag("12") is None
    assert values.boxed_integer_accepts("\\boxed{1}\\boxed{ 07 }", "7")
    assert not values.boxed_integer_accepts("7", "7") and not values.boxed_integer_accepts("\\boxed{7.0}", "7")


ON_TEXT: dict[str, Callable[[str], object]] = {
    "mmstar": lambda text: letters.mmstar_accepts(text, "Q"),
    "wemath": letters.wemath_letter,
    "mmmu": lambda text: letters.mmmu_letter(text, OPTIONS),
    "mmmu_pro": lambda text: letters.mmmu_pro_letter(text, OPTIONS),
    "blink": letters.blink_letter,
    "ai2d": letters.ai2d_letter,
    "mathvision": lambda text: maths.mathvision_equal(maths.mathvision_extract(text), "31"),
    "math_verify": lambda text: maths.math_verify_accepts(text, "31"),
    "emma": lambda text: maths.emma_equal(maths.emma_extract(text), "31", "x"),
    "seephys": lambda text: maths.seephys_direct(text, "31"),
    "mathvista_extract": lambda text: values.mathvista_extract(text, "free_form", "integer", None),
    "mathvista": lambda text: values.mathvista_normalise(text, "multi_choice", "text", ["red", "x" * 50], None),
    "mathvista_float": lambda text: values.mathvista_normalise(text, "free_form", "float", None, 2.0),
    "mmmu_open": lambda text: values.mmmu_open_accepts(text, ["31", "zebra"]),
    "chartqa": lambda text: values.chartqa_accepts(text, "31"),
    "pope": values.pope_answer,
    "yes_no": values.yes_no_words,
    "dynamath": lambda text: values.dynamath_accepts(values.dynamath_short_answer(text) or text, "31", "float"),
    "tag": values.integer_in_tag,
    "box": lambda text: values.boxed_integer_accepts(text, "31"),
}


def test_hostile_text_neither_crashes_nor_is_right(monkeypatch: pytest.MonkeyPatch) -> None:
    """A hang would end the test run; the worker's time limit is cut so that the towers end soon."""
    monkeypatch.setattr(limits, "LIMIT_S", 0.25)
    for rule, accepts in ON_TEXT.items():
        accepted = [name for name, text in HOSTILE.items() if accepts(text) is True]
        assert accepted == [], rule


@pytest.mark.parametrize("gold", ["10^{10^{10}}", "\ud800", "{" * 5000, "\u202e13", ""])
def test_hostile_gold(gold: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "LIMIT_S", 0.25)
    for accepts in (maths.math_verify_accepts, maths.mathvision_equal):
        assert accepts("12345", gold) is False
    assert maths.emma_equal("12345", gold, gold) is False and maths.seephys_direct("12345", gold) is None
    assert not values.chartqa_accepts("12345", gold) and not values.boxed_integer_accepts("\\boxed{12345}", gold)


@pytest.mark.parametrize("kind", ["mathvision", "emma", "same_formula", "math_verify"])
def test_nothing_is_executed(kind: limits.Kind, tmp_path: Path) -> None:
    marker = tmp_path / "executed"
    for attack in (f"open('{marker}','w')", f"1+open('{marker}','w').fileno()", f"(open('{marker}','w'),1)"):
        for text in (attack, f"\\boxed{{{attack}}}", f"$\\text{{{attack}}}$"):
            limits.compare(kind, "1", text)
            limits.compare(kind, text, "1")
    assert not marker.exists()
