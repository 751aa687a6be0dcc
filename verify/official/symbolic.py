"""Comparisons of the official rules that parse LaTeX; imported only inside the comparison worker.

The original scripts pass the parsed expression to Python's `eval` as text, so that only what has a name there gets a
value: the names of the `math` module. Here the tree is walked instead.
"""

import math
from collections.abc import Callable
from functools import lru_cache

import math_verify
import sympy
from latex2sympy2_extended import latex2sympy
from latex2sympy2_extended.latex2sympy2 import ConversionConfig

from verify.lexicon import words

Number = int | float | complex

_DECIMALS = 2
# The scripts use an older parser, to which 3\frac{1}{2} is a product.
_CONVERSION = ConversionConfig(interpret_as_mixed_fractions=False)
_NAMED_FUNCTIONS = words("sin cos tan asin acos atan sinh cosh tanh asinh acosh atanh factorial floor gcd lcm")


class NoValue(Exception):
    """The original script would stop with an error here, which counts as different."""


def same_at_two_decimals(gold: str, answer: str) -> bool:
    """MATH-V's `is_equal` for texts that differ."""
    gold, answer = _rounded_tuple(gold), _rounded_tuple(answer)
    return gold == answer or _rounded(gold) == _rounded(answer)


def _rounded_tuple(text: str) -> str:
    """Return a tuple or interval with every element rounded; any other text as it is."""
    elements = text[1:-1].split(",")
    if len(elements) < 2 or (text[0], text[-1]) not in (("(", ")"), ("[", "]")):
        return text
    inside = ",".join(element if _stays(element) else str(_rounded(element)) for element in elements)
    return f"{text[0]}{inside}{text[-1]}"


def _stays(element: str) -> bool:
    return "infty" in element or element in ("a", "-a")


def _rounded(latex: str) -> Number:
    return round(_value(_parse(latex)), _DECIMALS)  # type: ignore[arg-type]


@lru_cache(maxsize=1024)
def _parse(latex: str) -> sympy.Basic:
    return latex2sympy(latex, conversion_config=_CONVERSION)


def _value(tree: sympy.Basic) -> Number:
    """Return what `eval(str(tree))` gives in the original, where the math module's names are known."""
    if isinstance(tree, sympy.Integer):
        return int(tree)
    if isinstance(tree, sympy.Rational):
        return tree.p / tree.q
    if isinstance(tree, sympy.Float):
        return float(tree)
    if isinstance(tree, sympy.UnevaluatedExpr):
        return _value(tree.args[0])
    if isinstance(tree, sympy.Add):
        return sum(_value(part) for part in tree.args)
    if isinstance(tree, sympy.Mul):
        return math.prod(_value(part) for part in tree.args)
    if isinstance(tree, sympy.Pow) and not isinstance(tree, sympy.exp):
        base, exponent = tree.args
        return _power(base, exponent)
    return _named_value(tree)


def _power(base: sympy.Basic, exponent: sympy.Basic) -> Number:
    if exponent in (sympy.S.Half, -sympy.S.Half):  # printed as sqrt(...)
        root = math.sqrt(_value(base))  # type: ignore[arg-type]
        return root if exponent is sympy.S.Half else 1 / root
    return _value(base) ** _value(exponent)


def _named_value(tree: sympy.Basic) -> Number:
    if tree is sympy.pi:
        return math.pi
    if isinstance(tree, sympy.exp):
        return math.exp(_value(tree.exp))  # type: ignore[arg-type]
    arguments = tree.args
    if isinstance(tree, sympy.log):
        # ln x is log(x, E) to this parser and log(x) to the original's.
        bases = [_value(base) for base in arguments[1:] if base is not sympy.E]
        return math.log(_value(arguments[0]), *bases)  # type: ignore[arg-type]
    name = type(tree).__name__
    if name not in _NAMED_FUNCTIONS:
        raise NoValue(name)
    return getattr(math, name)(*(_value(argument) for argument in arguments))


def same_value(gold: str, answer: str) -> bool:
    """EMMA's LaTeX rule: equal at two decimals; its symbolic step comes after and sees numbers only."""
    return round(float(_parse(gold).evalf()), _DECIMALS) == round(float(_parse(answer).evalf()), _DECIMALS)


def same_formula(gold: str, answer: str) -> bool:
    """SeePhys' direct match: the difference simplifies to zero."""
    return sympy.simplify(_parse(gold) - _parse(answer)) == 0


def math_verify_default(gold: str, response: str) -> bool:
    """math-verify as it comes, its own timers off. What it evaluates as Python is digits, blanks and operators."""
    parsed_gold = math_verify.parse(f"${gold}$", parsing_timeout=None)
    parsed_response = math_verify.parse(response, parsing_timeout=None)
    return math_verify.verify(parsed_gold, parsed_response, timeout_seconds=None)


COMPARISONS: dict[str, Callable[[str, str], bool]] = {
    "mathvision": same_at_two_decimals,
    "emma": same_value,
    "same_formula": same_formula,
    "math_verify": math_verify_default,
}
