"""The text rules of mathruler 0.1.0, the comparison inside PAPO's reward and PAPO-Eval.

Two normalisers come first (the MATH benchmark's and PRM800K's), then a split into tuple elements. What is left for
symbolic comparison is decided by `may_be_computed`. Odd outcomes are kept on purpose: a fraction's numerator loses its
grouping, root degrees vanish, and m or km are no units. Published scores depend on them.
"""

import re

from verify.latex_text import latex_to_text

# The order matters: "cm" goes before "centimeter" can be seen.
_UNITS = "degree cm centimeter meter mile second minute hour day week month year foot feet inch yard"
_UNIT_PATTERNS = tuple(re.compile(rf"{unit}(?:es)?s? *(?:\^[0-9]+)?") for unit in _UNITS.split())
_MAGNITUDES = (("million", "*10^6"), ("billion", "*10^9"), ("trillion", "*10^12"))
_ENCLOSING_TEXT = re.compile(r"\\text\{(.+)\}\n?")
_THOUSANDS_COMMA = re.compile(r"(\d),(\d\d\d)(?=$|\D)")
_PLAIN_FRACTION = re.compile(r"-?[0-9]+.?/0*[1-9][0-9]*.?\n?")
_FORBIDDEN_POWER = re.compile(r"\^[{(]|\^[0-9]+\^|\^[0-9][0-9]")
_BRACKETS = frozenset("()[]")


class _NotNormal(Exception):
    """The MATH normaliser gives up; the text is then compared as it stands."""


def same_after_math_rules(prediction: str, gold: str) -> bool:
    """First chance: equal strings after the MATH benchmark's clean-up."""
    return _math_form(prediction) == _math_form(gold)


def _math_form(text: str) -> str:
    text = text.strip()
    enclosed = _ENCLOSING_TEXT.fullmatch(text)
    if enclosed:
        text = enclosed[1].strip()
    try:
        return _apply_math_rules(text)
    except _NotNormal:
        return text


def _apply_math_rules(text: str) -> str:
    text = text.replace("\n", "").replace("\\!", "").replace("\\\\", "\\")
    text = text.replace("tfrac", "frac").replace("dfrac", "frac").replace("\\left", "").replace("\\right", "")
    text = text.replace("^{\\circ}", "").replace("^\\circ", "").replace("\\$", "")
    head, *unit_tails = text.split("\\text{ ")
    if len(unit_tails) > 1:
        raise _NotNormal
    text = head.replace("\\%", "").replace(" .", " 0.").replace("{.", "{0.")
    if not text:
        return text
    if text[0] == ".":
        text = "0" + text
    sides = text.split("=")
    if len(sides) == 2 and len(sides[0]) <= 2:
        text = sides[1]
    text = _brace_fractions(_brace_roots(text).replace(" ", ""))
    return _slash_to_fraction("\\frac{1}{2}" if text == "0.5" else text)


def _brace_roots(text: str) -> str:
    head, *tails = text.split("\\sqrt")
    if "" in tails:
        raise _NotNormal
    return head + "".join("\\sqrt" + (tail if tail[0] == "{" else f"{{{tail[0]}}}{tail[1:]}") for tail in tails)


def _brace_fractions(text: str) -> str:
    head, *tails = text.split("\\frac")
    braced = [head]
    for tail in tails:
        if not tail:
            raise _NotNormal
        if tail[0] == "{":
            braced.append(tail)
        elif len(tail) < 2:
            return text
        elif tail[1] == "{":
            braced.append(f"{{{tail[0]}}}{tail[1:]}")
        else:
            braced.append(f"{{{tail[0]}}}{{{tail[1]}}}{tail[2:]}")
    return "\\frac".join(braced)


def _slash_to_fraction(text: str) -> str:
    canonical = re.fullmatch(r"(0|-?[1-9][0-9]{0,999})/(0|-?[1-9][0-9]{0,999})", text)
    return f"\\frac{{{canonical[1]}}}{{{canonical[2]}}}" if canonical else text


def prm_form(text: str) -> str:
    """PRM800K's clean-up: no currency, percent, common units or degree marks; LaTeX as plain text; lower case."""
    enclosed = _ENCLOSING_TEXT.fullmatch(text)
    if enclosed:
        text = enclosed[1]
    text = text.replace("\\%", "%").replace("\\$", "$").replace("$", "").replace("%", "")
    text = text.replace(" or ", " , ").replace(" and ", " , ")
    for word, power in _MAGNITUDES:
        text = text.replace(word, power)
    for pattern in _UNIT_PATTERNS:
        text = pattern.sub("", text)
    text = re.sub(r"\^ *\\circ", "", text)
    if text[:1] == "{" and text[-1:] == "}":
        text = text[1:-1]
    text = re.sub(r",\\! *", "", text)
    whole = _nearest_whole(text)
    if whole is not None:
        text = str(whole)
    if "\\" in text:
        text = latex_to_text(text)
    text = re.sub("- *", "-", text)
    text = re.sub("([0-9]) +([0-9])", r"\1+\2", text)
    text = text.replace(" ", "").replace("{", "").replace("}", "").lower()
    if is_whole_number(text):
        text = str(int(float(text.replace(",", ""))))
    return text


def _nearest_whole(text: str) -> int | None:
    """Return the integer that a float literal stands for, if it is one to within 1e-7."""
    try:
        value = float(text)
        nearest = round(value)
    except (ValueError, OverflowError):
        return None
    return nearest if abs(value - nearest) <= 1e-7 else None


def _strip_thousands_commas(text: str) -> str:
    previous = None
    while previous != text:
        previous, text = text, _THOUSANDS_COMMA.sub(r"\1\2", text)
    return text


def is_whole_number(text: str) -> bool:
    return _nearest_whole(_strip_thousands_commas(text)) is not None


def is_plain_fraction(text: str) -> bool:
    return _PLAIN_FRACTION.fullmatch(text) is not None


def split_elements(text: str) -> list[str]:
    """Elements of a flat tuple or interval; anything else is one element."""
    text = _strip_thousands_commas(text)
    if not text:
        return []
    inside = text[1:-1]
    if len(text) > 2 and text[0] in _BRACKETS and text[-1] in _BRACKETS and not _BRACKETS.intersection(inside):
        return [element.strip() for element in inside.split(",")]
    return [text]


def may_be_computed(gold: str, prediction: str) -> bool:
    """mathruler's own guard on what goes to sympy: two letters at most, and only one-digit plain exponents."""
    difference = f"({gold})-({prediction})"
    letters = set(filter(str.isalpha, difference.replace("sqrt", "").replace("frac", "")))
    return len(letters) <= 2 and not _FORBIDDEN_POWER.search(difference)
