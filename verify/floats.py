"""Floating-point evaluation with functions and sampled unknowns: most wrong formulas differ at once.

A clear difference at a sample point is certain; equality is not, unless there is nothing unknown in either side.
Saves the symbolic comparison, a hundred times slower, for the pairs that need it.
"""

import cmath
import math
import random
from fractions import Fraction
from functools import lru_cache

from verify.expression import Undecided, evaluate

_SAMPLES = (1, 2)
_CLEARLY_DIFFERENT = 1e-5
_SURELY_EQUAL = 1e-12
_CONSTANTS = {r"\pi": cmath.pi, "e": cmath.e, "i": 1j}
_FUNCTIONS = {
    "sin": cmath.sin,
    "cos": cmath.cos,
    "tan": cmath.tan,
    "sinh": cmath.sinh,
    "cosh": cmath.cosh,
    "tanh": cmath.tanh,
    "arcsin": cmath.asin,
    "arccos": cmath.acos,
    "arctan": cmath.atan,
    "ln": cmath.log,
    "exp": cmath.exp,
    "sec": lambda value: 1 / cmath.cos(value),
    "csc": lambda value: 1 / cmath.sin(value),
    "cot": lambda value: 1 / cmath.tan(value),
}
_ERRORS = (OverflowError, ZeroDivisionError, ValueError)


class SampledArithmetic:
    """Complex numbers; an unknown has a value between 1/2 and 2 that depends on its name and the sample only."""

    def __init__(self, sample: int) -> None:
        self.sample = sample
        self.has_unknowns = False

    def rational(self, number: Fraction) -> complex:
        return complex(float(number))

    def symbol(self, name: str) -> complex:
        if name in _CONSTANTS:
            return complex(_CONSTANTS[name])
        if name == r"\infty":
            raise Undecided(name)
        self.has_unknowns = True
        return complex(random.Random(f"{name} {self.sample}").uniform(0.5, 2.0))

    def add(self, left: complex, right: complex) -> complex:
        return left + right

    def negate(self, value: complex) -> complex:
        return -value

    def multiply(self, left: complex, right: complex) -> complex:
        return left * right

    def divide(self, left: complex, right: complex) -> complex:
        return left / right

    def power(self, base: complex, exponent: complex) -> complex:
        if base.imag == 0 and base.real < 0 and exponent.real != round(exponent.real):
            raise Undecided("branch of a power")
        return base**exponent

    def root(self, value: complex, degree: int) -> complex:
        if degree != 2 and (value.imag or value.real < 0):
            raise Undecided("branch of a root")
        return cmath.sqrt(value) if degree == 2 else value ** (1 / degree)

    def factorial(self, value: complex) -> complex:
        if value.imag or value.real != round(value.real) or not 0 <= value.real <= 170:
            raise Undecided("factorial")
        return complex(math.factorial(int(value.real)))

    def function(self, name: str, value: complex, base: complex | None) -> complex:
        if name == "log" and base is not None:
            return cmath.log(value) / cmath.log(base)
        if name not in _FUNCTIONS or base is not None:
            raise Undecided(name)  # log without a base has two readings
        return _FUNCTIONS[name](value)


def same_numerically(gold: str, prediction: str) -> bool | None:
    """False when the two differ at some sample point, True when they agree and nothing is unknown, else None."""
    for sample in _SAMPLES:
        try:
            (left, left_unknown), (right, right_unknown) = _value(gold, sample), _value(prediction, sample)
        except Undecided:
            return None
        difference, scale = abs(left - right), max(abs(left), abs(right))
        if difference > _CLEARLY_DIFFERENT * max(scale, 1e-3):
            return False
        if not left_unknown and not right_unknown:
            return True if difference <= _SURELY_EQUAL * scale else None
    return None


@lru_cache(maxsize=1 << 13)
def _value(text: str, sample: int) -> tuple[complex, bool]:
    arithmetic = SampledArithmetic(sample)
    try:
        value = evaluate(text, arithmetic)
    except _ERRORS as error:
        raise Undecided(type(error).__name__) from error
    if not cmath.isfinite(value):
        raise Undecided("not finite")
    return value, arithmetic.has_unknowns
