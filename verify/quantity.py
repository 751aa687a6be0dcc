"""A single value as people write it: thousands commas, percent, currency, magnitude words, scientific form, units."""

import re
from dataclasses import dataclass
from fractions import Fraction
from functools import lru_cache

import verify.surds as surds
from verify.expression import Undecided, evaluate
from verify.lexicon import NUMBER_WORDS, POWERS_OF_TEN
from verify.notation import drop_thousands_commas
from verify.surds import Value, as_float, has_symbol, is_equal, multiply, rational
from verify.units import Unit, compatible_factor, read_unit, split_unit

_PLAIN = re.compile(r"[-+]? ?(?:[0-9]{1,60}(?:\.[0-9]{0,60})?|\.[0-9]{1,60})")
_SCIENTIFIC = re.compile(r"(?<![a-zA-Z\\])([0-9]+\.?[0-9]*)[eE]([-+]?[0-9]{1,3})(?![0-9a-zA-Z])")
_PERCENT = re.compile(r"\s*(?:\\?%|\bper ?cent\b|\bpercentage points?\b)$", re.IGNORECASE)
_CURRENCY = re.compile(r"^([-+]?)\s*(?:[€£¥₹]|\b(?:USD|US|Rs\.?)(?=\s*[0-9]))\s*")
_APPROXIMATE = re.compile(
    r"^(?:approximately|approx\.?|about|roughly|around|exactly|~|\\approx|\\sim)\s*(?=[-+]?[0-9.])"
)
_MAGNITUDE = re.compile(rf"(?<=[0-9])\s*({'|'.join(POWERS_OF_TEN)})\b", re.IGNORECASE)
# A decimal this precise stands for any value that rounds to it (0.333333 for 1/3); a shorter one only for itself.
_ROUNDED_DIGITS = 6


@dataclass(frozen=True)
class Quantity:
    """`decimals` counts the digits after the point of a long plain decimal, and is None for anything else."""

    value: Value
    unit: Unit | None
    is_percent: bool
    decimals: int | None


@lru_cache(maxsize=1 << 13)
def read_quantity(text: str, with_unit: bool = True) -> Quantity:
    """Read an answer in common notation; raises `Undecided` when it is not one closed expression."""
    text = drop_thousands_commas(text.strip())
    first, _, rest = text.partition(" ")
    if first.lower() in NUMBER_WORDS and (not rest or read_unit(rest) is not None):
        text = f"{NUMBER_WORDS[first.lower()]} {rest}".rstrip()
    text = _CURRENCY.sub(r"\1", _APPROXIMATE.sub("", text))
    text = _MAGNITUDE.sub(lambda word: rf"\cdot 10^{{{POWERS_OF_TEN[word[1].lower()]}}}", text)
    without_percent = _PERCENT.sub("", text)
    body, unit = split_unit(without_percent) if with_unit else (without_percent, None)
    body = _SCIENTIFIC.sub(r"\1\\cdot 10^{\2}", body)
    return Quantity(_read_value(body), unit, without_percent != text, _long_decimals(body))


def _read_value(body: str) -> Value:
    if _PLAIN.fullmatch(body):
        return rational(Fraction(body.replace(" ", "").rstrip(".")))
    return evaluate(body, surds)


def _long_decimals(body: str) -> int | None:
    if not _PLAIN.fullmatch(body) or "." not in body:
        return None
    significant = re.sub(r"[-+ .]", "", body).lstrip("0")
    return len(body.partition(".")[2]) if len(significant) >= _ROUNDED_DIGITS else None


def same_quantity(gold: Quantity, prediction: Quantity) -> bool:
    """Return equal after unit conversion; a percentage also equals its hundredth when only one side has the sign."""
    factor = compatible_factor(gold.unit, prediction.unit)
    if factor is None:
        return False
    predicted = multiply(prediction.value, rational(factor))
    scales = [Fraction(1)]
    if gold.is_percent != prediction.is_percent:
        scales.append(Fraction(1, 100) if prediction.is_percent else Fraction(100))
    if any(_same_value(gold, prediction, multiply(predicted, rational(scale))) for scale in scales):
        return True
    if has_symbol(gold.value, "i") or has_symbol(predicted, "i"):
        raise Undecided("perhaps the imaginary unit")
    return False


def _same_value(gold: Quantity, prediction: Quantity, predicted: Value) -> bool:
    if is_equal(gold.value, predicted):
        return True
    decimals = gold.decimals if prediction.decimals is None else prediction.decimals
    if decimals is None or None not in (gold.decimals, prediction.decimals):
        return False
    left, right = as_float(gold.value), as_float(predicted)
    return left is not None and right is not None and abs(left - right) <= 0.5000001 * 10.0**-decimals
