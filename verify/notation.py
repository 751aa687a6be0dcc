"""One notation for answers: Unicode mathematics and decoration become plain LaTeX.

`tidy` is applied to both sides before anything is compared. It removes what has no mathematical meaning (dollar signs,
bold marks, spacing macros, \\left and \\right, a final full stop) and never changes the order of what is left.
"""

import re
import unicodedata
from functools import lru_cache

_THOUSANDS = re.compile(r"(?<![0-9.,])([0-9]{1,3}(?:,[0-9]{3})+)(?![0-9]|,[0-9])")
_BLANK_THOUSANDS = re.compile(r"[-+]?[1-9][0-9]{0,2}(?: [0-9]{3})+(?:\.[0-9]+)?")
_SUPERSCRIPTS = dict(zip("⁰¹²³⁴⁵⁶⁷⁸⁹⁺⁻ⁿ", "0123456789+-n", strict=True))
_FRACTIONS = {sign: unicodedata.normalize("NFKC", sign).replace("⁄", "/") for sign in "½⅓⅔¼¾⅕⅖⅗⅘⅙⅚⅛⅜⅝⅞"}
# Signs, then the macro that they stand for.
_MACRO_SIGNS = (
    "πΠ pi, ∞ infty, × times, ·⋅∙ cdot, ÷ div, ± pm, ∓ mp, ≤⩽ le, ≥⩾ ge, ≠ ne, ≈ approx, ≅ cong, ∼ sim, ∈ in, "
    "∪ cup, ∩ cap, ∅ emptyset, ∠ angle, △ triangle, Δ∆ Delta, ⊥ perp, ∥ parallel, θ theta, α alpha, β beta, "
    "γ gamma, δ delta, λ lambda, \u03bc\u00b5 mu, ρ rho, σ sigma, φϕ phi, ω omega, \u03a9\u2126 Omega"
)
_MACROS = {sign: rf"\{macro} " for signs, macro in map(str.split, _MACRO_SIGNS.split(", ")) for sign in signs}
_DEGREES = dict.fromkeys("°º˚∘", r"^\circ ") | {"℃": r"^\circ C", "℉": r"^\circ F"}
_ASCII = dict(zip("′−–—‐‑﹣⁄∕∶“”’‘、。〈〉", "'------//:\"\"'',.()", strict=True))
_UNICODE = str.maketrans(_MACROS | _DEGREES | _ASCII)
_SUPERSCRIPT_RUN = re.compile(f"[{''.join(_SUPERSCRIPTS)}]+")
_FRACTION_SIGN = re.compile(f"([0-9]?)[ \\t]*([{''.join(_FRACTIONS)}])")
_ROOT_SIGN = re.compile(r"√\s*(?:([0-9]+(?:\.[0-9]+)?)|([a-zA-Z])|(?=[({\\]))")
_ROOT_OF_BRACKET = re.compile(r"\\sqrt\s*\(([^()]*)\)")

_WORD_MACRO = re.compile(
    r"\\(?:text(?:rm|bf|it|sf|normal)?|mathrm|mathbf|mathit|mathsf|mbox|hbox|operatorname\*?|boldsymbol|bm|underline"
    r"|emph|boxed|fbox|rm|bf)\s*\{([^{}]*)\}"
)
_SPACING = re.compile(r"(?<!\\)\\(?:[,;:!> ]|quad(?![a-zA-Z])|qquad(?![a-zA-Z])|thinspace(?![a-zA-Z]))|[~\s]+")
_NOTHING = re.compile(
    r"\\(?:left|right|displaystyle|textstyle|bigl?|bigr|Bigl?|Bigr|limits|middle|mathstrut|strut)(?![a-zA-Z])\.?"
    r"|(?<=\\\\)\[[0-9.]+[a-z]{2}\]"  # the distance between two rows
)
_DEGREE = re.compile(r"\^\s*\{\s*\\circ\s*\}|\^?\s*\\(?:degree|deg|circ|textdegree)(?![a-zA-Z])\s*")
_SAME_MACROS = {
    **dict.fromkeys(("dfrac", "tfrac", "cfrac"), r"\frac"),
    **dict.fromkeys(("leq", "leqslant"), r"\le"),
    **dict.fromkeys(("geq", "geqslant"), r"\ge"),
    **{f"var{name}": rf"\{name}" for name in ("theta", "phi", "epsilon", "rho", "sigma")},
    **{"neq": r"\ne", "lt": "<", "gt": ">", "varnothing": r"\emptyset"},
    **{"lbrace": r"\{", "rbrace": r"\}", "langle": "(", "rangle": ")"},
}
_SYNONYM = re.compile(rf"\\({'|'.join(_SAME_MACROS)})(?![a-zA-Z])")
_CHOOSE = re.compile(r"\{([^{}]*)\\choose(?![a-zA-Z])([^{}]*)\}")
# 4,\! 120 is one number, and so is 0.\overline{36}.
_GROUP = re.compile(r"(?<=[0-9])\s*,\s*\\!\s*(?=[0-9]{3}(?![0-9]))")
_RECURRING = re.compile(r"([0-9]{1,9})\.([0-9]{0,9})\\overline\s*\{([0-9]{1,9})\}")
_PLAIN_WORDS = (
    (re.compile(r"(?<![\\a-zA-Z])sqrt(?=\s*[({0-9])"), r"\\sqrt"),
    (re.compile(r"\\sqrt\s*([0-9]{2,})"), r"\\sqrt{\1}"),
    (re.compile(r"(?<![\\a-zA-Z])pi(?![a-zA-Z])"), r"\\pi "),
    (re.compile(r"(?<![\\a-zA-Z])(?:infinity|inf)(?![a-zA-Z])"), r"\\infty "),
)
_PYTHON_POWER = re.compile(r"(?<=[0-9a-zA-Z)])\*\*(?=[-0-9a-zA-Z(])")
_BOLD_OPENS = re.compile(r"(?:^|\s)\*\*")
_DELIMITERS = re.compile(r"\\[()\[\]]|\\?\$|\*\*|`|\\\\(?=\s*$)")
# A blank between digits stays: 2 1/2 is not 21/2.
_BLANK = re.compile(r"(?<![0-9]) | (?![0-9])")
_SINGLE_IN_BRACES = re.compile(r"(?<=[\^_])\{([0-9a-zA-Z])\}")
_FRENCH_INTERVAL = re.compile(r"([\[\]])([^\[\]()]*[,;][^\[\]()]*)([\[\]])")
_INVISIBLE = frozenset(("Cc", "Cf", "Cs", "Co", "Cn"))


def visible(text: str) -> str:
    """Without control, direction and zero-width characters; white space of every kind becomes a blank."""
    if text.isascii() and text.isprintable():
        return text
    return "".join(
        " " if character.isspace() else character
        for character in text
        if character.isspace() or unicodedata.category(character) not in _INVISIBLE
    )


def _unicode_to_latex(text: str) -> str:
    if text.isascii():
        return text
    text = _SUPERSCRIPT_RUN.sub(lambda run: "^{" + "".join(_SUPERSCRIPTS[sign] for sign in run[0]) + "}", text)
    text = _FRACTION_SIGN.sub(lambda sign: f"{sign[1]} {_FRACTIONS[sign[2]]}".lstrip(), text)
    text = _ROOT_SIGN.sub(lambda root: rf"\sqrt{{{root[1] or root[2]}}}" if root[1] or root[2] else r"\sqrt", text)
    return unicodedata.normalize("NFKC", text.translate(_UNICODE)).translate(_UNICODE)


def _unwrap_words(text: str) -> str:
    for _ in range(4):  # \text{\textbf{...}}: a few levels are all that people write
        unwrapped = _WORD_MACRO.sub(r" \1 ", text)
        if unwrapped == text:
            break
        text = unwrapped
    return text


@lru_cache(maxsize=1 << 13)
def tidy(text: str) -> str:
    """Return the common notation of an answer; idempotent on its own output."""
    text = _unicode_to_latex(visible(text)).replace("{,}", ",").replace("{:}", ":")
    for signs, macro in (("<=", r"\le "), (">=", r"\ge "), ("!=", r"\ne ")):
        text = text.replace(signs, macro)
    if "\\" in text:
        text = _NOTHING.sub("", text)
        text = _unwrap_words(text)
        text = _SYNONYM.sub(lambda macro: _SAME_MACROS[macro[1]], text)
        text = _RECURRING.sub(_as_fraction, _GROUP.sub(",", _CHOOSE.sub(r"\\binom{\1}{\2}", text)))
        text = _DEGREE.sub(r"^\\circ ", text)
    for pattern, replacement in _PLAIN_WORDS:
        text = pattern.sub(replacement, text)
    if "**" in text and not _BOLD_OPENS.search(text):
        text = _PYTHON_POWER.sub("^", text)
    text = _DELIMITERS.sub(" ", text)
    text = _SPACING.sub(" ", text)
    text = _ROOT_OF_BRACKET.sub(r"\\sqrt{\1}", text)
    text = strip_outer_braces(text.strip().rstrip(".;:, ").removeprefix("= "))
    french = _FRENCH_INTERVAL.fullmatch(text)
    if french and (french[1] == "]" or french[3] == "["):
        text = f"{'(' if french[1] == ']' else '['}{french[2]}{')' if french[3] == '[' else ']'}"
    return text


def _as_fraction(recurring: re.Match[str]) -> str:
    whole, digits, period = recurring.groups()
    numerator = int(whole + digits + period) - int(whole + digits)
    return rf"\frac{{{numerator}}}{{{(10 ** len(period) - 1) * 10 ** len(digits)}}}"


def strip_outer_braces(text: str) -> str:
    """Drop braces that enclose the whole text, a few layers at most."""
    for _ in range(4):
        if len(text) < 2 or text[0] != "{" or text[-1] != "}" or not _closes_at_end(text):
            break
        text = text[1:-1].strip()
    return text


def _closes_at_end(text: str) -> bool:
    depth = 0
    for index, character in enumerate(text):
        depth += (character == "{") - (character == "}")
        if depth == 0:
            return index == len(text) - 1
    return False


def compact(text: str) -> str:
    """For equality only: no blanks, no braces around single characters, upper and lower case kept."""
    return _SINGLE_IN_BRACES.sub(r"\1", _BLANK.sub("", text))


def drop_thousands_commas(text: str) -> str:
    """Return text without the commas or blanks that group digits by three."""
    if "," in text:
        text = _THOUSANDS.sub(lambda number: number[1].replace(",", ""), text)
    return text.replace(" ", "") if _BLANK_THOUSANDS.fullmatch(text) else text
