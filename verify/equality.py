"""Are two answers the same? The robust grader's comparison, from cheap and certain to symbolic.

Order: equal text, lists element by element, names and approximations taken off, exact arithmetic, and only what is
still undecided goes to math-verify in the worker process.
"""

import re
from functools import lru_cache

import verify.limits as limits
from verify.expression import Undecided
from verify.floats import same_numerically
from verify.lexicon import FUNCTIONS, MEANINGS, SHORT_WORDS
from verify.notation import compact, tidy
from verify.quantity import read_quantity, same_quantity
from verify.structure import (
    MAXIMUM_ELEMENTS,
    RELATION,
    Collection,
    Range,
    after_verb,
    as_union,
    conclusion,
    names_contradict,
    split_collection,
    split_name,
)
from verify.surds import as_float, as_fraction, is_equal
from verify.units import compatible_factor, split_unit

# Longer answers are compared as text only: no rule below is meant for a page.
MAXIMUM_LENGTH = 600
_MAXIMUM_NESTING = 6
_DEGREES = re.compile(r"([0-9]+(?:\.[0-9]+)?)\s*\^\\circ ?")
_TRIGONOMETRY = re.compile(r"\\(?:sin|cos|tan|cot|sec|csc)(?![a-zA-Z])")
_MACRO = re.compile(r"\\(?:begin|end)\s*\{[a-zA-Z]+\}(?:\{[clr| ]*\})?|\\[a-zA-Z]+")
_DECIMAL_COMMA = re.compile(r"([-+]?(?:[0-9]{1,3}(?:\.[0-9]{3})+|[0-9]+)),([0-9]+(?![0-9,])[^0-9,]*)")
_WHOLE = re.compile(r"-?[0-9]{1,60}")
_BASE = re.compile(r"([0-9]{1,40})_\{?([0-9]{1,2})\}?")
_WORD = re.compile(r"[^\W\d_]{2,}")
_ARTICLE = re.compile(r"^(?:an?|the) (?=.)")
# Relations and signs stay: "under 30" and "x < 30" must not become equal to their opposites.
_NOT_TEXT = re.compile(r"[\s,;:!?\"'`(){}\[\]*$]+|(?<=[a-z])-(?=[a-z])|(?<!\d)\.|\.(?!\d)")
_OPPOSITES = {"yes": "no", "no": "yes", "true": "false", "false": "true"}
_TOLERATED_APPROXIMATION = 0.02


class Stopped(Exception):
    """The comparison ended without a result; the message is the verdict's reason."""


def same_answer(prediction: str, gold: str) -> tuple[bool, str]:
    """(equal, reason), where the reason is the rule that accepted or the cause of the rejection."""
    if max(len(prediction), len(gold)) <= MAXIMUM_LENGTH:
        return _same_answer(prediction, gold)
    same_text = prediction.strip() == gold.strip()
    return same_text, "text" if same_text else "too_long"


@lru_cache(maxsize=1 << 13)
def _same_answer(prediction: str, gold: str) -> tuple[bool, str]:
    left, right = (MEANINGS.get(text.lower(), text) for text in (tidy(gold), tidy(prediction)))
    try:
        return (True, kind_of(left)) if _same(left, right, 0) else (False, "mismatch")
    except Stopped as stopped:
        return False, str(stopped)


@lru_cache(maxsize=1 << 12)
def kind_of(gold: str) -> str:
    """Return what a tidied gold is: "number", "math" or "text"."""
    if _WHOLE.fullmatch(gold):
        return "number"
    try:
        if as_fraction(read_quantity(split_name(gold)[1]).value) is not None:
            return "number"
    except Undecided:
        pass
    return "text" if is_wordy(gold) else "math"


def is_wordy(text: str) -> bool:
    """Return whether a tidied answer holds a real word or a letter of another script, so that it is not a formula."""
    for word in _WORD.findall(_MACRO.sub(" ", text)):
        if len(word) > 2 or not word.isascii():
            if word.lower() not in FUNCTIONS:
                return True
        elif word.lower() in SHORT_WORDS:
            return True
    return any(character > "\u2e80" for character in text)


def _same(gold: str, prediction: str, nesting: int) -> bool:
    if not gold or not prediction:
        return False
    if compact(gold) == compact(prediction):
        return True
    if _WHOLE.fullmatch(gold) and _WHOLE.fullmatch(prediction):
        return int(gold) == int(prediction)
    if nesting > _MAXIMUM_NESTING:
        return False
    gold_list, predicted_list = split_collection(gold), split_collection(prediction)
    if is_wordy(gold) and _same_text(gold, prediction):
        return True
    if RELATION.search(gold) or RELATION.search(prediction.rpartition("=")[2]):
        return _same_range(gold, prediction, nesting + 1)
    if (gold_list is None) != (predicted_list is None):
        with_points = [_with_point(side) for side in (gold, prediction)]
        if with_points != [gold, prediction] and _same_exactly(*with_points):
            return True
        if r"\begin" in gold and r"\begin" in _value_or_text(prediction)[1:]:
            return _same_symbolically(gold, prediction)
    if gold_list or predicted_list:
        return _same_collection(gold_list, predicted_list, gold, prediction, nesting + 1)
    if r"\approx" in gold or r"\approx" in prediction:
        return _same_approximation(gold, prediction, nesting + 1)
    return _same_single(gold, prediction, nesting)


def _with_point(text: str) -> str:
    """Return the one number that a list of two is when its comma is a decimal comma."""
    number = _DECIMAL_COMMA.fullmatch(text)
    return f"{number[1].replace('.', '')}.{number[2]}" if number else text


def _same_single(gold: str, prediction: str, nesting: int) -> bool:
    """Single values with their names, sentences and chains around them."""
    if prediction.count("=") > 1 and "=" not in gold:
        return _same_conclusion(gold, prediction, nesting)
    gold_name, gold_value = split_name(gold)
    predicted_name, predicted_value = split_name(prediction)
    one_is_named = (gold_name is None) != (predicted_name is None)
    if names_contradict(gold_name, predicted_name) or (one_is_named and "=" in gold and "=" in prediction):
        return _same_symbolically(gold, prediction)
    if gold_name or predicted_name:
        return _same(gold_value, predicted_value, nesting + 1)
    gold_digits, predicted_digits = _BASE.fullmatch(gold), _BASE.fullmatch(prediction)
    if gold_digits and predicted_digits:
        return gold_digits.groups() == predicted_digits.groups()
    decided = _same_exactly(gold, prediction)
    if decided is not None:
        return decided
    if is_wordy(prediction):
        rest = after_verb(prediction)
        if rest and len(rest) < len(prediction) and not is_wordy(gold):
            return _same(gold, rest, nesting + 1)
    if "=" in prediction and "=" not in gold:
        return _same_conclusion(gold, prediction, nesting)
    if is_wordy(gold) or is_wordy(prediction) or ("=" in gold) != ("=" in prediction):
        return False
    return _same_formula(gold, prediction)


def _same_conclusion(gold: str, prediction: str, nesting: int) -> bool:
    """Return the last side of an equation or chain whose other sides name it or have its value."""
    chain = conclusion(prediction)
    if chain is None or not all(_same_formula(chain[1], side) for side in chain[0]):
        return False
    return _same(gold, chain[1], nesting + 1)


def _same_exactly(gold: str, prediction: str) -> bool | None:
    """Yes or no from exact arithmetic; None when one side is not a closed expression."""
    try:
        if is_equal(read_quantity(gold, False).value, read_quantity(prediction, False).value):
            return True
    except Undecided:
        pass  # units, words: the readings below know them
    try:
        return same_quantity(read_quantity(gold), read_quantity(prediction))
    except Undecided:
        return None


def _same_formula(gold: str, prediction: str) -> bool:
    """Formulas that exact arithmetic can not read: units off, then numbers where they decide, then math-verify."""
    gold, prediction = _degrees_to_radians(gold), _degrees_to_radians(prediction)
    (gold, gold_unit), (prediction, predicted_unit) = split_unit(gold), split_unit(prediction)
    if compatible_factor(gold_unit, predicted_unit) != 1:
        return False
    decided = same_numerically(gold, prediction)
    return _same_symbolically(gold, prediction) if decided is None else decided


def _same_symbolically(gold: str, prediction: str) -> bool:
    outcome = limits.compare("latex", gold, prediction)
    if outcome not in ("equal", "different"):
        raise Stopped(outcome)
    return outcome == "equal"


def _degrees_to_radians(text: str) -> str:
    return _DEGREES.sub(r"{\\frac{\1\\pi}{180}}", text) if _TRIGONOMETRY.search(text) else text


def _same_range(gold: str, prediction: str, nesting: int) -> bool:
    """Inequalities and unions: bounds of one unknown as an interval, others by math-verify."""
    left, right = as_union(gold), as_union(prediction)
    if all(interval for _, interval in left + right):
        return _each_in(left, right, nesting) and _each_in(right, left, nesting)
    if not all(RELATION.search(side) or split_collection(split_name(side)[1]) for side in (gold, prediction)):
        return False
    return _same_symbolically(gold, prediction)


def _each_in(first: list[Range], second: list[Range], nesting: int) -> bool:
    """Return whether every range of the first union is one of the second."""
    return all(
        any(
            not names_contradict(name, other_name) and _same_collection(interval, other, "", "", nesting)
            for other_name, other in second
        )
        for name, interval in first
    )


def _same_text(gold: str, prediction: str) -> bool:
    wanted, given = plain_text(gold), plain_text(prediction)
    if wanted in _OPPOSITES:  # "yes, they are parallel" says yes
        words = given.split()
        return words[:1] == [wanted] and _OPPOSITES[wanted] not in words
    return bool(wanted) and wanted == given


def plain_text(text: str) -> str:
    """Return words only: lower case, no punctuation, no leading article."""
    return _ARTICLE.sub("", _NOT_TEXT.sub(" ", text.casefold()).strip())


def _same_collection(
    gold: Collection | None, prediction: Collection | None, gold_text: str, predicted_text: str, nesting: int
) -> bool:
    gold = gold or Collection("", "", (_value_or_text(gold_text),))
    prediction = prediction or Collection("", "", (_value_or_text(predicted_text),))
    # A named tuple such as P = (3, 4) is one element until its name is gone.
    gold, prediction = _unfold(gold), _unfold(prediction)
    if max(len(gold.elements), len(prediction.elements)) > MAXIMUM_ELEMENTS:
        raise Stopped("too_long")
    if gold.opening and prediction.opening:
        if not gold.has_brackets_of(prediction):
            return False
    elif "(" in gold.opening + prediction.opening and min(len(gold.elements), len(prediction.elements)) < 2:
        return False
    if gold.is_ordered or prediction.is_ordered or _has_names(gold) != _has_names(prediction):
        return len(gold.elements) == len(prediction.elements) and all(
            _same(left, right, nesting) for left, right in zip(gold.elements, prediction.elements, strict=True)
        )
    return all(any(_same(left, right, nesting) for right in prediction.elements) for left in gold.elements) and all(
        any(_same(left, right, nesting) for left in gold.elements) for right in prediction.elements
    )


def _value_or_text(text: str) -> str:
    name, value = split_name(text)
    chain = conclusion(text) if name is None and "=" in text else None
    return chain[1] if chain and not chain[0] else value


def _unfold(collection: Collection) -> Collection:
    if not collection.opening and len(collection.elements) == 1:
        return split_collection(collection.elements[0]) or collection
    return collection


def _has_names(collection: Collection) -> bool:
    """Return whether the elements are coordinates: x = 1, y = 2, but not x = 1, x = 2."""
    names = {(split_name(element)[0] or "").partition("_")[0] for element in collection.elements}
    return len(names) > 1 and "" not in names


def _same_approximation(gold: str, prediction: str, nesting: int) -> bool:
    """`2\\sqrt{2} \\approx 2.83` counts as either of its sides, provided that they are close to each other."""
    return any(
        _same(left, right, nesting)
        for left in _sides_of_approximation(gold)
        for right in _sides_of_approximation(prediction)
    )


def _sides_of_approximation(text: str) -> list[str]:
    if r"\approx" not in text:
        return [text]
    exact, rounded = (split_name(side.strip())[1] for side in text.rsplit(r"\approx", 1))
    if not exact or is_wordy(exact) or split_name(f"{exact} = 0")[0]:
        return [rounded]  # only a name stands on the left
    try:
        left, right = (as_float(read_quantity(side).value) for side in (exact, rounded))
    except Undecided:
        return [rounded]
    if left is None or right is None or abs(left - right) > _TOLERATED_APPROXIMATION * abs(left):
        return [rounded]
    return [exact, rounded]
