"""OCRBench v2's rules for tasks whose answers are short: text, choices, counts, formulas, key-value pairs and boxes.

Tasks that compare tables or documents as trees, or long texts by n-grams, have no rule here (see `HAS_RULE`).
"""

import ast
import json
import re
from collections.abc import Sequence
from typing import Any

_PLAIN_TASKS = (
    "APP agent en",
    "ASCII art classification en",
    "math QA en",
    "reasoning VQA en",
    "science QA en",
    "text recognition en",
    "document classification en",
    "cognition VQA en",
    "diagram QA en",
    "cognition VQA cn",
    "reasoning VQA cn",
)
_KEY_VALUE_TASKS = ("key information extraction en", "key information mapping en", "key information extraction cn")
HAS_RULE = frozenset(
    {
        *_PLAIN_TASKS,
        *_KEY_VALUE_TASKS,
        "handwritten answer extraction cn",
        "formula recognition en",
        "formula recognition cn",
        "text counting en",
        "text grounding en",
        "VQA with position en",
    }
)
SHORT_ANSWER = "简答"  # such questions about handwriting are compared by n-grams
_FEW_WORDS, _FEW_PARTS = 5, 4
_JOINTS = ("", ".", ". ", ",", ", ", "、", ";", "; ", " ", "和")
_LONGEST_LITERAL = 100_000
_NUMBER = re.compile(r"\d{1,300}")
_BOX = re.compile(
    r"[(\[]\s{0,9}(\d{1,9})\s{0,9},\s{0,9}(\d{1,9})\s{0,9},\s{0,9}(\d{1,9})\s{0,9},\s{0,9}(\d{1,9})\s{0,9}[)\]]"
)
_TEXT_COMMAND = re.compile(r"\\text\{([^{}]*)\}")
_KEY_BACKWARDS = re.compile(r"\s*[\"']?([\w\s]+)")
_VALUE = re.compile(r"\s*[\"']?([^\n,\"'{}]+)")


def ocrbench_score(kind: str, form: str, answers: Any, box: Sequence[Any], text: str) -> float:
    """Return what a response gets, from 0 to 1; `form` is the row's own rule where it names one."""
    golds = [str(answer) for answer in (answers if isinstance(answers, list) else [answers])]
    if kind in _PLAIN_TASKS:
        if form == "multiple choice":
            return float("".join(sign for sign in text if sign.isalpha()) == golds[0])
        return _contained_or_near(text, golds, chinese=kind.endswith("cn"), case_sensitive=form == "case sensitive")
    if kind in _KEY_VALUE_TASKS:
        return _key_value_share(_fields(text), golds[0])
    if kind == "handwritten answer extraction cn":
        return float(any(joint.join(golds[0]) in text for joint in _JOINTS))
    if kind.startswith("formula"):
        return _contained_formula(text, golds, drop_text_commands=kind.endswith("cn"))
    if kind == "text counting en":
        return max(_count_score(text, gold, form) for gold in golds)
    if kind == "text grounding en":
        boxes = [found for found in _BOX.findall(text) if all(int(side) <= 1000 for side in found)]
        return _overlap(boxes[-1], answers) if boxes else 0.0
    assert kind == "VQA with position en", f"{kind} has no rule; rows of it are left out"
    fields = _fields(text)
    right = _contained_or_near(fields["answer"], golds) if "answer" in fields else 0.0
    return 0.5 * right + 0.5 * _overlap(_literal(fields.get("bbox", "")), box)


def _contained_or_near(text: str, golds: Sequence[str], chinese: bool = False, case_sensitive: bool = False) -> float:
    """Return a short answer inside the response counts 1, a long one its likeness if that is at least a half."""
    best = 0.0
    text = _plain(text, chinese, case_sensitive)
    for gold in golds:
        wanted = _plain(gold, chinese, case_sensitive)
        is_short = len(wanted.split(",")) < _FEW_PARTS if chinese else len(wanted.split()) < _FEW_WORDS
        best = max(best, float(wanted in text) if is_short else _likeness(text, wanted))
    return best


def _plain(text: str, chinese: bool, case_sensitive: bool) -> str:
    text = (text if case_sensitive else text.lower()).strip().replace("\n", " ")
    return text.replace(" ", "") if chinese and not case_sensitive else text


def _likeness(first: str, second: str) -> float:
    """1 minus the edit distance as a share of the longer text, or 0 below a half."""
    longest = max(len(first), len(second))
    if not longest or longest > 2 * min(len(first), len(second)):
        return 0.0  # the lengths alone differ by more than half
    previous = list(range(len(second) + 1))
    for row, left in enumerate(first, 1):
        current = [row]
        for column, right in enumerate(second, 1):
            current.append(min(previous[column - 1] + (left != right), previous[column] + 1, current[-1] + 1))
        previous = current
    likeness = 1 - previous[-1] / longest
    return likeness if likeness >= 0.5 else 0.0


def _contained_formula(text: str, golds: Sequence[str], drop_text_commands: bool) -> float:
    forms = [text, *golds]
    if drop_text_commands:
        forms = [_TEXT_COMMAND.sub(r"\1", form) for form in forms]
    given, *wanted = (form.strip().replace("\n", " ").replace(" ", "") for form in forms)
    return float(any(form in given for form in wanted))


def _count_score(text: str, gold: str, form: str) -> float:
    """Return the count inside the response, or how near the first number of it is, if nearer than half of the
    count.
    """
    if form != "regression":
        return float(gold.lower().strip() in text)
    found = _NUMBER.search(text)
    if found is None or not gold.strip().isdecimal() or not int(gold):
        return 0.0
    nearness = 1 - abs(int(found[0]) - int(gold)) / int(gold)
    return nearness if int(found[0]) and nearness > 0.5 else 0.0


def _overlap(first: Any, second: Any) -> float:
    """Intersection over union of two boxes x1, y1, x2, y2; 0 for what is no box."""
    try:
        (left, top, right, bottom), (x1, y1, x2, y2) = ([int(side) for side in box] for box in (first, second))
    except (TypeError, ValueError, OverflowError):
        return 0.0
    shared = max(0, min(right, x2) - max(left, x1)) * max(0, min(bottom, y2) - max(top, y1))
    union = (right - left) * (bottom - top) + (x2 - x1) * (y2 - y1) - shared
    return shared / union if union else 0.0


def _key_value_share(fields: dict[str, str], gold: str) -> float:
    """Return the share of keys, of both sides, whose values are equal; a gold value may be a list of alternatives."""
    wanted = _literal(gold.strip('"'))
    wanted = _literal(wanted) if isinstance(wanted, str) else wanted
    if not isinstance(wanted, dict):
        return 0.0
    golds = {str(key): value if isinstance(value, list) else [value] for key, value in wanted.items()}
    keys = golds.keys() | fields.keys()
    hits = sum(
        key in fields and _squeezed(fields[key]) in {_squeezed(str(value)) for value in golds.get(key, ())}
        for key in keys
    )
    return hits / len(keys) if keys else 0.0


def _squeezed(text: str) -> str:
    return text.lower().strip().replace("\n", " ").replace(" ", "")


def _literal(text: str) -> Any:
    """Return a JSON or Python literal, or None."""
    if len(text) > _LONGEST_LITERAL:
        return None
    for read in (json.loads, ast.literal_eval):
        try:
            return read(text)
        except (ValueError, SyntaxError, TypeError, RecursionError, MemoryError):
            continue
    return None


def _fields(text: str) -> dict[str, str]:
    """Return the key-value pairs of a reply: in a code fence, as a literal, or "key: value" wherever it stands."""
    content = _fenced(text)
    found = _literal(content)
    if isinstance(found, dict):
        return {str(key).strip(): str(value).strip() for key, value in found.items()}
    return {} if found is not None and not isinstance(found, str) else _loose_pairs(content)


def _fenced(text: str) -> str:
    """Return the content of the first code fence, or the whole text."""
    lowered = text.lower()
    for opening in ("```python\n", "```json\n", "```\n"):
        start = lowered.find(opening)
        end = text.find("\n```", start + len(opening) - 1) if start >= 0 else -1
        if end >= 0:
            return text[start + len(opening) : end]
    return text.strip()


def _loose_pairs(text: str) -> dict[str, str]:
    pairs, position = {}, 0
    for separator in re.finditer(r"[:=]", text):
        if separator.start() < position:
            continue
        key = _KEY_BACKWARDS.match(text[position : separator.start()][::-1])
        value = _VALUE.match(text, separator.end())
        if key and value:
            pairs[key[1][::-1].strip()] = value[1].strip()
            position = value.end()
    return pairs
