"""Numbers, words and lists as the benchmarks' own scripts read and compare them, tolerances included."""

import json
import math
import re
from collections.abc import Sequence

from verify.papo import last_box

_QUOTED_ANSWER = re.compile(r'The answer is "([^"\n]*)"\.')
_BRACKETED = re.compile(r"\(([a-zA-Z])\)")
# Texts longer than this are compared by their beginning: no option is that long.
_DISTANCE_REACH = 1000

_TRIVIAL = frozenset(":,.!?;'")
_INDICATORS = ("could be ", "so ", "is ", "thus ", "therefore ", "final ", "answer ", "result ")
_NUMBER_WITH_COMMAS = re.compile(r"-?\b\d{1,3}(?:,\d{3})+\b")
_NUMBER_SCIENTIFIC = re.compile(r"-?(?<!\d)\d{1,300}(?:\.\d{1,300})?[eE][+-]?\d{1,300}")
_NUMBER_SIMPLE = re.compile(r"-?(?:(?<!\d)\d{1,300}\.\d{1,300}|\.\d{1,300}|(?<!\d)\d{1,300}\b)(?![eE][+-]?\d|[,\d])")

_CHART_TOLERANCE = 0.05
_DYNAMATH_TOLERANCE = 0.001
_DYNAMATH_NUMBER_TYPES = ("float", "int", "number")
_WORD = re.compile(r"[^\W_]+")
_TAGGED_INTEGER = re.compile(r"<answer>\s*(\d{1,300})\s*</answer>")
_INTEGER = re.compile(r"[+-]?[0-9]{1,300}")


def mathvista_extract(
    text: str, question_type: str, answer_type: str, choices: Sequence[str] | None, quick: bool = True
) -> str | None:
    """MathVista's extraction by rules; None where the official script asks a language model."""
    if not text:
        return ""
    if question_type == "multi_choice" and text in (choices or ()):
        return text
    try:
        if answer_type == "integer":
            return str(int(text))
        if answer_type == "float":
            return str(float(text))
    except ValueError:
        pass
    quoted = _QUOTED_ANSWER.search(text) if quick else None
    return quoted[1] if quoted else None


def mathvista_normalise(
    extraction: str, question_type: str, answer_type: str, choices: Sequence[str] | None, precision: float | None
) -> str | None:
    """Return the text that is compared with the gold; a multiple-choice extraction always becomes one of the
    options.
    """
    try:
        if question_type == "multi_choice":
            return _option_text(extraction.strip(), choices or ())
        if answer_type == "integer":
            return str(int(float(extraction)))
        if answer_type == "float" and precision is not None:
            return str(round(float(extraction), int(precision)))
        return extraction if answer_type == "list" else None
    except (ValueError, OverflowError):
        return None


def _option_text(extraction: str, choices: Sequence[str]) -> str | None:
    bracketed = _BRACKETED.search(extraction)
    letter = bracketed[1].upper() if bracketed else extraction
    place = ord(letter) - ord("A") if len(letter) == 1 else -1
    if 0 <= place < len(choices):
        return choices[place]
    return min(choices, key=lambda choice: _edit_distance(letter, choice), default=None)


def _edit_distance(first: str, second: str) -> int:
    """Levenshtein distance of the beginnings of two texts."""
    first, second = first[:_DISTANCE_REACH], second[:_DISTANCE_REACH]
    previous = list(range(len(second) + 1))
    for row, left in enumerate(first, 1):
        current = [row]
        for column, right in enumerate(second, 1):
            substituted = previous[column - 1] + (left != right)
            current.append(min(substituted, previous[column] + 1, current[-1] + 1))
        previous = current
    return previous[-1]


def mmmu_open_accepts(text: str, golds: Sequence[str]) -> bool:
    """MMMU's open questions: a number equals a gold to 2 decimals, or a gold stands inside a piece of the answer."""
    wanted = [form for gold in golds for form in _mmmu_forms(gold)]
    numbers = {form for form in wanted if isinstance(form, float)}
    words = [form for form in wanted if isinstance(form, str)]
    for candidate in _mmmu_candidates(text):
        for form in _mmmu_forms(candidate):
            if form in numbers if isinstance(form, float) else any(word in form for word in words):
                return True
    return False


def _mmmu_candidates(text: str) -> list[str]:
    """Return the tails after words that announce an answer, or else the whole text, and all numbers in them."""
    lowered = text.strip().strip(".").lower()
    # The original also means to split at a full stop before a capital, but the text has no capitals any more.
    lines = lowered.split("\n")
    pieces = []
    for number, line in enumerate(lines, 1):
        indicators = (*_INDICATORS, "=") if number == len(lines) else _INDICATORS
        shortest = ""
        for indicator in indicators:
            tail = line.rpartition(indicator)[2].strip()
            # An empty tail replaces a longer one and is itself replaced by the next, as in the original.
            if indicator in line and (not shortest or len(tail) < len(shortest)):
                shortest = tail
        if shortest and shortest not in _TRIVIAL:
            pieces.append(shortest)
    pieces = pieces or [lowered]
    patterns = (_NUMBER_WITH_COMMAS, _NUMBER_SCIENTIFIC, _NUMBER_SIMPLE)
    return pieces + [number for piece in pieces for pattern in patterns for number in pattern.findall(piece)]


def _mmmu_forms(text: str) -> list[str | float]:
    text = text.strip()
    try:
        return [round(float(text.replace(",", "")), 2)]
    except ValueError:
        lowered = text.lower()
        # A single letter would be found in nearly every answer.
        return [f" {lowered}", f"{lowered} "] if len(lowered) == 1 else [lowered]


def chartqa_accepts(text: str, gold: str) -> bool:
    """ChartQA's relaxed accuracy: 5 % for numbers (years too), case-blind equality for words and a gold of 0."""
    answer, wanted = text.strip(), gold.strip()
    given, target = _chart_number(answer), _chart_number(wanted)
    if given is not None and target:
        return abs(given - target) / abs(target) <= _CHART_TOLERANCE
    return answer.lower() == wanted.lower()


def _chart_number(text: str) -> float | None:
    try:
        return float(text.rstrip("%")) / 100 if text.endswith("%") else float(text)
    except ValueError:
        return None


def pope_answer(text: str) -> str:
    """POPE: "no" if the first sentence has the word No, no or not, otherwise "yes" (so "NO" is a yes)."""
    words = text.partition(".")[0].replace(",", "").split(" ")
    return "no" if {"No", "no", "not"}.intersection(words) else "yes"


def yes_no_words(text: str) -> str | None:
    """VLMEvalKit: the whole word yes or no, in any case; None when both or neither occur."""
    found = {"yes", "no"}.intersection(_WORD.findall(text.lower()))
    return found.pop() if len(found) == 1 else None


def dynamath_short_answer(text: str) -> str | None:
    """Return the value under "short answer" of the JSON object that DynaMath asks for; without JSON, the last line.

    As in the authors' script for open models: backslashes go before parsing, and the line loses its last character.
    Their scripts for closed models leave such replies to a reader.
    """
    start, end = text.find("{"), text.rfind("}")
    reply = text[start : end + 1].replace("\\", "") if 0 <= start < end else text
    try:
        fields = json.loads(reply, strict=False)
    except (ValueError, RecursionError):
        return reply.rpartition("\n")[2][:-1]
    return str(fields.get("short answer")) if isinstance(fields, dict) else None


def dynamath_accepts(answer: str, gold: str, answer_type: str) -> bool:
    """DynaMath: floats to 0.001, a letter among the first three characters, other words as they stand in it."""
    kind = answer_type.strip().lower()
    if kind.startswith(_DYNAMATH_NUMBER_TYPES):
        given, target = _dynamath_number(answer), _dynamath_number(gold)
        return given is not None and target is not None and abs(given - target) <= _DYNAMATH_TOLERANCE
    return bool(gold) and gold in (answer[:3] if "choice" in kind else answer)


def _dynamath_number(text: str) -> float | None:
    """Return the first token as a number; "2π" is a multiple of pi."""
    first, *_ = text.split(" ")
    factor, pi, _ = first.partition("π")
    try:
        value = float(factor)
    except ValueError:
        return None
    return value * math.pi if pi else value


def integer_in_tag(text: str) -> int | None:
    """R1-V's counting rule: an answer tag that holds digits and nothing else."""
    match = _TAGGED_INTEGER.search(text)
    return int(match[1]) if match else None


def boxed_integer_accepts(text: str, gold: str) -> bool:
    """Counting with PAPO's box: the last box holds the integer of the gold."""
    box, wanted = last_box(text), gold.strip()
    if box is None or not (_INTEGER.fullmatch(box) and _INTEGER.fullmatch(wanted)):
        return False
    return int(box) == int(wanted)
