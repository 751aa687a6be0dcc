"""Boxes, scopes, phrases and the format rule."""

import re
import time

from verify import extract_boxed, format_ok
from verify.extract import after_phrase, final_part, is_unfinished, last_value, tagged, until_phrase_ends
from verify.papo import last_box
from verify.verdict import tighten_tags


def test_last_balanced_box() -> None:
    assert extract_boxed(r"\boxed{1} and \boxed{\frac{1}{2}}") == r"\frac{1}{2}"
    assert extract_boxed(r"\boxed{1} and \boxed{2") == "1"
    assert extract_boxed(r"\boxed{2") is None
    assert extract_boxed("no box") is None
    assert extract_boxed(r"\boxed{a \boxed{b} c}") == "b"
    assert extract_boxed(r"\boxed{\left\{1\right.}") == r"\left\{1\right."
    assert extract_boxed(r"\boxed{}") == ""
    assert extract_boxed("} \\boxed{3}") == "3"


def test_papo_box_is_the_last_by_position_or_nothing() -> None:
    assert last_box(r"\boxed{1} and \boxed{2") is None
    assert last_box(r"\boxed{1} and \boxed{{2}}") == "{2}"
    assert last_box(r"\boxed {1}") is None
    assert last_box(r"\boxed{ 3 }") == "3"


def test_what_follows_the_thoughts_is_the_final_part() -> None:
    assert final_part("<think>a</think> b ") == "b"
    assert final_part("<think>a</think>  ") == "<think>a"
    assert final_part(" plain ") == "plain"
    assert is_unfinished("<think>so far")
    assert is_unfinished("so \\boxed{3")
    assert not is_unfinished("<think>a</think>b")


def test_phrase_and_tag() -> None:
    assert after_phrase("The answer is 3. No: the final answer is 4.") == "4."
    assert after_phrase("nothing of the kind") is None
    assert until_phrase_ends("4 cm because it is long") == "4 cm"
    assert until_phrase_ends("3.5. Then more") == "3.5"
    assert tagged("<answer>1</answer> <answer> 2 </answer>") == "2"
    assert tagged("<answer>1") is None


def test_last_value_does_not_cut_formulas() -> None:
    assert last_value("It is 3, so $2\\sqrt{3}$.") == "2\\sqrt{3}"
    assert last_value("First $x$, then -4.") == "-4"
    assert last_value("so 2√3.") == "2√3"
    assert last_value("words only") is None


def test_format_rule() -> None:
    assert format_ok("<think>a</think>\\boxed{1}")
    assert format_ok("  <think> a\n </think> then \\boxed{} and more")
    assert format_ok("<think>a</think><think>b</think>\\boxed{1}")
    assert not format_ok("x <think>a</think>\\boxed{1}")
    assert not format_ok("<think>\\boxed{1}</think> done")
    assert not format_ok("<think>a \\boxed{1}")
    assert not format_ok("<think>a</think>\\boxed{1")
    assert not format_ok("\\boxed{1}")


def test_format_rule_equals_the_pattern_it_replaces() -> None:
    pattern = re.compile(r"<think>.*</think>.*\\boxed\{.*\}.*", re.DOTALL)
    pieces = ["<think>", "</think>", "\\boxed{", "}", "{", "a", "\n", " "]
    for number in range(8**4):
        text = "".join(pieces[number // 8**place % 8] for place in range(4))
        for candidate in (text, "<think>" + text, "<think>a</think>" + text):
            cleaned = re.sub(r"\s*(<|>|/)\s*", r"\1", candidate)
            assert tighten_tags(candidate) == cleaned
            assert format_ok(candidate) is bool(pattern.fullmatch(cleaned))


def test_linear_time_on_a_megabyte() -> None:
    hostile = (
        " " * 10**6,
        "\\boxed{" * 140_000,
        "{" * 10**6,
        "<answer>" * 125_000,
        "answer is " * 100_000,
        "1" * 10**6,
    )
    for text in hostile:
        started = time.process_time()
        extract_boxed(text), last_box(text), format_ok(text), after_phrase(text), tagged(text), last_value(text)
        assert time.process_time() - started < 5.0, text[:20]
