"""A safe reader of short plain expressions: text from a model becomes a sympy object without ever being evaluated.

sympy's own text parser ends in `eval`, so it must not see what a model wrote. Here the text is cut into whitelisted
tokens, Python's grammar (`ast.parse`, which runs nothing) gives the structure, and the tree is rebuilt node by node.
Imported only inside the comparison worker, because it imports sympy.
"""

import ast
import re

import sympy

MAXIMUM_LENGTH = 400
_MAXIMUM_DIGITS = 60
_MAXIMUM_EXPONENT = 32
_FAR_FROM_ZERO = 1e-6

_TOKEN = re.compile(
    r"(?P<number>(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:e[+-]?[0-9]+)?)"
    r"|(?P<function>sqrt(?=\()|ln(?=\())|(?P<constant>pi)|(?P<symbol>(?!sqrt)[^\W\d_])|(?P<operator>\*\*|[-+*/^()])"
)
_FUNCTIONS = {"sqrt": sympy.sqrt, "ln": sympy.log}


class NotPlain(Exception):
    """The text is outside the whitelist, or some number in it is too big to be worth computing."""


def read_plain_expression(text: str) -> sympy.Expr:
    """Sympy object for numbers, + - * / ** ^, sqrt, ln, pi, single letters and brackets; implicit products allowed."""
    if len(text) > MAXIMUM_LENGTH:
        raise NotPlain("too long")
    try:
        tree = ast.parse(_as_python(text), mode="eval")
    except (SyntaxError, RecursionError, MemoryError) as error:
        raise NotPlain("no such structure") from error
    return _build(tree.body)


def is_zero(difference: sympy.Expr) -> bool:
    """Return whether sympy simplifies to zero; a value far from zero at one point answers no at a tenth of the
    cost.
    """
    names = sorted(difference.free_symbols, key=str)
    point = {name: sympy.Rational(7 + 4 * place, 5) for place, name in enumerate(names)}
    value = difference.evalf(subs=point)
    if value.is_Float and abs(value) > _FAR_FROM_ZERO:
        return False
    return bool(sympy.simplify(difference) == 0)


def _as_python(text: str) -> str:
    """Rewrite as Python source that holds nothing but whitelisted tokens, products made explicit.

    Letters are written as `s` plus their code point: Python would fold some Unicode letters into others.
    """
    pieces: list[str] = []
    position = 0
    previous_is_operand = False
    while position < len(text):
        match = _TOKEN.match(text, position)
        if match is None:
            raise NotPlain(f"unexpected character at {position}")
        position = match.end()
        kind, token = match.lastgroup, match[0]
        if previous_is_operand and (kind != "operator" or token == "("):
            pieces.append("*")
        pieces.append(_python_token(str(kind), token))
        previous_is_operand = kind in ("number", "constant", "symbol") or token == ")"
    return "".join(pieces)


def _python_token(kind: str, token: str) -> str:
    if kind == "symbol":
        return f"s{ord(token)}"
    if kind == "number":
        if len(token) > _MAXIMUM_DIGITS:
            raise NotPlain("number too long")
        return token
    return "**" if token == "^" else token


def _build(node: ast.expr) -> sympy.Expr:
    if isinstance(node, ast.BinOp):
        return _combine(node.op, _build(node.left), _build(node.right))
    if isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.UAdd | ast.USub):
        operand = _build(node.operand)
        return -operand if isinstance(node.op, ast.USub) else operand
    if isinstance(node, ast.Constant) and type(node.value) is int:
        return sympy.Integer(node.value)
    if isinstance(node, ast.Constant) and type(node.value) is float:
        return sympy.Float(node.value)
    if isinstance(node, ast.Name):
        return sympy.pi if node.id == "pi" else sympy.Symbol(node.id)
    if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and len(node.args) == 1:
        return _FUNCTIONS[node.func.id](_build(node.args[0]))
    raise NotPlain(f"no rule for {type(node).__name__}")


def _combine(operator: ast.operator, left: sympy.Expr, right: sympy.Expr) -> sympy.Expr:
    if isinstance(operator, ast.Add):
        return left + right
    if isinstance(operator, ast.Sub):
        return left - right
    if isinstance(operator, ast.Mult):
        return left * right
    if isinstance(operator, ast.Div):
        return left / right
    if isinstance(operator, ast.Pow):
        # A tower such as 9**9**9 would be computed exactly, so only small known exponents pass.
        if not (right.is_Rational and abs(right) <= _MAXIMUM_EXPONENT):
            raise NotPlain("exponent too big or unknown")
        return left**right
    raise NotPlain(f"no rule for {type(operator).__name__}")
