"""One notation for answers: Unicode mathematics and decoration become plain LaTeX.

`tidy` is applied to both sides before anything is compared. It removes what has no mathematical meaning (dollar signs,
bold marks, spacing macros, \\left and \\right, a final full stop) and never changes the order of what is left.
"""

import re
import unicodedata
from functools import lru_cache

_SUPERSCRIPTS = dict(zip("⁰¹²³⁴⁵⁶⁷⁸⁹⁺⁻ⁿ", "0123456789+-n", strict=True))
_FRACTIONS = {
    "½": "1/2",
    "⅓": "1/3",
    "⅔": "2/3",
    "¼": "1/4",
    "¾": "3/4",
    "⅕": "1/5",
    "⅖": "2/5",
    "⅗": "3/5",
    "⅘": "4/5",
    "⅙": "1/6",
    "⅚": "5/6",
    "⅛": "1/8",
    "⅜": "3/8",
    "⅝": "5/8",
    "⅞": "7/8",
}
_CHARACTERS = {
    "°": r"^\circ ",
    "º": r"^\circ ",
    "˚": r"^\circ ",
    "℃": r"^\circ C",
    "℉": r"^\circ F",
    "∘": r"^\circ ",
    "π": r"\pi ",
    "Π": r"\pi ",
    "∞": r"\infty ",
    "×": r"\times ",
    "·": r"\cdot ",
    "⋅": r"\cdot ",
    "∙": r"\cdot ",
    "÷": r"\div ",
    "±": r"\pm ",
    "∓": r"\mp ",
    "≤": r"\le ",
    "⩽": r"\le ",
    "≥": r"\ge ",
    "⩾": r"\ge ",
    "≠": r"\ne ",
    "≈": r"\approx ",
    "≅": r"\cong ",
    "∼": r"\sim ",
    "∈": r"\in ",
    "∪": r"\cup ",
    "∩": r"\cap ",
    "∅": r"\emptyset ",
    "∠": r"\angle ",
    "△": r"\triangle ",
    "Δ": r"\Delta ",
    "∆": r"\Delta ",
    "⊥": r"\perp ",
    "∥": r"\parallel ",
    "θ": r"\theta ",
    "α": r"\alpha ",
    "β": r"\beta ",
    "γ": r"\gamma ",
    "δ": r"\delta ",
    "λ": r"\lambda ",
    "μ": r"\mu ",
    "µ": r"\mu ",
    "ρ": r"\rho ",
    "σ": r"\sigma ",
    "φ": r"\phi ",
    "ϕ": r"\phi ",
    "ω": r"\omega ",
    "\u03a9": r"\Omega ",
    "\u2126": r"\Omega ",
    "′": "'",
    "−": "-",
    "–": "-",
    "—": "-",
    "‐": "-",
    "‑": "-",
    "﹣": "-",
    "⁄": "/",
    "∕": "/",
    "∶": ":",
    "“": '"',
    "”": '"',
    "’": "'",
    "‘": "'",
    "、": ",",
    "。": ".",
    "〈": "(",
    "〉": ")",
}
_UNICODE = str.maketrans(_CHARACTERS)
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
)
_DEGREE = re.compile(r"\^\s*\{\s*\\circ\s*\}|\^?\s*\\(?:degree|circ|textdegree)(?![a-zA-Z])\s*")
_SYNONYMS = (
    (re.compile(r"\\[dtc]frac(?![a-zA-Z])"), r"\\frac"),
    (re.compile(r"\\(?:leq|leqslant)(?![a-zA-Z])"), r"\\le"),
    (re.compile(r"\\(?:geq|geqslant)(?![a-zA-Z])"), r"\\ge"),
    (re.compile(r"\\neq(?![a-zA-Z])"), r"\\ne"),
    (re.compile(r"\\(?:lbrace|rbrace)(?![a-zA-Z])"), lambda match: "\\{" if match[0] == "\\lbrace" else "\\}"),
    (re.compile(r"\\(?:var)?(theta|phi|epsilon|rho|sigma)(?![a-zA-Z])"), r"\\\1"),
)
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
    """The common notation of an answer; idempotent on its own output."""
    text = _unicode_to_latex(visible(text)).replace("{,}", ",")
    for signs, macro in (("<=", r"\le "), (">=", r"\ge "), ("!=", r"\ne ")):
        text = text.replace(signs, macro)
    if "\\" in text:
        text = _NOTHING.sub("", text)
        text = _unwrap_words(text)
        for pattern, replacement in _SYNONYMS:
            text = pattern.sub(replacement, text)
        text = _DEGREE.sub(r"^\\circ ", text)
    for pattern, replacement in _PLAIN_WORDS:
        text = pattern.sub(replacement, text)
    if "**" in text and not _BOLD_OPENS.search(text):
        text = _PYTHON_POWER.sub("^", text)
    text = _DELIMITERS.sub(" ", text)
    text = _SPACING.sub(" ", text)
    text = _ROOT_OF_BRACKET.sub(r"\\sqrt{\1}", text)
    return strip_outer_braces(text.strip().rstrip(".;:, "))


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
