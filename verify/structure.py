"""How an answer is put together: lists, tuples, intervals and sets, names in front of values, approximations."""

import re
from dataclasses import dataclass
from functools import lru_cache

from verify.notation import drop_thousands_commas

MAXIMUM_ELEMENTS = 24
MATRIX = r"\begin"  # the brackets of a matrix, whatever they are
RELATION = re.compile(r"<|>|\\(?:le|ge|ne|cup|cap|setminus)(?![a-zA-Z])")
_BOUND = re.compile(r"(<|>|\\le(?![a-zA-Z])|\\ge(?![a-zA-Z]))")
_PIECE = re.compile(r"\\[{}]|\\[a-zA-Z]+|[()\[\]{},;]|\s(?:and|or)\s|.", re.DOTALL)
_OPENING = frozenset(("(", "[", "{", r"\{"))
_CLOSING = frozenset((")", "]", "}", r"\}"))
_SEPARATORS = frozenset((",", ";"))
_EQUALS = re.compile(r"(?<![<>!\\:=])=(?!=)|\\in(?![a-zA-Z])")
_UNION = re.compile(r"\\cup(?![a-zA-Z])|\bor\b")
_TURNED = {">": "<", r"\ge": r"\le", "<": ">", r"\le": r"\ge"}
_LETTER_NAME = re.compile(r"[a-zA-Z](?:_\{?[0-9a-zA-Z]{1,3}\}?|')?")
_LONG_NAME = re.compile(
    r"(?:m\s*)?(?:\\(?:angle|measuredangle|triangle|overline|vec|hat|odot|Delta)\s*)*\{?[a-zA-Z][a-zA-Z '_]{0,40}\}?"
    r"(?:(?:\^\{?-1\}?)?\([a-zA-Z](?:\s*,\s*[a-zA-Z])*\))?|\([a-zA-Z](?:\s*,\s*[a-zA-Z])+\)|\\(?:theta|alpha|beta|gamma|phi|lambda)"
)
_SENTENCE = re.compile(
    r"(?:(?:^|(?<!not)(?<!n['’]t)\s)(?:is|are|equals|equal to|be|get|obtain|gives)\s*:?|(?<=[a-z]):)\s+"
    r"(?=[-+\\(\[{$.0-9a-zA-Z√])"
)


@dataclass(frozen=True)
class Collection:
    """Elements in order with their brackets; both brackets are empty for a bare list."""

    opening: str
    closing: str
    elements: tuple[str, ...]

    @property
    def is_ordered(self) -> bool:
        return self.opening in ("(", "[", MATRIX)

    def has_brackets_of(self, other: "Collection") -> bool:
        """Return whether brackets agree; a matrix has any, so that a column is a point as well."""
        round_or_square = {("(", ")"), ("[", "]"), (MATRIX, MATRIX)}
        mine, theirs = (self.opening, self.closing), (other.opening, other.closing)
        return mine == theirs or (MATRIX in mine + theirs and {mine, theirs} <= round_or_square)


# Left sides that only say what has a value: products of names with signs between them, values of functions. A factor
# or power of an unknown is no such name: 2x = 6 does not answer 6.
_INSIDE = re.compile(r"_(?:\{[^{}]*\}|[0-9a-zA-Z])|(?<=[a-zA-Z'])\s*\([^()]*\)|(?<=[A-Z])\s*\^\s*\{?2\}?")
_NAMING = re.compile(r"(?!\s*-)(?:(?!\\sqrt)\\[a-zA-Z]+|\\\||[a-zA-Z'|{}()+\-:/\s])+")
_UNKNOWN = re.compile(r"(?<![a-zA-Z\\])[a-zA-Z]{1,2}(?![a-zA-Z])")
_MATRIX = re.compile(
    r"[(\[]?\s*\\begin\{([pbB]?(?:small)?matrix|array|cases)\}(?:\{[clr| ]*\})?((?:(?!\\end).)*?)"
    r"(?:\\\\)?\s*\\end\{\1\}\s*[)\]]?"
)
_SET_BUILDER = re.compile(r"\\\{\s*([a-zA-Z])(?:\s*\\in\s*\\mathbb\{R\})?\s*(?::|\||\\mid)(.*)\\\}")
_POINT = re.compile(r"(?:[Pp]oint\s*)?[A-Z]?'?\s*(?=\()|[Pp]oint\s+(?=[A-Z]\b)")

# An interval with the name of its unknown; both None for text that is no interval.
Range = tuple[str | None, Collection | None]


@lru_cache(maxsize=1 << 12)
def split_collection(text: str) -> Collection | None:
    """Return a list, tuple, interval or set in common notation; None for a single value."""
    if text.isalnum():
        return None
    text = drop_thousands_commas(text.strip())
    matrix = _MATRIX.fullmatch(text) if r"\begin" in text else None
    if matrix:
        opening, closing = ("", "") if matrix[1] == "cases" else (MATRIX, MATRIX)
        return Collection(opening, closing, tuple(_row(row) for row in re.split(r"\\\\", matrix[2])))
    pieces = _PIECE.findall(text)
    if len(pieces) > 2 and pieces[0] in _OPENING and pieces[0] != "{" and _encloses(pieces):
        elements = _split_at_top(pieces[1:-1])
        if len(elements) > 1 or pieces[0] == r"\{":
            return Collection(pieces[0], pieces[-1], elements)
        return None
    elements = tuple(value for element in _split_at_top(pieces) for value in _both_signs(element))
    return Collection("", "", elements) if len(elements) > 1 else None


def _row(cells: str) -> str:
    values = [cell.strip() for cell in cells.split("&")]
    return values[0] if len(values) == 1 else f"[{', '.join(values)}]"


def _both_signs(text: str) -> tuple[str, ...]:
    return (text.replace(r"\pm", "+"), text.replace(r"\pm", "-")) if text.count(r"\pm") == 1 else (text,)


def _encloses(pieces: list[str]) -> bool:
    depth = 0
    for index, piece in enumerate(pieces):
        depth += (piece in _OPENING) - (piece in _CLOSING)
        if depth == 0:
            return index == len(pieces) - 1
    return False


def _split_at_top(pieces: list[str]) -> tuple[str, ...]:
    elements: list[str] = []
    current: list[str] = []
    depth = 0
    for piece in pieces:
        depth += (piece in _OPENING) - (piece in _CLOSING)
        if depth == 0 and (piece in _SEPARATORS or piece.strip() in ("and", "or")):
            elements.append("".join(current).strip())
            current = []
        else:
            current.append(piece)
    elements.append("".join(current).strip())
    return tuple(element for element in elements if element)


def split_name(text: str) -> tuple[str | None, str]:
    """`x = 3` as (x, 3): only a name may stand on the left, so that an equation stays whole."""
    match = _EQUALS.search(text)
    if match is None:
        point = _POINT.match(text)
        is_named_point = point and split_collection(text[point.end() :])
        return (point[0].strip(), text[point.end() :]) if point and is_named_point else (None, text)
    name, value = text[: match.start()].strip(), text[match.end() :].strip()
    if value and (_LETTER_NAME.fullmatch(name) or _LONG_NAME.fullmatch(name)):
        return name, value
    return None, text


def conclusion(text: str) -> tuple[list[str], str] | None:
    """Return the last side of a chain such as `|PQ| = 4` with the sides that must have its value; None for an
    equation.

    A side that names something needs no value: the value is what the chain says of it.
    """
    first, *others = _sides(text)
    if not others:
        return None
    unproved = [] if _NAMING.fullmatch(_INSIDE.sub("", first)) else [first]
    return unproved + [side for side in others[:-1] if not _UNKNOWN.search(side)], others[-1]


def _sides(text: str) -> list[str]:
    """Return what stands between the equals signs that are in no bracket."""
    sides, depth = [""], 0
    for piece in _PIECE.findall(text):
        depth += (piece in _OPENING) - (piece in _CLOSING)
        if piece == "=" and depth == 0:
            sides.append("")
        else:
            sides[-1] += piece
    return [side.strip() for side in sides]


def as_union(text: str) -> list[Range]:
    """Return parts of `(1, 2) \\cup (3, 4)` or `x < 1 or x > 2`, each read by `as_interval`."""
    described = _SET_BUILDER.fullmatch(text)
    return [as_interval(part.strip()) for part in _UNION.split(described[2] if described else text)]


def as_interval(text: str) -> Range:
    """`x < 3`, `1 \\le x < 2` or `x \\in (1, 2)` as (name, interval); (None, None) for other relations."""
    pieces = [piece.strip() for piece in _BOUND.split(text)]
    if len(pieces) == 1:
        name, value = split_name(text)
        interval = split_collection(value) if not RELATION.search(value) else None
        is_interval = interval is not None and interval.is_ordered and len(interval.elements) == 2
        return (name, interval) if is_interval else (None, None)
    if any(sign in (">", r"\ge") for sign in pieces[1::2]):
        pieces = [_TURNED.get(piece, piece) for piece in reversed(pieces)]
    names = [place for place, piece in enumerate(pieces) if place % 2 == 0 and _LETTER_NAME.fullmatch(piece)]
    if len(pieces) not in (3, 5) or ">" in pieces or r"\ge" in pieces or "" in pieces or len(names) != 1:
        return None, None
    place = names[0]
    if (len(pieces) == 5 and place != 2) or any(RELATION.search(piece) for piece in pieces[::2]):
        return None, None
    if any(re.search(rf"(?<![a-zA-Z\\]){pieces[place]}", piece) for piece in pieces[::2] if piece != pieces[place]):
        return None, None
    lower, upper = (pieces[0] if place else r"-\infty"), (pieces[-1] if place < len(pieces) - 1 else r"\infty")
    opening = "[" if place and pieces[place - 1] == r"\le" else "("
    closing = "]" if place < len(pieces) - 1 and pieces[place + 1] == r"\le" else ")"
    return pieces[place], Collection(opening, closing, (lower, upper))


def names_contradict(first: str | None, second: str | None) -> bool:
    """Return whether two single letters differ, which name different things; longer names are descriptions."""
    both_letters = first and second and _LETTER_NAME.fullmatch(first) and _LETTER_NAME.fullmatch(second)
    return bool(both_letters) and str(first).lower() != str(second).lower()


def after_verb(text: str) -> str | None:
    """Return what follows the last "is" of a sentence, or None when there is no such verb."""
    matches = list(_SENTENCE.finditer(text))
    return text[matches[-1].end() :].strip() if matches else None
