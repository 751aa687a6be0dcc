"""Small steps that several benchmarks share: cells, options, golds, pictures, and the table of verdicts."""

import ast
import base64
import binascii
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import pandas as pd

from common import UserError
from data import Sample
from data.images import BytesImage, ImageSource
from data.sample import IMAGE_PLACEHOLDER
from data.sources import image_source, is_missing
from eval.benchmark import Row, Where
from verify import Verdict

LETTERS = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
SEVERAL = " | "  # stands between the values of a tag that has several, see `joined`
ASK_FOR_LETTER = "Answer with the letter of the right option."
VERDICT_COLUMNS = ("sample_id", "k", "gold", "extracted", "correct", "score")
_LONGEST_LIST = 100_000
_SMALLEST_PICTURE = 32  # bytes; some tables put the number of another row here, which happens to be base64 too
_OPTIONS_MARK = re.compile(r"\b(?:choices|options)\s*:", re.IGNORECASE)
_LABEL = re.compile(r"(\(?)([A-Z])([:.．)])\s*")
_BEFORE_LABEL, _BEFORE_BRACKET = ",;:，；：、", ".?!。？！"
_ABBREVIATION = re.compile(r"[A-Za-z]\.")
_ONE_LETTER = re.compile(r"[(\[]?\s*([A-Z])\s*[)\]]?\.?")
_NUMBER = re.compile(r"[-+]?(?:\d+(?:\.\d*)?|\.\d+)")


def text_of(value: Any) -> str:
    """Return a cell as trimmed text; nothing for a missing value."""
    return "" if is_missing(value) else str(value).strip()


def text_list(value: Any, where: Where, column: str) -> list[str]:
    """Return a list of texts, also where the cell holds the text form of a Python list."""
    if isinstance(value, str) and value.strip():
        value = _literal(value.strip(), where, column)
    if value is None or value == "":
        return []
    if not isinstance(value, list | tuple):
        raise UserError(f"{where} holds no list in {column}; write it as [...]")
    return [text_of(part) for part in value]


def _literal(text: str, where: Where, column: str) -> Any:
    try:
        if len(text) > _LONGEST_LIST:
            raise ValueError
        return ast.literal_eval(text)
    except (ValueError, SyntaxError, RecursionError, MemoryError):
        raise UserError(f"{where} holds in {column} a text that is no Python list; write it as [...]") from None


def lettered(options: Sequence[str]) -> dict[str, str]:
    """Options by their letters, in order."""
    return dict(zip(LETTERS, options, strict=False))


def option_lines(options: Sequence[str], form: str = "({}) {}") -> str:
    """Return one line for each option: "(A) ten" and so on, or in another form with two gaps."""
    return "\n".join(form.format(letter, text) for letter, text in lettered(options).items())


@dataclass(frozen=True)
class _Label:
    """What may be the label of an option: "A:", "A." or "(A)"."""

    letter: str
    mark: str
    start: int
    end: int
    clean: bool  # else it stands inside a word, as in "is doubled(C)", and only goes on with a list


def inline_options(text: str) -> tuple[str, ...]:
    """Return the options that a question lists itself ("A: ten, B: twenty", "A. ten" lines), if it has A and B.

    Labels must follow one another and look alike. The longest such list counts; of equal ones the first after a word
    such as "Options:", else the last.
    """
    marks = list(_OPTIONS_MARK.finditer(text))
    tail = text[marks[-1].end() :] if marks else text
    labels = _labels(tail)
    clean = [label for label in labels if label.clean]
    starts = [label for label in (clean if marks else reversed(clean)) if label.letter == "A"]
    chain = max((_following(found, start) for found in (clean, labels) for start in starts), key=len, default=[])
    if len(chain) < 2:
        return ()
    ends = [label.start for label in chain[1:]] + [len(tail)]
    return tuple(tail[label.end : end].strip().rstrip(",;；").rstrip() for label, end in zip(chain, ends, strict=True))


def _labels(text: str) -> list[_Label]:
    found = []
    for match in _LABEL.finditer(text):
        start, (bracket, letter, mark) = match.start(), match.groups()
        before = text[start - 1 : start] if start else ""
        bracketed = bracket == "(" and mark == ")"
        clean = not before or before.isspace() or before in _BEFORE_LABEL or (bracketed and before in _BEFORE_BRACKET)
        if before not in (";", "；") and _ABBREVIATION.match(text, match.start(3) + 1):
            continue  # "D.C. power"
        if clean or bracketed:
            found.append(_Label(letter, mark.replace("．", "."), *match.span(), clean))
    return found


def _following(labels: Sequence[_Label], first: _Label) -> list[_Label]:
    """Return the labels A, B, C ... of one form from this one on."""
    chain = [first]
    for label in labels:
        is_next = len(chain) < len(LETTERS) and label.letter == LETTERS[len(chain)] and label.mark == first.mark
        if is_next and label.start > chain[-1].start:
            chain.append(label)
    return chain


def gold_letters(gold: str, options: Sequence[str]) -> str | None:
    """Return a gold of a multiple-choice item as letters: "C" for "(C)", "C, D" for two on two lines or with a comma.

    The text of an option counts as its letter (the first of equal options). None where the gold names no option.
    """
    allowed = lettered(options) if options else dict.fromkeys(LETTERS)
    pieces = [_ONE_LETTER.fullmatch(piece.strip()) for piece in re.split(r"[\n,]", gold.strip())]
    letters = [piece[1] for piece in pieces if piece]
    if len(letters) == len(pieces) and all(letter in allowed for letter in letters):
        return ", ".join(letters)
    return next((letter for letter, text in lettered(options).items() if text.strip() == gold.strip()), None)


def listed_choice(question: str, gold: str) -> tuple[str | None, tuple[str, ...]]:
    """Return letters of the gold, and the options that the question lists if the gold is among them.

    Where the labels cannot be read the letter still counts and the options stay unknown.
    """
    options = inline_options(question)
    letters = gold_letters(gold, options) or gold_letters(gold, ())
    known = letters is not None and set(letters.split(", ")) <= set(lettered(options))
    return letters, options if known else ()


def number_or_math(gold: str) -> str:
    """Answer type of a free-form gold: a plain number, or anything else that mathematics writes."""
    return "number" if _NUMBER.fullmatch(gold.strip()) else "math"


def picture(value: Any, where: Where) -> ImageSource:
    """Return whatever stands in a picture cell: path, base64 text, bytes, a struct of both, a decoded picture."""
    if isinstance(value, str) and "." not in value:  # base64 has no full stop, a picture's path has an ending
        try:
            content = base64.b64decode(value, validate=True)
        except (binascii.Error, ValueError):
            content = b""
        if len(content) < _SMALLEST_PICTURE:
            raise UserError(f"{where} holds a picture that is neither a path with an ending nor base64; correct it")
        return BytesImage(content, str(where))
    return image_source(value, where.folder, str(where))


def first_picture(row: Row, columns: Sequence[str], where: Where) -> ImageSource:
    """Return the picture from the first of these columns that holds one."""
    for column in columns:
        if row.get(column):
            return picture(row[column], where)
    raise UserError(f"{where} has no picture in {' or '.join(columns)}; fill the column or remove the row")


def pictures(value: Any, where: Where) -> list[ImageSource]:
    """Return the pictures of a cell that holds one or a list of them."""
    if value is None or value == "":
        return []
    return [picture(one, where) for one in (value if isinstance(value, list | tuple) else [value])]


def with_pictures(question: str, count: int) -> str:
    """Return the question with its placeholders; pictures that it does not place go in front."""
    return question if IMAGE_PLACEHOLDER in question else IMAGE_PLACEHOLDER * count + question


def sample_id(where: Where, key: Any) -> str:
    """Ids name their benchmark, so that items of several can lie in one table."""
    name = text_of(key)
    if not name:
        raise UserError(f"{where} has no id; give every row one of its own")
    return f"{where.bench}/{name}"


def joined(values: Iterable[str]) -> str:
    """Return several values of one tag as one text; the item counts once for each of them."""
    return SEVERAL.join(values)


def tag_values(tag: str) -> list[str]:
    """Return the values that `joined` put together."""
    return tag.split(SEVERAL)


def verdict_table(judged: Iterable[tuple[Sample, int, Verdict]]) -> pd.DataFrame:
    """Return what `Benchmark.summary` reads: a row for each response, with every tag of its sample as a column
    of its own.
    """
    rows = []
    for sample, k, verdict in judged:
        values = (sample.id, k, sample.answer, verdict.extracted, verdict.correct, verdict.score)
        row: dict[str, Any] = dict(zip(VERDICT_COLUMNS, values, strict=True))
        assert not row.keys() & sample.tags.keys(), f"a tag of {sample.id} is called like a column of the table"
        rows.append(row | sample.tags)
    return pd.DataFrame(rows)
