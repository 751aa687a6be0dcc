"""Comparisons of the official rules that parse LaTeX; imported only inside the comparison worker.

The original scripts pass the parsed expression to Python's `eval` as text, so that only what has a name there gets a
value: MATH-V's script has the names of the `math` module, VLMEvalKit's has none. Here the tree is walked instead.
"""

import ast
import math
import operator
from collections.abc import Callable
from functools import lru_cache

import math_verify
import sympy
from latex2sympy2_extended import latex2sympy
from latex2sympy2_extended.latex2sympy2 import ConversionConfig

from verify.lexicon import words

Number = int | float | complex

_DECIMALS = 2
_TOLERANCE = 1e-6
# The scripts use an older parser, to which 3\frac{1}{2} is a product.
_CONVERSION = ConversionConfig(interpret_as_mixed_fractions=False)
_NAMED_FUNCTIONS = words("sin cos tan asin acos atan sinh cosh tanh asinh acosh atanh factorial floor gcd lcm")
_BINARY: dict[type, Callable] = {
    ast.Add: operator.add,
    ast.Sub: operator.sub,
    ast.Mult: operator.mul,
    ast.Div: operator.truediv,
    ast.FloorDiv: operator.floordiv,
    ast.Mod: operator.mod,
    ast.Pow: operator.pow,
    ast.BitXor: operator.xor,
}
_UNARY: dict[type, Callable] = {ast.UAdd: operator.pos, ast.USub: operator.neg}


class NoValue(Exception):
    """The original script would stop with an error here, which counts as different."""


def same_at_two_decimals(gold: str, answer: str) -> bool:
    """MATH-V's `is_equal` for texts that differ."""
    gold, answer = _rounded_tuple(gold), _rounded_tuple(answer)
    return gold == answer or _rounded(gold) == _rounded(answer)


def _rounded_tuple(text: str) -> str:
    """A tuple or interval with every element rounded; any other text as it is."""
    elements = text[1:-1].split(",")
    if len(elements) < 2 or (text[0], text[-1]) not in (("(", ")"), ("[", "]")):
        return text
    inside = ",".join(element if _stays(element) else str(_rounded(element)) for element in elements)
    return f"{text[0]}{inside}{text[-1]}"


def _stays(element: str) -> bool:
    return "infty" in element or element in ("a", "-a")


def _rounded(latex: str) -> Number:
    return round(_value(_parse(latex), has_names=True), _DECIMALS)  # type: ignore[arg-type]


@lru_cache(maxsize=1024)
def _parse(latex: str) -> sympy.Basic:
    return latex2sympy(latex, conversion_config=_CONVERSION)


def _value(tree: sympy.Basic, has_names: bool) -> Number:
    """What `eval(str(tree))` gives in the original; `has_names` when the math module's names are known there."""
    if isinstance(tree, sympy.Integer):
        return int(tree)
    if isinstance(tree, sympy.Rational):
        return tree.p / tree.q
    if isinstance(tree, sympy.Float):
        return float(tree)
    if isinstance(tree, sympy.UnevaluatedExpr):
        return _value(tree.args[0], has_names)
    if isinstance(tree, sympy.Add):
        return sum(_value(part, has_names) for part in tree.args)
    if isinstance(tree, sympy.Mul):
        return math.prod(_value(part, has_names) for part in tree.args)
    if isinstance(tree, sympy.Pow) and not isinstance(tree, sympy.exp):
        base, exponent = tree.args
        return _power(base, exponent, has_names)
    if not has_names:
        raise NoValue(type(tree).__name__)
    return _named_value(tree)


def _power(base: sympy.Basic, exponent: sympy.Basic, has_names: bool) -> Number:
    if exponent in (sympy.S.Half, -sympy.S.Half):  # printed as sqrt(...)
        if not has_names:
            raise NoValue("sqrt")
        root = math.sqrt(_value(base, has_names))  # type: ignore[arg-type]
        return root if exponent is sympy.S.Half else 1 / root
    return _value(base, has_names) ** _value(exponent, has_names)


def _named_value(tree: sympy.Basic) -> Number:
    if tree is sympy.pi:
        return math.pi
    if isinstance(tree, sympy.exp):
        return math.exp(_value(tree.exp, True))  # type: ignore[arg-type]
    arguments = tree.args
    if isinstance(tree, sympy.log):
        # ln x is log(x, E) to this parser and log(x) to the original's.
        bases = [_value(base, True) for base in arguments[1:] if base is not sympy.E]
        return math.log(_value(arguments[0], True), *bases)  # type: ignore[arg-type]
    name = type(tree).__name__
    if name not in _NAMED_FUNCTIONS:
        raise NoValue(name)
    return getattr(math, name)(*(_value(argument, True) for argument in arguments))


def close_as_python_or_latex(gold: str, answer: str) -> bool:
    """VLMEvalKit's `is_equal` for texts that differ: both as Python arithmetic, then both as LaTeX without names."""
    try:
        if abs(_python_value(gold) - _python_value(answer)) < _TOLERANCE:
            return True
    except (NoValue, SyntaxError, ValueError, TypeError, ArithmeticError, RecursionError):
        pass  # the original goes on to LaTeX, too
    return abs(_value(_parse(gold), False) - _value(_parse(answer), False)) < _TOLERANCE


def _python_value(text: str) -> Number:
    return _walk_python(ast.parse(text, mode="eval").body)


def _walk_python(node: ast.expr) -> Number:
    if isinstance(node, ast.Constant) and isinstance(node.value, int | float | complex):
        return node.value
    if isinstance(node, ast.BinOp) and type(node.op) in _BINARY:
        return _BINARY[type(node.op)](_walk_python(node.left), _walk_python(node.right))
    if isinstance(node, ast.UnaryOp) and type(node.op) in _UNARY:
        return _UNARY[type(node.op)](_walk_python(node.operand))
    raise NoValue(type(node).__name__)


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
    "vlmevalkit": close_as_python_or_latex,
    "emma": same_value,
    "same_formula": same_formula,
    "math_verify": math_verify_default,
}
