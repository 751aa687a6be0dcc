"""The grammar of short closed expressions, over any arithmetic: `verify.surds` computes exactly, `verify.floats` fast.

Numbers, mixed numbers, fractions, roots, powers, factorials, letters, named constants, and functions where the
arithmetic has them. Words and forms with two readings raise `Undecided`; others decide about those.
"""

import re
from fractions import Fraction
from typing import Any, Protocol

from verify.lexicon import FUNCTIONS, SHORT_WORDS

MAXIMUM_LENGTH = 300
_MAXIMUM_DIGITS = 60
_MAXIMUM_DEPTH = 40

_TOKEN = re.compile(
    r"\s*(?:(?P<number>[0-9]+(?:\.[0-9]*)?|\.[0-9]+)|(?P<macro>\\[a-zA-Z]+)|(?P<letters>[a-zA-Z]+)"
    r"|(?P<sign>[-+*/^_(){}\[\]:!]))"
)
_CONSTANTS = frozenset(
    "\\" + name
    for name in ("pi", "theta", "alpha", "beta", "gamma", "delta", "lambda", "mu", "rho", "sigma", "phi", "omega")
) | {r"\infty", r"\epsilon"}
_TIMES = frozenset((r"\cdot", r"\times", "*"))
_OVER = frozenset((r"\div", "/", ":"))
_MIXED_NUMBER = re.compile(r"(?<![0-9.^_{/])([0-9]{1,12}) +([0-9]{1,12})\s*/\s*([0-9]{1,12})(?![0-9.])")
_DEGREE_SIGN = re.compile(r"\^\\circ ?")
_LITERAL_FRACTION = re.compile(r"\\frac (?:\{ ([0-9]{1,9}) \} \{ ([0-9]{1,9}) \}|([0-9])([0-9])(?![0-9.]))")


class Undecided(Exception):
    """The expression is outside what can be computed here."""


class Arithmetic(Protocol):
    """What the parser needs to compute; a module of functions fits as well as an object."""

    def rational(self, number: Fraction) -> Any: ...
    def symbol(self, name: str) -> Any: ...
    def add(self, left: Any, right: Any) -> Any: ...
    def negate(self, value: Any) -> Any: ...
    def multiply(self, left: Any, right: Any) -> Any: ...
    def divide(self, left: Any, right: Any) -> Any: ...
    def power(self, base: Any, exponent: Any) -> Any: ...
    def root(self, value: Any, degree: int) -> Any: ...
    def factorial(self, value: Any) -> Any: ...
    def function(self, name: str, value: Any, base: Any | None) -> Any: ...


class _Parser:
    """Recursive descent over the tokens of one expression; depth and length are bounded."""

    def __init__(self, text: str, arithmetic: Arithmetic) -> None:
        self.arithmetic = arithmetic
        self.tokens: list[tuple[str, str]] = []
        position = 0
        text = text.rstrip()
        while position < len(text):
            match = _TOKEN.match(text, position)
            if match is None:
                raise Undecided("character")
            position = match.end()
            kind = str(match.lastgroup)
            self.tokens.append((kind, match[kind]))
        self.tokens.append(("end", ""))
        self.position = 0
        self.depth = 0

    def peek(self) -> tuple[str, str]:
        return self.tokens[self.position]

    def take(self) -> tuple[str, str]:
        self.position += 1
        return self.tokens[self.position - 1]

    def expect(self, sign: str) -> None:
        if self.take() != ("sign", sign):
            raise Undecided(f"no {sign}")

    def descend(self) -> None:
        self.depth += 1
        if self.depth > _MAXIMUM_DEPTH:
            raise Undecided("too deep")

    def sum(self) -> Any:
        self.descend()
        total = self.product()
        while self.peek()[1] in ("+", "-"):
            negative = self.take()[1] == "-"
            right = self.product()
            total = self.arithmetic.add(total, self.arithmetic.negate(right) if negative else right)
        self.depth -= 1
        return total

    def product(self) -> Any:
        result = self.factor()
        divided = False
        while True:
            token = self.peek()[1]
            if token in _TIMES or token in _OVER:
                self.take()
                divided = token in _OVER
                combine = self.arithmetic.divide if divided else self.arithmetic.multiply
                result = combine(result, self.factor())
            elif self.starts_operand():
                if divided:
                    raise Undecided("1/2x has two readings")
                result = self.arithmetic.multiply(result, self.power())
            else:
                return result

    def starts_operand(self) -> bool:
        kind, token = self.peek()
        if kind == "number" and self.tokens[self.position - 1][0] == "number":
            raise Undecided("two numbers side by side")
        return kind in ("number", "macro", "letters") or token in ("(", "{")

    def factor(self) -> Any:
        if self.peek()[1] not in ("+", "-"):
            return self.power()
        negative = self.take()[1] == "-"
        self.descend()
        value = self.factor()
        self.depth -= 1
        return self.arithmetic.negate(value) if negative else value

    def power(self) -> Any:
        base = self.operand()
        if self.peek()[1] == "!":
            self.take()
            base = self.arithmetic.factorial(base)
        if self.peek()[1] != "^":
            return base
        self.take()
        exponent = self.exponent()
        if self.peek()[1] in ("^", "!"):
            raise Undecided("tower")
        return self.arithmetic.power(base, exponent)

    def exponent(self) -> Any:
        """Digits together, as people mean x^10, although TeX would raise only the first."""
        return self.operand() if self.peek()[0] == "number" else self.argument()

    def argument(self) -> Any:
        """Return what a TeX macro takes: a group, or one character (one digit of a number)."""
        kind, token = self.peek()
        if kind == "number" and len(token) > 1 and token.isdigit():
            self.tokens[self.position] = (kind, token[1:])
            return self.arithmetic.rational(Fraction(token[0]))
        if kind == "letters" and len(token) > 1:
            self.tokens[self.position] = (kind, token[1:])
            return self.arithmetic.symbol(token[0].lower())
        return self.factor() if token == "-" else self.operand()

    def operand(self) -> Any:
        kind, token = self.take()
        if kind == "number":
            return self.number(token)
        if token in ("(", "{"):
            inside = self.sum()
            self.expect(")" if token == "(" else "}")
            return inside
        if kind == "letters":
            return self.letters(token)
        if token == r"\frac":
            numerator = self.argument()
            return self.arithmetic.divide(numerator, self.argument())
        if token == r"\sqrt":
            degree = self.root_degree()
            return self.arithmetic.root(self.argument(), degree)
        if token in _CONSTANTS:
            return self.arithmetic.symbol(token)
        if token[1:] in FUNCTIONS:
            return self.function(token[1:])
        raise Undecided(token)

    def root_degree(self) -> int:
        if self.peek()[1] != "[":
            return 2
        self.take()
        kind, token = self.take()
        if kind != "number" or token not in ("2", "3", "4", "5", "6"):
            raise Undecided("degree of a root")
        self.expect("]")
        return int(token)

    def function(self, name: str) -> Any:
        """Return a function's argument, a bracket or factors side by side; a power of the function comes
        before it.
        """
        base = exponent = None
        if self.peek()[1] == "_":
            self.take()
            base = self.argument()
        if self.peek()[1] == "^":
            self.take()
            if ("sign", "-") in self.tokens[self.position : self.position + 2]:
                raise Undecided("a power or the inverse function")
            exponent = self.exponent()
        bracketed = self.peek()[1] in ("(", "{")
        value = self.operand() if bracketed else self.power()
        while not bracketed and self.starts_operand() and self.peek()[1] != "(":
            if self.peek()[1][1:] in FUNCTIONS:
                break
            value = self.arithmetic.multiply(value, self.power())
        if self.peek()[1] in ("^", "!") or (self.peek()[1] in _OVER and not bracketed):
            raise Undecided("how far the argument reaches")
        result = self.arithmetic.function(name, value, base)
        return result if exponent is None else self.arithmetic.power(result, exponent)

    def number(self, digits: str) -> Any:
        if len(digits) > _MAXIMUM_DIGITS:
            raise Undecided("number too long")
        whole = self.arithmetic.rational(Fraction(digits.removesuffix(".")))
        if self.peek()[1] != r"\frac" or "." in digits:
            return whole
        mixed = _LITERAL_FRACTION.match(" ".join(token for _, token in self.tokens[self.position :][:7]))
        factor = self.operand()
        if mixed is None:
            return self.arithmetic.multiply(whole, factor)
        numerator, denominator = (mixed[1], mixed[2]) if mixed[1] else (mixed[3], mixed[4])
        if not int(numerator) < int(denominator):
            raise Undecided("neither a mixed number nor a clear product")
        return self.arithmetic.add(whole, factor)  # 2\frac{1}{2} is two and a half

    def letters(self, run: str) -> Any:
        if len(run) > 2 or run.lower() in FUNCTIONS or run.lower() in SHORT_WORDS:
            raise Undecided("word")  # a word is not a product of its letters
        last = self.arithmetic.symbol(run[-1].lower())
        if len(run) == 1:
            return last
        if self.peek()[1] == "^":  # in ab^2 the exponent belongs to the last letter only
            self.take()
            last = self.arithmetic.power(last, self.exponent())
        return self.arithmetic.multiply(self.arithmetic.symbol(run[0].lower()), last)


def evaluate(text: str, arithmetic: Arithmetic) -> Any:
    """Value of an expression in the notation of `verify.notation.tidy`; raises `Undecided`."""
    if len(text) > MAXIMUM_LENGTH:
        raise Undecided("too long")
    text = _MIXED_NUMBER.sub(r"(\1+\2/\3)", _DEGREE_SIGN.sub("", text))
    parser = _Parser(text, arithmetic)
    value = parser.sum()
    if parser.peek()[0] != "end":
        raise Undecided("left over")
    return value
