"""Option letters as the benchmarks' own scripts and two harnesses read them, oddities included.

`options` maps letters to option texts. None means that the script has no answer: it guesses, asks a language model,
or counts the item as wrong.
"""

import re
import string
from collections.abc import Mapping
from functools import lru_cache

_OUTER_PUNCTUATION = (",", ".", "!", "?", ";", ":", "'")
_WEMATH_LETTERS = "ABCDEFGH"
_WEMATH_DELETED = str.maketrans("", "", "<>:.")
_MORE_THAN_WORDS = 5

_SEPARATORS = str.maketrans(dict.fromkeys(".()[],:;!*#{}", " "))
_LAST_TOKENS = 5
_API_FAILURE = "Failed to obtain answer via API"
_REFUSALS = (
    "Sorry, I can't help with images of people yet.",
    "I can't process this file.",
    "I'm sorry, but without the image provided",
    "Cannot determine the answer",
)
_DECLARED = re.compile(r"(?i:\b(?:correct )?answer is):?\s{0,3}\*{0,2}\s{0,3}\(?([A-D])(?![A-Za-z0-9])")

_BLINK_LETTERS = "ABCDE"
_BRACKETED = re.compile(r"\(([A-E])\)")
_LEADING_LETTER = re.compile(r"([A-Z])\.")
_NOT_WORD = str.maketrans("", "", string.punctuation + string.whitespace)


def mmstar_accepts(text: str, gold: str) -> bool:
    """MMStar: the first character, or the one after "(", "option " or "the answer is ", is the gold letter."""
    given = text.lower().strip().replace("\n", " ")
    wanted = gold.lower().strip()
    return bool(wanted) and any(
        given.startswith(opening + wanted) for opening in ("", "(", "option ", "the answer is ")
    )


def wemath_letter(text: str) -> str | None:
    """We-Math: the first character after the last "Answer", once `<`, `>`, `:` and `.` are deleted."""
    tail = text.rpartition("Answer")[2].translate(_WEMATH_DELETED).strip()
    return tail[0] if tail and tail[0] in _WEMATH_LETTERS else None


def mmmu_letter(text: str, options: Mapping[str, str]) -> str | None:
    """MMMU: "(X)", else " X ", else the text of an option; of several the one that occurs last."""
    padded = _padded(text)
    bracketed = [letter for letter in options if f"({letter})" in padded]
    if bracketed:
        return max(bracketed, key=lambda letter: padded.rfind(f"({letter})"))
    alone = [letter for letter in options if f" {letter} " in padded]
    if alone:
        return max(alone, key=lambda letter: padded.rfind(f" {letter} "))
    return _letter_of_contained_text(padded, options)


def mmmu_pro_letter(text: str, options: Mapping[str, str]) -> str | None:
    """MMMU-Pro: the only option letter after the last "Answer:", else as MMMU with the looser "X " and "X."."""
    _, found, tail = text.rpartition("Answer:")
    if found:
        in_tail = [letter for letter in options if letter in tail]
        if len(in_tail) == 1:
            return in_tail[0]
    padded = _padded(text)
    bracketed = [letter for letter in options if f"({letter})" in padded]
    if bracketed:
        return max(bracketed, key=lambda letter: padded.rfind(f"({letter})"))
    for pattern in ("{} ", "{}."):
        loose = [letter for letter in options if pattern.format(letter) in padded]
        if loose:
            # Ranked by the strict pattern, as the original does: a letter that was only found loosely comes first.
            return max(loose, key=lambda letter: padded.rfind(f" {letter} "))
    return _letter_of_contained_text(padded, options)


def _padded(text: str) -> str:
    for mark in _OUTER_PUNCTUATION:
        text = text.strip(mark)
    return f" {text} "


def _letter_of_contained_text(padded: str, options: Mapping[str, str]) -> str | None:
    """The option whose text occurs last, in a response of more than five words."""
    if len(padded.split()) <= _MORE_THAN_WORDS:
        return None
    lowered = padded.lower()
    places = {letter: lowered.rfind(option.lower()) for letter, option in options.items()}
    letter = max(places, key=lambda letter: places[letter], default=None)
    return letter if letter is not None and places[letter] >= 0 else None


def can_infer(text: str, options: Mapping[str, str]) -> str | None:
    """VLMEvalKit's `can_infer`: a lone letter near the end, "answer is X", or an option's text. "Z" is a refusal."""
    if _API_FAILURE in text:
        return None
    if any(refusal in text for refusal in _REFUSALS):
        return "Z"
    tokens = text.translate(_SEPARATORS).split()
    present = set(tokens)
    letters = [letter for letter in options if letter in present]
    if len(letters) == 1 and letters[0] in tokens[-_LAST_TOKENS:]:
        return letters[0]
    if not letters and "Z" in present:
        return "Z"
    declared = _DECLARED.search(text)
    if declared and declared[1] in options:
        return declared[1]
    return _only_contained_text(text.lower(), options)


def _only_contained_text(lowered: str, options: Mapping[str, str]) -> str | None:
    if len(lowered) > 2 * sum(map(len, options.values())):
        return None
    contained = [letter for letter, option in options.items() if option.lower() in lowered]
    return contained[0] if len(contained) == 1 else None


def extract_mcq(text: str, options: Mapping[str, str]) -> str | None:
    """lmms-eval's `extract_mcq_answer`: every pattern proposes letters; the highest rank wins, then the later one."""
    stripped = text.strip()
    for pattern in _ranked_patterns("".join(options)) if options else ():
        found = pattern.findall(stripped)
        if found:
            return found[-1]
    return None


@lru_cache(maxsize=64)
def _ranked_patterns(letters: str) -> tuple[re.Pattern[str], ...]:
    letter = f"([{re.escape(letters)}])"
    return tuple(
        re.compile(pattern)
        for pattern in (
            rf"\A{letter}(?![A-Za-z0-9])",
            rf"(?<![A-Za-z0-9]){letter}\Z",
            rf"(?i:\banswer)(?: is)?:? ?\(?{letter}(?![A-Za-z0-9])",
            rf"\({letter}\)",
            rf"{letter}\.",
            rf"{letter}:",
            rf"{letter}\)",
            rf"{letter} ",
            letter,
        )
    )


def blink_letter(text: str) -> str | None:
    """BLINK without its language model: "X", "(X)", or the only bracketed letter of the last paragraph."""
    stripped = text.strip()
    if len(stripped) == 1 and stripped in _BLINK_LETTERS:
        return stripped
    bracketed = set(_BRACKETED.findall(stripped.rpartition("\n\n")[2]))
    return bracketed.pop() if len(bracketed) == 1 else None


def ai2d_letter(text: str) -> str | None:
    """lmms-eval's AI2D rule: a leading "X.", or nothing but the letter once case and punctuation are ignored."""
    stripped = text.strip()
    leading = _LEADING_LETTER.match(stripped)
    if leading:
        return leading[1]
    bare = stripped.translate(_NOT_WORD).upper()
    return bare if len(bare) == 1 and bare in string.ascii_uppercase else None
