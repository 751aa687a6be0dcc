"""LaTeX to one line of plain text, the way mathruler sees it.

mathruler hands LaTeX to pylatexenc and maps a few symbols of the outcome to words. This covers the macros that occur
in short answers, with the same results: `\\frac{a}{b}` becomes a/b without grouping, `\\sqrt[n]{a}` becomes sqrt(a),
unknown macros vanish and leave their arguments.
"""

import re

from verify.lexicon import FUNCTIONS

_TOKEN = re.compile(r"\\([a-zA-Z]+\*?|.|$)|([{}])|([^\\{}]+)", re.DOTALL)
_MAXIMUM_DEPTH = 60

# A sign, then the macros that become it.
_SIGNS = (
    "pi pi, inf infty, U cup, * cdot times, ∘ circ, ÷ div, ± pm, ∓ mp, ≤ le leq leqslant, ≥ ge geq geqslant, "
    "≠ ne neq, ∩ cap, ≈ approx, ∼ sim, ≡ equiv, ∈ in, ∉ notin, → to rightarrow, ∠ angle, △ triangle, ⊥ perp, "
    "∥ parallel, … ldots dots, ⋯ cdots, ′ prime, α alpha, β beta, γ gamma, δ delta, ϵ epsilon, ε varepsilon, "
    "ζ zeta, η eta, θ theta, λ lambda, μ mu, ν nu, ξ xi, ρ rho, σ sigma, τ tau, ϕ phi, φ varphi, χ chi, ψ psi, "
    "ω omega, Δ Delta, Ω Omega, Σ Sigma, Γ Gamma, $ textdollar"
)
_SYMBOLS = {macro: sign for sign, *macros in map(str.split, _SIGNS.split(", ")) for macro in macros}
_SYMBOLS |= dict.fromkeys(("quad", "qquad", ",", ";", ":", " ", "\n"), " ") | {sign: sign for sign in "%$&#_{}"}
# pylatexenc turns these into styled Unicode letters, which are never equal to the plain ones.
_STYLED = frozenset(("mathbf", "mathit", "mathbb", "mathcal", "mathfrak", "mathsf", "mathscr", "mathtt"))


class _Reader:
    """One pass over the tokens of a text; groups nest through recursion, up to a fixed depth."""

    def __init__(self, text: str) -> None:
        self.tokens = [match.groups() for match in _TOKEN.finditer(text)]
        self.position = 0

    def text_until_close(self, depth: int) -> str:
        """Return everything up to the brace that closes the current group, or to the end."""
        pieces = []
        while self.position < len(self.tokens):
            if self.tokens[self.position][1] == "}":
                self.position += 1
                if depth > 0:
                    break
                continue
            pieces.append(self.next_piece(depth))
        return "".join(pieces)

    def next_piece(self, depth: int) -> str:
        macro, brace, plain = self.tokens[self.position]
        self.position += 1
        if depth > _MAXIMUM_DEPTH:
            return plain or ""
        if brace:
            return self.text_until_close(depth + 1)
        return plain if macro is None else self.expand(macro, depth)

    def argument(self, depth: int) -> str:
        """Return a braced group, a macro, or a single character, as TeX takes it."""
        while self.position < len(self.tokens):
            plain = self.tokens[self.position][2]
            if plain is None:
                return "" if self.tokens[self.position][1] == "}" else self.next_piece(depth + 1)
            stripped = plain.lstrip()
            self.tokens[self.position] = (None, None, stripped[1:])
            if len(stripped) <= 1:
                self.position += 1
            if stripped:
                return stripped[0]
        return ""

    def drop_root_degree(self) -> None:
        plain = self.tokens[self.position][2] if self.position < len(self.tokens) else None
        if plain and plain.lstrip().startswith("[") and "]" in plain:
            self.tokens[self.position] = (None, None, plain.split("]", 1)[1])

    def expand(self, macro: str, depth: int) -> str:
        if macro in ("frac", "nicefrac"):
            numerator = self.argument(depth)
            return f"{numerator}/{self.argument(depth)}"
        if macro == "sqrt":
            self.drop_root_degree()
            return f"sqrt({self.argument(depth)})"
        if macro in FUNCTIONS:
            return macro
        if macro in _STYLED:
            return macro + self.argument(depth)
        return _SYMBOLS.get(macro, "")


# A tie becomes a no-break space, which goes at the ends only: 4 \mathrm{~cm} is 4 once the unit has been taken off.
_LETTER_SYMBOLS = str.maketrans({"~": "\u00a0", "√": "sqrt", "π": "pi", "∞": "inf", "∪": "U", "·": "*", "×": "*"})


def latex_to_text(latex: str) -> str:
    """Return plain text of a LaTeX answer; the space before each fraction keeps mixed numbers apart."""
    latex = latex.replace("\\tfrac", "\\frac").replace("\\dfrac", "\\frac").replace("\\frac", " \\frac")
    return _Reader(latex).text_until_close(0).translate(_LETTER_SYMBOLS).strip()
