"""Sums of rational multiples of square roots and symbols: exact arithmetic that decides equality, without sympy.

A value is a quotient of two sums of terms; a term is a rational number times the square root of a squarefree integer
times powers of symbols (letters, pi, named constants). Such terms are linearly independent over the rationals, so two
values are equal exactly when the cross products agree term by term: both answers, yes and no, are certain.
Whatever does not fit, or grows beyond the limits below, raises `Undecided`.
"""

import math
from fractions import Fraction

from verify.expression import Undecided

_KNOWN_VALUES = {r"\pi": math.pi, "e": math.e}
_MAXIMUM_BITS = 2000
_MAXIMUM_EXPONENT = 400
_MAXIMUM_TERMS = 200
_MAXIMUM_FACTORIAL = 100
_MAXIMUM_RADICAND = 10**9

# A term is keyed by (squarefree radicand, ((symbol, exponent), ...)).
Term = tuple[int, tuple[tuple[str, int], ...]]
Sum = dict[Term, Fraction]
Value = tuple[Sum, Sum]

ONE: Sum = {(1, ()): Fraction(1)}


def rational(number: Fraction) -> Value:
    return ({(1, ()): number} if number else {}), ONE


def symbol(name: str) -> Value:
    return {(1, ((name, 1),)): Fraction(1)}, ONE


def is_equal(left: Value, right: Value) -> bool:
    return _multiply_sums(left[0], right[1]) == _multiply_sums(right[0], left[1])


def has_symbol(value: Value, name: str) -> bool:
    return any(name == known for terms in value for _, symbols in terms for known, _ in symbols)


def as_fraction(value: Value) -> Fraction | None:
    """Return the value as a rational number, if it is one."""
    numerator, denominator = value
    if not numerator:
        return Fraction(0)
    if len(numerator) != len(denominator):
        return None
    term = next(iter(denominator))
    ratio = numerator.get(term, Fraction(0)) / denominator[term]
    return ratio if numerator == {key: factor * ratio for key, factor in denominator.items()} else None


def as_float(value: Value) -> float | None:
    """Floating-point value of an expression without unknowns, for comparison with long decimals."""
    try:
        return _sum_as_float(value[0]) / _sum_as_float(value[1])
    except (Undecided, OverflowError, ZeroDivisionError):
        return None


def _sum_as_float(terms: Sum) -> float:
    total = 0.0
    for (radicand, symbols), factor in terms.items():
        number = float(factor) * math.sqrt(radicand)
        for name, exponent in symbols:
            if name not in _KNOWN_VALUES:
                raise Undecided(name)
            number *= _KNOWN_VALUES[name] ** exponent
        total += number
    return total


def add(left: Value, right: Value) -> Value:
    total = dict(_multiply_sums(left[0], right[1]))
    for term, factor in _multiply_sums(right[0], left[1]).items():
        _accumulate(total, term, factor)
    return total, _multiply_sums(left[1], right[1])


def negate(value: Value) -> Value:
    return {term: -factor for term, factor in value[0].items()}, value[1]


def multiply(left: Value, right: Value) -> Value:
    return _multiply_sums(left[0], right[0]), _multiply_sums(left[1], right[1])


def divide(left: Value, right: Value) -> Value:
    if not right[0]:
        raise Undecided("division by zero")
    return multiply(left, (right[1], right[0]))


def _accumulate(total: Sum, term: Term, factor: Fraction) -> None:
    changed = total.get(term, Fraction(0)) + factor
    if changed:
        total[term] = changed
    else:
        total.pop(term, None)


def _multiply_sums(left: Sum, right: Sum) -> Sum:
    if left is ONE or right is ONE:  # most denominators
        return right if left is ONE else left
    if len(left) * len(right) > _MAXIMUM_TERMS:
        raise Undecided("too many terms")
    product: Sum = {}
    for left_term, left_factor in left.items():
        for right_term, right_factor in right.items():
            term, extra = _multiply_terms(left_term, right_term)
            factor = left_factor * right_factor * extra
            if factor.numerator.bit_length() + factor.denominator.bit_length() > _MAXIMUM_BITS:
                raise Undecided("number too big")
            _accumulate(product, term, factor)
    return product


def _multiply_terms(left: Term, right: Term) -> tuple[Term, int]:
    common = math.gcd(left[0], right[0])
    exponents = dict(left[1])
    for name, exponent in right[1]:
        exponents[name] = exponents.get(name, 0) + exponent
    symbols = tuple(sorted((name, exponent) for name, exponent in exponents.items() if exponent))
    return (left[0] * right[0] // common**2, symbols), common


def root(value: Value, degree: int) -> Value:
    """Root of a rational: a square root as a multiple of the root of a squarefree integer, others if rational."""
    ratio = as_fraction(value)
    if ratio is None or ratio < 0 or ratio.numerator * ratio.denominator > _MAXIMUM_RADICAND:
        raise Undecided("root")
    if ratio == 0:
        return rational(ratio)
    if degree == 2:
        outside, radicand = _split_square(ratio.numerator * ratio.denominator)
        return {(radicand, ()): Fraction(outside, ratio.denominator)}, ONE
    candidate = Fraction(*(round(part ** (1 / degree)) for part in (ratio.numerator, ratio.denominator)))
    if candidate**degree != ratio:
        raise Undecided("root")
    return rational(candidate)


def _split_square(number: int) -> tuple[int, int]:
    """(a, b) with number = a * a * b and b squarefree."""
    outside, squarefree, divisor = 1, 1, 2
    while divisor**3 <= number:
        while number % divisor**2 == 0:
            number //= divisor**2
            outside *= divisor
        if number % divisor == 0:
            number //= divisor
            squarefree *= divisor
        divisor += 1
    # What is left has at most two prime factors: it is a square or squarefree.
    root = math.isqrt(number)
    return (outside * root, squarefree) if root * root == number else (outside, squarefree * number)


def power(base: Value, exponent: Value) -> Value:
    degree = as_fraction(exponent)
    if degree is None:
        raise Undecided("exponent")
    if degree == Fraction(1, 2):
        return root(base, 2)
    if degree.denominator != 1 or abs(degree) > _MAXIMUM_EXPONENT:
        raise Undecided("exponent")
    numerator, denominator = base if degree >= 0 else (base[1], base[0])
    if not denominator or (not base[0] and degree == 0):
        raise Undecided("zero to a power")
    return _repeat(numerator, abs(int(degree))), _repeat(denominator, abs(int(degree)))


def factorial(value: Value) -> Value:
    number = as_fraction(value)
    if number is None or number.denominator != 1 or not 0 <= number <= _MAXIMUM_FACTORIAL:
        raise Undecided("factorial")
    return rational(Fraction(math.factorial(int(number))))


def function(name: str, value: Value, base: Value | None) -> Value:
    raise Undecided(name)


def _repeat(factor: Sum, times: int) -> Sum:
    product = ONE
    while times:
        if times & 1:
            product = _multiply_sums(product, factor)
        times >>= 1
        if times:
            factor = _multiply_sums(factor, factor)
    return product
