"""Units behind a number: which words are one, and whether two of them measure the same thing.

A unit that only one side writes is ignored, as every grader in the field does. When both sides write one, values are
compared after conversion, so 5 m is 500 cm, and 12 km is not 12 cm.
"""

import re
from dataclasses import dataclass
from fractions import Fraction
from functools import lru_cache

from verify.lexicon import NEUTRAL_UNITS, NOT_UNITS

# Name: factor to the base unit, base dimension, power of that dimension.
_TABLE = {
    "m meter metre": ("1", "length", 1),
    "km kilometer kilometre": ("1000", "length", 1),
    "cm centimeter centimetre": ("1/100", "length", 1),
    "mm millimeter millimetre": ("1/1000", "length", 1),
    "dm decimeter decimetre": ("1/10", "length", 1),
    "nm nanometer": ("1/1000000000", "length", 1),
    "in inch inches": ("254/10000", "length", 1),
    "ft foot feet": ("3048/10000", "length", 1),
    "yd yard": ("9144/10000", "length", 1),
    "mi mile": ("1609344/1000", "length", 1),
    "L l liter litre": ("1/1000", "length", 3),
    "mL ml milliliter millilitre": ("1/1000000", "length", 3),
    "s sec second": ("1", "time", 1),
    "ms millisecond": ("1/1000", "time", 1),
    "min minute": ("60", "time", 1),
    "h hr hour": ("3600", "time", 1),
    "day": ("86400", "time", 1),
    "week": ("604800", "time", 1),
    "month": ("1", "month", 1),
    "yr year": ("1", "year", 1),
    "g gram": ("1", "mass", 1),
    "kg kilogram": ("1000", "mass", 1),
    "mg milligram": ("1/1000", "mass", 1),
    "t ton tonne": ("1000000", "mass", 1),
    "lb lbs pound": ("45359237/100000", "mass", 1),
    "oz ounce": ("1", "oz", 1),
    "deg degree": ("1", "angle", 1),
    "rad radian": ("1", "radian", 1),
    "N newton": ("1", "force", 1),
    "kN": ("1000", "force", 1),
    "J joule": ("1", "energy", 1),
    "kJ kilojoule": ("1000", "energy", 1),
    "W watt": ("1", "power", 1),
    "kW kilowatt": ("1000", "power", 1),
    "V volt": ("1", "voltage", 1),
    "A ampere amp": ("1", "current", 1),
    "mA": ("1/1000", "current", 1),
    "Hz hertz": ("1", "frequency", 1),
    "kHz": ("1000", "frequency", 1),
    "Pa pascal": ("1", "pressure", 1),
    "kPa": ("1000", "pressure", 1),
    "K kelvin": ("1", "kelvin", 1),
    "C celsius": ("1", "celsius", 1),
    "F fahrenheit": ("1", "fahrenheit", 1),
    "mol mole": ("1", "amount", 1),
    "ohm": ("1", "resistance", 1),
    "mph": ("1609344/3600000", "speed", 1),
    "dollar usd USD": ("1", "dollar", 1),
    "cent": ("1/100", "dollar", 1),
}
_KNOWN = {
    name: (Fraction(factor), dimension, power)
    for names, (factor, dimension, power) in _TABLE.items()
    for name in names.split()
}
_POWER_WORDS = {"square": 2, "sq": 2, "cubic": 3, "cu": 3}
_FACTOR = re.compile(r"\s*(?:(\^\\circ)\s*([CF]\b)?|([a-zA-Z]+)\.?)\s*(?:\^\s*\{?\s*(-?[0-9])\s*\}?|([23]))?")
_TAIL_START = re.compile(r"(?:(?<=[0-9)}\s])|(?<=\\pi))(?=\^\\circ|[a-zA-Z])")
_ENDS_VALUE = re.compile(r"(?:[0-9)}a-zA-Z]|\.)$")
# Glued to a number, other single letters are more likely unknowns (5x) than units (5m).
_GLUED_LETTERS = frozenset("mgshL")


@dataclass(frozen=True)
class Unit:
    """A product of powers of dimensions (or of unknown words) with its factor to the base units."""

    factor: Fraction
    dimensions: tuple[tuple[str, int], ...]


@lru_cache(maxsize=1 << 12)
def read_unit(text: str) -> Unit | None:
    """Return the unit that a text stands for; None when it is not one."""
    text = text.replace(r"\cdot", " ").replace("*", " ").strip()
    if len(text) > 60 or text.count("/") > 1:
        return None
    parts = re.split(r"/|\bper\b", text)
    if len(parts) > 2 or not parts[0].strip():
        return None
    factor = Fraction(1)
    powers: dict[str, int] = {}
    for part, direction in zip(parts, (1, -1), strict=False):
        read = _read_product(part)
        if read is None:
            return None
        factor *= read[0] ** direction
        for dimension, power in read[1].items():
            powers[dimension] = powers.get(dimension, 0) + direction * power
    return Unit(factor, tuple(sorted((name, power) for name, power in powers.items() if power)))


def _read_product(text: str) -> tuple[Fraction, dict[str, int]] | None:
    factor = Fraction(1)
    powers: dict[str, int] = {}
    position, pending_power = 0, 1
    text = text.rstrip()
    while position < len(text):
        match = _FACTOR.match(text, position)
        if match is None:
            return None
        position = match.end()
        if match[3] and match[3].lower() in _POWER_WORDS:
            pending_power = _POWER_WORDS[match[3].lower()]
            continue
        known = _look_up(match[2] or ("deg" if match[1] else match[3]))
        if known is None:
            return None
        exponent = int(match[4] or match[5] or 1) * pending_power
        pending_power = 1
        factor *= known[0] ** exponent
        if known[1]:
            powers[known[1]] = powers.get(known[1], 0) + known[2] * exponent
    return factor, powers


def _look_up(word: str) -> tuple[Fraction, str, int] | None:
    """Table entry, or the word itself as a dimension of its own (12 apples); None for a word that is no unit."""
    lower = word.lower()
    for name in (word, lower, lower.removesuffix("s"), lower.removesuffix("es")):
        if name in _KNOWN and (len(name) > 1 or name == word):
            return _KNOWN[name]
    if lower in NEUTRAL_UNITS:
        return Fraction(1), "", 0
    if len(word) < 3 or lower in NOT_UNITS:
        return None
    return Fraction(1), lower.removesuffix("s"), 1


@lru_cache(maxsize=1 << 13)
def split_unit(text: str) -> tuple[str, Unit | None]:
    """Return an answer in common notation as (value part, unit); the longest tail that reads as a unit wins."""
    starts = [match.start() for match in _TAIL_START.finditer(text)][:8]
    for start in starts:
        value, tail = text[:start].rstrip(), text[start:]
        glued_letter = len(tail) == 1 and len(value) == start and tail not in _GLUED_LETTERS
        if glued_letter or not _ENDS_VALUE.search(value):
            continue
        unit = read_unit(tail)
        if unit is not None:
            return value, unit
    return text, None


def compatible_factor(gold: Unit | None, prediction: Unit | None) -> Fraction | None:
    """Return what the prediction's value is multiplied with before comparing; None when the units contradict."""
    if gold is None or prediction is None or not gold.dimensions or not prediction.dimensions:
        return Fraction(1)
    if gold.dimensions != prediction.dimensions:
        return None
    return prediction.factor / gold.factor
