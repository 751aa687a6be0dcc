"""Free-form maths as MATH-V, EMMA, SeePhys and math-verify extract and compare it.

Only text is handled here. Whatever parses LaTeX is a request to the comparison worker, and counts as different when
the worker does not decide it within its limits.
"""

import re

import verify.limits as limits
from verify.extract import tagged
from verify.lexicon import NUMBER_WORDS
from verify.papo import last_box

_OPTION_LETTERS = "ABCDE"
_ANSWER_PHRASES = ("final answer is", "correct answer is", "answer is", "answer should be")
# In this order: what one replacement leaves, the next ones see.
_MATHVISION_CLEANING = (
    (" ", ""),
    (r"\,", ""),
    ("∞", r"\infty"),
    (r"+\infty", r"\infty"),
    (r"\\", "\\"),
    ("\n", ""),
    (r"\text", ""),
    (r"\mbox", ""),
    ("bmatrix", "pmatrix"),
    (r"\left", ""),
    (r"\right", ""),
    (r"^{\circ}", ""),
    (r"^\circ", ""),
    ("{m}^3", ""),
    ("m^3", ""),
    ("{units}", ""),
    ("units", ""),
    ("{km}", ""),
    ("km", ""),
    (r"\!", ""),
    ("tfrac", "frac"),
    ("dfrac", "frac"),
    (r"\$", ""),
    ("$", ""),
    (r"\%", ""),
)
_WHOLE_FRACTION = re.compile(r"(0|-?[1-9][0-9]{0,99})/(0|-?[1-9][0-9]{0,99})")
_LETTERS_IN_BRACKETS = (re.compile(r"\(([a-e])\)"), re.compile(r"\{([a-e])\}"))

_EMMA_LETTERS = "ABCDEFGH"
_EMMA_PHRASES = ("final answer is", "correct answer is", "answer should be", "answer is", "answer:")
_TEXT_COMMAND = re.compile(r"\\text\{([^{}]*)\}")
_MAGNITUDES = {"thousand": 10**3, "million": 10**6, "billion": 10**9}
_SEEPHYS_PHRASE = "the final answer is:"


def mathvision_extract(text: str) -> str:
    """MATH-V's answer of a response: lower case, without spaces, units and LaTeX dress; may be empty."""
    text = _mathvision_letter(text.strip())
    tail = text.rpartition("is ")[2].rstrip(".")
    if _is_number(tail):
        text = tail
    if "oxed{" not in text:
        text = _after_phrases(text)
    answer = _mathvision_clean(_last_box_greedy(text.lower().replace("{}", "")))
    for in_brackets in _LETTERS_IN_BRACKETS:  # "{(d)}" loses both
        answer = in_brackets.sub(r"\1", answer)
    return answer.rstrip(".").lstrip(":").strip()


def _mathvision_letter(text: str) -> str:
    for letter in _OPTION_LETTERS:
        endings, openings = (f" {letter}.", f" ({letter})."), (f"{letter}\n", f"({letter})\n")
        if text.endswith(endings) or text.startswith(openings):
            return letter
    return text


def _is_number(text: str) -> bool:
    try:
        float(text.replace(",", ""))
    except ValueError:
        return False
    return True


def _after_phrases(text: str) -> str:
    """Return the first sentence of the line after each answer phrase in turn."""
    for phrase in _ANSWER_PHRASES:
        start = text.lower().rfind(phrase)
        if start >= 0:
            text = text[start + len(phrase) :].strip().split("\n", 1)[0].split(". ", 1)[0]
    return text


def _last_box_greedy(lowered: str) -> str:
    """From the last box to the last closing brace; cut at the first one only if no opening brace is before it."""
    start, end = lowered.rfind("oxed{"), lowered.rfind("}")
    content = lowered[start + len("oxed{") : end] if 0 <= start < end else lowered
    first_closing, first_opening = content.find("}"), content.find("{")
    if first_closing >= 0 and not 0 <= first_opening < first_closing:
        content = content[:first_closing]
    return content


def _mathvision_clean(answer: str) -> str:
    answer = answer.rpartition("=")[2].rpartition(r"\approx")[2]
    for old, new in _MATHVISION_CLEANING:
        answer = answer.replace(old, new)
    if answer.startswith("."):
        answer = f"0{answer}"
    if r"\sqrt" in answer:
        # Only a text with a root gets its short fractions braced.
        answer = re.sub(r"\\sqrt([^{])", r"\\sqrt{\1}", answer)
        answer = re.sub(r"\\frac([^{])([^{])", r"\\frac{\1}{\2}", answer)
        answer = re.sub(r"\\frac([^{])(?=\{)", r"\\frac{\1}", answer)
    if answer == "0.5":
        return r"\frac{1}{2}"
    fraction = _WHOLE_FRACTION.fullmatch(answer)
    return rf"\frac{{{fraction[1]}}}{{{fraction[2]}}}" if fraction else answer


def mathvision_equal(answer: str, gold: str) -> bool:
    """MATH-V: same text, or the same value at two decimals (tuples element by element). Empty is wrong."""
    answer, gold = answer.lower(), gold.lower()
    if not answer.strip(" ") or not gold.strip(" "):
        return False
    return answer.strip() == gold.strip() or limits.compare("mathvision", gold, answer) == "equal"


def math_verify_accepts(response: str, gold: str) -> bool:
    """math-verify with its default settings on the whole response; the gold is wrapped in dollar signs."""
    return limits.compare("math_verify", gold, response) == "equal"


def emma_extract(text: str) -> str:
    """EMMA's fast rules: a bare letter or number, the last box, or the text after an answer phrase; else empty."""
    text = text.strip()
    for letter in _EMMA_LETTERS:
        if text.upper() == letter or text.startswith((f"{letter}:", f"{letter}.")):
            return letter
    if _is_number(text):
        return text
    box = last_box(text)
    if box is not None:
        inner = _TEXT_COMMAND.findall(box)
        return inner[-1].strip() if inner else box
    lowered = text.lower()
    for phrase in _EMMA_PHRASES:
        if phrase in lowered:
            return lowered.rpartition(phrase)[2].strip().split("\n", 1)[0].split(".", 1)[0]
    return ""


def emma_equal(answer: str, gold: str, option: str | None) -> bool:
    """EMMA: the answer equals the gold or the text of the gold option."""
    return any(_emma_same(answer.lower().strip(), side.lower().strip()) for side in (gold, option) if side is not None)


def _emma_same(answer: str, gold: str) -> bool:
    if answer == gold:
        return True
    if not answer or not gold:
        return False
    return words_to_number(answer) == gold or limits.compare("emma", gold, answer) == "equal"


def words_to_number(text: str) -> str | None:
    """ "one hundred and five" as "105"; words that name no number are skipped, and None means that there is none."""
    total = group = 0
    found = False
    for word in text[: limits.MAXIMUM_LENGTH].lower().replace("-", " ").split():
        if word in NUMBER_WORDS:
            group += int(NUMBER_WORDS[word])
        elif word == "hundred":
            group = 100 * max(group, 1)
        elif word in _MAGNITUDES:
            total, group = total + _MAGNITUDES[word] * max(group, 1), 0
        else:
            continue
        found = True
    return str(total + group) if found else None


def seephys_direct(text: str, gold: str) -> bool | None:
    """SeePhys without its judge: True for a direct match of a whole number or a final formula, else None."""
    tag = tagged(text)
    if tag is not None and tag.isdecimal() and tag == gold.strip():
        return True
    start = text.lower().rfind(_SEEPHYS_PHRASE)
    if start < 0:
        return None
    answer = text[start + len(_SEEPHYS_PHRASE) :].partition("</answer>")[0].strip().rstrip(".").strip("$ ")
    wanted = gold.strip().strip("$ ")
    if not answer or not wanted:
        return None
    return answer == wanted or limits.compare("same_formula", wanted, answer) == "equal" or None
