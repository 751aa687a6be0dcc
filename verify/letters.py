"""Option letters: what people write when they mean "B", and what only looks like it."""

import re
from collections.abc import Sequence
from functools import lru_cache

from verify.equality import MAXIMUM_LENGTH, is_wordy, plain_text, same_answer
from verify.extract import gives_up
from verify.lexicon import AFTER_OPTION
from verify.notation import compact, tidy

_LONE = re.compile(r"[(\[{]?\s*([A-Za-z])\s*[)\]}]?\s*[.:,;!]?")
_LABELLED = re.compile(r"[(\[]?\s*([A-Z])\s*(?:[)\].:,;]|\s-)\s*(?=\S)")
_NAMED = re.compile(
    r"(?:(?:the )?(?:final |correct )?(?:answer|option|choice)(?: is)?|the answer is(?: option)?)\s*:?\s*"
    r"[(\[]?([A-Za-z])[)\]]?\.?",
    re.IGNORECASE,
)
_WORD_AFTER = re.compile(r"([A-Z])\s+(\S+)")
_OPENING = re.compile(
    r"(?:option|choice|letter)?\s*[(\[]?\s*([A-Za-z])(?![A-Za-z0-9'’]|(?:项|选项)?(?:不|错))(?:\s*[)\]])?"
)
_END_OF_LETTER = re.compile(r"\s*(?:[.,;)}]|$)")
_SEVERAL = re.compile(r"[(\[]?([A-Z])[)\]]?(?:\s*(?:,|;|&|\band\b|\s)\s*[(\[]?([A-Z])[)\]]?)+\.?|[A-Z]{2,}")
_HEDGE = re.compile(r"\s*(?:,|/|&|\bor\b|\band\b|\bnor\b)\s*[(\[]?[A-Z][)\]]?(?![a-zA-Z])")
_STANDALONE = re.compile(r"(?<![\w'’\\^_{])(?<!not )[(\[]?([A-Z])[)\]]?(?![\w'’}])(?=[.,:;)*\s]|$)(?:\s+([a-z]+))?")
_DECLARED = re.compile(
    r"(?<!\w)[(\[]?([A-Z])[)\].:]?\**\s+(?:is\s+(?:the\s+)?(?:correct|right|answer|best|better|true)|fits|works|holds)\b"
    r"|(?<!\w)([A-Z])(?:选项|项)?(?:是正确|正确|是对)|\b(?:so|hence|thus|therefore),? [(\[]?([A-Z])[)\]]?\W*$"
    r"|\b(?:I|we)(?: would| will|['’]d|['’]ll)? (?:choose|pick|select|go (?:with|for)) (?:option )?[(\[]?([A-Z])(?!\w)"
    r"|(?:而是|应为|只能选)([A-Z])(?!\w)"
)
_LETTER = r"[(\[]?(?-i:[A-J])(?![\w'’])[)\]]?"
_LETTERS = rf"{_LETTER}(?:(?:\s*,\s*|\s+)(?:(?:and|or|nor|ni|et|und)\s+)?{_LETTER})*"
_EXCLUDED = re.compile(
    r"(?:\b(?:(?:can)?not|neither|nor|never|than|over|(?:exclude|eliminate|rule)s? out|instead of|pas|ni|nicht)"
    r"|\b(?:no es|non è)|n['’]t)\s+(?:(?:be|choose|pick|select|go (?:with|for))\s+)?"
    rf"(?:options?\s+|choices?\s+|la (?:réponse|respuesta|risposta)\s+)?{_LETTERS}"
    rf"|{_LETTERS}[.:]?\s+(?:is|are|was|were|can|could|does|do)(?:\s+(?:all|both|clearly|also|therefore))?"
    r"(?:\s*(?:not|n['’]t)\b|\s+(?:be\s+)?(?:wrong|incorrect|false|too|excluded|eliminated|ruled out))"
    rf"|{_LETTERS}\s+(?:contradicts?|fails?|violates?|est (?:faux|fausse)|ist falsch|n['’]est pas)\b"
    r"|[(（]?(?-i:[A-J])[)）]?(?:项|选项)?\s*(?:错误|不正确|不对|不符|是错|不能选|不选)"
    r"|(?:不是|不能|不可|不应|不该|不会|不|别|非|排除|除了)(?:选择?|是)?\s*(?:选项)?\s*[(（]?(?-i:[A-J])(?![\w'’])[)）]?",
    re.IGNORECASE,
)
_NEGATED_WORDS = re.compile(r"(?:\b(?:and |but )?(?:(?:can)?not|neither|nor)\b|n['’]t\b)(?:(?!\bbut\b)[^,.;])*")
_LABEL_AT_END = re.compile(r"\s[(\[]([A-Z])[)\]]\W*$")
_QUOTED = re.compile(r"^['‘]([A-Za-z])['’]")
_BULLET = re.compile(r"^[\s*#>-]+|[\s*]+$")
_DEFAULT_LETTERS = "ABCDEFGHIJ"
_OPENING_REACH = 80
_LONGEST_VALUE = 120


@lru_cache(maxsize=1 << 12)
def option_texts(choices: tuple[str, ...]) -> tuple[str, ...]:
    """Choices without their own labels ("B. 30" becomes "30"), when all of them carry the label of their place."""
    stripped = []
    for place, choice in enumerate(choices):
        match = re.match(r"\s*[(\[]?([A-Z])(?:[)\]][.:]?|[.:])\s*(?=\S)", choice)
        if match is None or match[1] != chr(65 + place):
            return choices
        stripped.append(choice[match.end() :])
    return tuple(stripped)


def allowed_letters(choices: Sequence[str] | None) -> str:
    return "".join(chr(65 + place) for place in range(min(len(choices), 26))) if choices else _DEFAULT_LETTERS


def gold_letters(gold: str, choices: tuple[str, ...] | None) -> str | None:
    """Return letters of the right option (several for "A, C"), sorted; None when the gold names no option."""
    bare = tidy(gold)
    allowed = allowed_letters(choices)
    lone = _LONE.fullmatch(bare)
    if lone and lone[1].upper() in allowed:
        return lone[1].upper()
    if choices:
        by_text = letter_of_text(gold, choices)
        if by_text:
            return by_text
    several = several_letters(bare, allowed)
    if several:
        return several
    labelled = _LABELLED.match(bare)
    return labelled[1] if labelled and labelled[1] in allowed else None


def several_letters(text: str, allowed: str) -> str | None:
    """Sorted distinct letters of "A, C", "A and C" or "AC"; None for anything else."""
    if not _SEVERAL.fullmatch(text):
        return None
    letters = re.findall(r"[A-Z]", text.replace("and", ""))
    distinct = set(letters)
    return "".join(sorted(distinct)) if len(distinct) == len(letters) and distinct <= set(allowed) else None


def letter_of_text(text: str, choices: tuple[str, ...]) -> str | None:
    """Return the one option whose text equals this text."""
    options = option_texts(choices)
    wanted = _text_key(text)
    if not wanted:
        return None
    hits = [place for place, option in enumerate(options) if _text_key(option) == wanted][:1]
    if not hits and len(wanted) <= _LONGEST_VALUE and any(character.isdigit() for character in wanted):
        hits = [place for place, option in enumerate(options) if same_answer(text, option)[0]]
    return chr(65 + hits[0]) if len(hits) == 1 else None


def first_alike(letter: str, choices: tuple[str, ...] | None) -> str:
    """Return the letter itself, or that of an earlier option with the same text: a few rows offer an answer twice."""
    place = ord(letter) - 65
    if not choices or not 0 <= place < len(choices):
        return letter
    keys = [_text_key(option) for option in option_texts(choices)]
    return chr(65 + keys.index(keys[place])) if keys[place] else letter


def _text_key(text: str) -> str:
    """Return what two spellings of an option share: the words of a phrase, the signs of a formula; "" for a
    long text.
    """
    if len(text) > MAXIMUM_LENGTH:
        return ""
    bare = tidy(text)
    return plain_text(bare) if is_wordy(bare) else compact(bare)


def read_letter(text: str, allowed: str, choices: tuple[str, ...] | None) -> str | None:
    """Return the option that a short answer (the content of a box or tag, a whole line) stands for."""
    if len(text) > MAXIMUM_LENGTH:
        return None
    bare = tidy(text).strip("*_\"' ")
    for pattern in (_LONE, _NAMED):
        match = pattern.fullmatch(bare)
        if match and match[1].upper() in allowed:
            return match[1].upper()
    if is_hedged(bare):
        return None
    labelled = _LABELLED.match(bare)
    if labelled and labelled[1] in allowed and not bare[labelled.end() :].startswith(("is ", "are ")):
        return labelled[1]
    by_text = letter_of_text(text, choices) if choices else None
    return by_text or _letter_before_words(bare, allowed, choices)


def _letter_before_words(bare: str, allowed: str, choices: tuple[str, ...] | None) -> str | None:
    match = _WORD_AFTER.match(bare)
    if match is None or match[1] not in allowed:
        return None
    letter, rest = match[1], bare[1:].strip()
    if choices and ord(letter) - 65 < len(choices):
        option = option_texts(choices)[ord(letter) - 65]
        if _text_key(option) == _text_key(rest):
            return letter
    if rest[0].isdigit() or rest[0] in "\\$(=-":
        return letter
    return letter if match[2].lower() in AFTER_OPTION - {"is", "are"} else None


def is_hedged(text: str) -> bool:
    """Return whether the text starts with one option and goes on to another, as in "A or B"."""
    bare = _undecorated(text)
    match = _OPENING.match(bare)
    return bool(match and _HEDGE.match(bare[match.end() :]))


def _undecorated(text: str) -> str:
    bare = _QUOTED.sub(r"\1", text.replace("*", "").replace("$", "").lstrip(' "`\n{（('))
    return tidy(bare[:_OPENING_REACH]) + bare[_OPENING_REACH:] if bare.startswith("\\") else bare


def letter_after_phrase(text: str, allowed: str, choices: tuple[str, ...] | None) -> str | None:
    """Return the option at the start of what follows "the answer is"; an article there is no option."""
    bare = _undecorated(text)
    if is_hedged(bare):
        return None
    letter = _letter_at_start(bare)
    if letter and letter in allowed:
        return letter
    if not choices:
        return None
    line = re.split(r"\.(?=\s|$)|\n", bare, maxsplit=1)[0]
    return letter_of_text(line, choices) or _only_option_mentioned(line, choices)


def _letter_at_start(bare: str) -> str | None:
    match = _OPENING.match(bare)
    if match is None:
        return None
    letter, rest = match[1], bare[match.end() :]
    if letter.islower():
        return letter.upper() if _END_OF_LETTER.match(rest) else None
    following = re.match(r"\s+([a-z]+)", rest)
    is_article = (
        letter in "AI" and match[0][-1] == letter and following is not None and following[1] not in AFTER_OPTION
    )
    return None if is_article else letter


def _only_option_mentioned(text: str, choices: tuple[str, ...]) -> str | None:
    """Return the single option whose text occurs as whole words; a longer option hides the shorter ones inside it."""
    text = _NEGATED_WORDS.sub("", text)
    words = f" {plain_text(text)} "
    found = {}
    for place, option in enumerate(option_texts(choices)):
        wanted = plain_text(tidy(option)) if len(option) <= MAXIMUM_LENGTH else ""
        # An option "I" is not mentioned by the word I, only by one that ends a clause.
        is_word = len(wanted) != 1 or re.search(rf"(?<![\w']){re.escape(option.strip())}(?=\s*(?:[.,;)]|$))", text)
        if wanted and is_word and f" {wanted} " in words:
            found[place] = wanted
    longest = {
        place: wanted
        for place, wanted in found.items()
        if not any(wanted != other and f" {wanted} " in f" {other} " for other in found.values())
    }
    return chr(65 + next(iter(longest))) if len(longest) == 1 else None


def letter_from_lines(text: str, allowed: str, choices: tuple[str, ...] | None) -> str | None:
    """Without box, tag or phrase: a lone letter on the first or last line, else the one option named at the end."""
    lines = [line for line in (_BULLET.sub("", line) for line in text[-4000:].splitlines()) if line]
    if not lines or len(lines[-1]) > MAXIMUM_LENGTH or is_hedged(lines[-1]):
        return None
    for line in (lines[-1], lines[0]):
        lone = _LONE.fullmatch(tidy(line)) if len(line) <= 40 else None
        if lone and lone[1] in allowed:
            return lone[1]
    last = _EXCLUDED.sub(" ", lines[-1])
    declared = [letter for found in _DECLARED.findall(last) if (letter := "".join(found)) in allowed]
    if declared or not last.strip():
        return declared[-1] if declared else None
    lines[-1] = last.lstrip("; ")
    labels = [match[1] for match in map(_LABELLED.match, lines) if match]
    if (_LABELLED.match(lines[-1]) and len(set(labels)) > 1) or (gives_up(text) and not labels):
        return None  # the options once more, or a refusal
    labels = [label for label in labels if label in allowed]
    if len(set(labels)) == 1 and (_LABELLED.match(lines[-1]) or _LABELLED.match(lines[0])):
        return labels[0]
    named = {
        match[1]
        for match in _STANDALONE.finditer(last)
        if match[1] in allowed and not (match[1] in "AI" and match[2] and match[2] not in AFTER_OPTION)
    }
    if len(named) == 1:
        return named.pop()
    headline = _LABEL_AT_END.search(lines[0])
    if not named and headline and headline[1] in allowed:
        return headline[1]
    if named or not choices:
        return None
    return letter_of_text(lines[-1], choices) or _only_option_mentioned(lines[-1], choices)
