"""The grader of this lab: finds the answer wherever people write it, and compares by value instead of by spelling."""

import re
from collections.abc import Sequence

import verify.extract as extract
import verify.letters as letters
from verify.equality import is_wordy, kind_of, same_answer
from verify.expression import Undecided
from verify.notation import tidy
from verify.quantity import read_quantity
from verify.structure import after_verb, split_collection
from verify.verdict import Verdict, format_ok

NAME = "robust/3"
_SINGLE_LETTER = re.compile(r"\s*[(\[]?[A-J][)\]]?\.?\s*")
_YES_NO = re.compile(r"\W*(yes|no|true|false)\b", re.IGNORECASE)
_YES_NO_ABROAD = re.compile(r"\W*(oui|non|ja|nein|sí|是的?|否|不是)(?!\w)", re.IGNORECASE)
_MAXIMUM_GOLD = 2000
_SHORT_ANSWER = 80
_SHORT_CHOICE = 200


def grade_robust(
    response: str, gold: str, choices: Sequence[str] | None = None, task_type: str | None = None
) -> Verdict:
    """Grade one response. Any `task_type` but "choice", "number", "math" and "text" means: decided from the gold."""
    options = tuple(str(choice) for choice in choices) if choices else None
    wanted = bare_gold(gold)
    if not wanted:
        return Verdict(None, False, format_ok(response), NAME, "empty_gold")
    answer_letters = _letters_to_find(wanted, options, task_type)
    if answer_letters:
        extracted, correct, reason = _grade_choice(response, answer_letters, options)
        # A gold in words may be offered twice; a letter means that option only.
        if extracted and len(extracted) == 1 and not correct and not _SINGLE_LETTER.fullmatch(wanted):
            correct = letters.first_alike(extracted, options) == answer_letters
            reason = "letter" if correct else reason
    else:
        extracted, correct, reason = _grade_value(response, wanted)
    return Verdict(extracted, correct, format_ok(response), NAME, reason)


def bare_gold(gold: str) -> str:
    """Return the gold without the box that some data sets keep around it."""
    boxed = extract.extract_boxed(gold) if "\\boxed" in gold else None
    return (boxed or gold).strip()


def _letters_to_find(gold: str, options: tuple[str, ...] | None, task_type: str | None) -> str | None:
    if task_type in ("number", "math", "text") or len(gold) > _MAXIMUM_GOLD:
        return None
    if task_type == "choice" or options:
        return letters.gold_letters(gold, options)
    return letters.gold_letters(gold, None) if _SINGLE_LETTER.fullmatch(gold) else None


def _grade_choice(response: str, gold: str, options: tuple[str, ...] | None) -> tuple[str | None, bool, str]:
    allowed = letters.allowed_letters(options)
    if not set(gold) <= set(allowed):
        allowed += gold
    extracted = find_choice(response, allowed, options, several=len(gold) > 1)
    if extracted is None:
        return None, False, "no_answer"
    return (extracted, True, "letter") if extracted == gold else (extracted, False, "mismatch")


def find_choice(response: str, allowed: str, options: tuple[str, ...] | None, several: bool) -> str | None:
    """Return the option letter of a response, or the raw text of a box or tag that names no option."""
    final = extract.final_part(response)
    explicit = extract.extract_boxed(final) or extract.tagged(final)
    if explicit:
        return _read_choice(explicit, allowed, options, several) or explicit
    if extract.is_unfinished(response):
        return None
    phrase = extract.after_phrase(final)
    if phrase:
        letter = (several and _several_at_start(phrase, allowed)) or letters.letter_after_phrase(
            phrase, allowed, options
        )
        if letter or letters.is_hedged(phrase):
            return letter or extract.until_phrase_ends(phrase)
    if len(final) <= _SHORT_CHOICE and "\n" not in final:
        letter = _read_choice(final, allowed, options, several)
        if letter:
            return letter
    draft = extract.extract_boxed(response)
    if draft:
        return _read_choice(draft, allowed, options, several) or draft
    return letters.letter_from_lines(final, allowed, options)


def _read_choice(text: str, allowed: str, options: tuple[str, ...] | None, several: bool) -> str | None:
    if several and len(text) <= 200:
        found = letters.several_letters(tidy(text), allowed)
        if found:
            return found
    return letters.read_letter(text, allowed, options)


def _several_at_start(text: str, allowed: str) -> str | None:
    return letters.several_letters(tidy(extract.until_phrase_ends(text)), allowed)


def _grade_value(response: str, gold: str) -> tuple[str | None, bool, str]:
    extracted = find_value(response, gold)
    if extracted is None:
        return None, False, "no_answer"
    correct, reason = same_answer(extracted, gold)
    return extracted, correct, reason


def find_value(response: str, gold: str) -> str | None:
    """Return the final value of a response: boxes, tag, phrase, the whole of a short answer, or the last value."""
    wanted = tidy(gold) if len(gold) <= _MAXIMUM_GOLD else ""
    kind = kind_of(wanted) if wanted else "number"
    expects_text = kind == "text"
    elements = split_collection(wanted)
    count = len(elements.elements) if elements else 1
    final = extract.final_part(response)
    explicit = extract.boxed_list(final, count) or extract.tagged(final)
    if explicit or extract.is_unfinished(response):
        return explicit
    phrase = extract.after_phrase(final)
    value = extract.until_phrase_ends(phrase) if phrase else None
    if value and not (expects_text or _is_value(value)):
        # "not 12" holds no other value: it is the answer, a wrong one.
        value = extract.last_value(value, count > 1, kind == "math") or value
    if not value and 0 < len(final) <= _SHORT_ANSWER and _is_value(final):
        value = final
    if not value:
        value = extract.boxed_list(response, count)
    if not value and kind == "math":  # a formula that stands in the text without dollar signs
        formula = after_verb(tidy(final[-_SHORT_CHOICE:].rsplit("\n", 1)[-1]))
        value = formula if formula and not is_wordy(formula) else None
    if not value:
        value = _text_answer(final, gold) if expects_text else extract.last_value(final, count > 1, kind == "math")
    return value


def _is_value(text: str) -> bool:
    return not is_wordy(tidy(text)) or _is_quantity(text)


def _is_quantity(text: str) -> bool:
    try:
        read_quantity(tidy(text))
    except Undecided:
        return False
    return True


def _text_answer(text: str, gold: str) -> str | None:
    """Return a one-line answer as it stands, or the first word of an answer to a yes-or-no question."""
    yes_no = _YES_NO.match(text)
    if yes_no and _YES_NO.fullmatch(gold):
        return yes_no[1]
    abroad = _YES_NO_ABROAD.match(text)
    if abroad and gold.lower() in ("yes", "no"):
        return "no" if abroad[1].lower() in ("non", "nein", "否", "不是") else "yes"
    last_line = text.rsplit("\n", 1)[-1].strip()
    return last_line if 0 < len(last_line) <= _SHORT_ANSWER else None
