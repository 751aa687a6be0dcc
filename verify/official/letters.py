"""Option letters as the benchmarks' own scripts and two harnesses read them, oddities included.

`options` maps letters to option texts. None means that the script has no answer: it guesses, asks a language model,
or counts the item as wrong.
"""

import re
import string
from collections.abc import Mapping

_OUTER_PUNCTUATION = (",", ".", "!", "?", ";", ":", "'")
_WEMATH_LETTERS = "ABCDEFGH"
_WEMATH_DELETED = str.maketrans("", "", "<>:.")
_MORE_THAN_WORDS = 5

_BLINK_LETTERS = "ABCDE"
_DECLARED = re.compile(r"answer is \(?([A-J])\)?")
_AFTER_ANSWER = re.compile(r"[aA]nswer:\s*([A-J])")
_ALONE = re.compile(r"\b[A-J]\b")
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
    """Return the option whose text occurs last, in a response of more than five words."""
    if len(padded.split()) <= _MORE_THAN_WORDS:
        return None
    lowered = padded.lower()
    places = {letter: lowered.rfind(option.lower()) for letter, option in options.items()}
    letter = max(places, key=lambda letter: places[letter], default=None)
    return letter if letter is not None and places[letter] >= 0 else None


def blink_letter(text: str, letters: str = _BLINK_LETTERS) -> str | None:
    """BLINK without its language model: "X", or the one "(X)" that stands between blanks, best in the last paragraph.

    `letters` are those of the row's options; a bare letter may be any of the five.
    """
    if len(text) == 1 and text in _BLINK_LETTERS:
        return text
    options = {f"({letter})" for letter in letters}
    anywhere = options.intersection(text.split())
    last = options.intersection(text.rpartition("\n\n")[2].split())
    # No option outside the last paragraph is needed, but two there leave the choice to the whole text.
    found = last if len(last) == 1 else anywhere
    return found.pop()[1] if len(found) == 1 else None


def mmlu_pro_letter(text: str) -> str | None:
    """MMLU-Pro: the letter after the first "answer is", else after "Answer:", else the last one that stands alone."""
    declared = _DECLARED.search(text)
    if declared:
        return declared[1]
    # The original takes the last of these in the first line that has any.
    labelled = list(_AFTER_ANSWER.finditer(text))
    if labelled:
        end_of_line = text.find("\n", labelled[0].start())
        same_line = [one for one in labelled if end_of_line < 0 or one.start() < end_of_line]
        return same_line[-1][1]
    alone = _ALONE.findall(text)
    return alone[-1] if alone else None


def ai2d_letter(text: str) -> str | None:
    """lmms-eval's AI2D rule: a leading "X.", or nothing but the letter once case and punctuation are ignored."""
    stripped = text.strip()
    leading = _LEADING_LETTER.match(stripped)
    if leading:
        return leading[1]
    bare = stripped.translate(_NOT_WORD).upper()
    return bare if len(bare) == 1 and bare in string.ascii_uppercase else None
