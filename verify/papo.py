"""PAPO's grader: what its reward and PAPO-Eval accept, spelling rules included. For reproducing published numbers.

White space around `<`, `>` and `/` goes first, then the last box is compared by mathruler's rules. Without a box, or
with a box that never closes, the word "None" is graded, as the original does. Two things differ, neither of which can
turn a wrong answer right: the symbolic step reads the text with our own parser instead of evaluating it, and it ends
at a time limit where the original would hang.
"""

from collections.abc import Sequence
from functools import lru_cache

import verify.limits as limits
import verify.mathruler as mathruler
from verify.verdict import Verdict, format_ok, tighten_tags

NAME = "papo/2"
_BOX = "\\boxed{"
_CACHED_LENGTH = 1000


def grade_papo(
    response: str, gold: str, choices: Sequence[str] | None = None, task_type: str | None = None
) -> Verdict:
    """Grade one response as PAPO does; choices and task type are accepted and ignored, as PAPO has neither."""
    extracted = last_box(tighten_tags(response))
    prediction = "None" if extracted is None else extracted
    short = max(len(prediction), len(gold)) <= _CACHED_LENGTH
    correct, reason = (_same_cached if short else _same)(prediction, gold)
    if extracted is None and not correct:
        reason = "no_box"
    return Verdict(extracted, correct, format_ok(response), NAME, reason)


def last_box(text: str) -> str | None:
    """Return content of the last box by position; None if it never closes, even when an earlier one did."""
    start = text.rfind(_BOX)
    if start < 0:
        return None
    start += len(_BOX)
    depth, position = 0, start
    while True:
        closing = text.find("}", position)
        if closing < 0:
            return None
        depth += text.count("{", position, closing)
        if depth == 0:
            return text[start:closing].strip()
        depth -= 1
        position = closing + 1


def _same(prediction: str, gold: str) -> tuple[bool, str]:
    if mathruler.same_after_math_rules(prediction, gold):
        return True, "string"
    left, right = mathruler.prm_form(gold), mathruler.prm_form(prediction)
    if left == right:
        return True, "string"
    if not right:
        return False, "mismatch"
    gold_elements, predicted_elements = mathruler.split_elements(left), mathruler.split_elements(right)
    brackets_differ = (left[:1], left[-1:]) != (right[0], right[-1])
    if len(gold_elements) != len(predicted_elements) or (len(gold_elements) > 1 and brackets_differ):
        return False, "mismatch"
    for gold_element, predicted_element in zip(gold_elements, predicted_elements, strict=True):
        correct, reason = _same_element(gold_element, predicted_element)
        if not correct:
            return False, reason
    return True, "math"


_same_cached = lru_cache(maxsize=1 << 13)(_same)


def _same_element(gold: str, prediction: str) -> tuple[bool, str]:
    """Return one element: fractions literally, an integer only against an integer, the rest by simplifying the
    difference.
    """
    if mathruler.is_plain_fraction(gold) and mathruler.is_plain_fraction(prediction):
        return (True, "string") if gold == prediction else (False, "mismatch")
    if mathruler.is_whole_number(gold) != mathruler.is_whole_number(prediction):
        return False, "mismatch"
    if not mathruler.may_be_computed(gold, prediction):
        return False, "mismatch"
    outcome = limits.compare("plain", gold, prediction)
    if outcome in ("equal", "different"):
        return outcome == "equal", "math" if outcome == "equal" else "mismatch"
    return False, outcome
