"""Where the answer stands in a response: the last box, an answer tag, an answer phrase, or the last value.

All searches are linear in the length of the response; the weak ones look at its end only.
"""

import re

_BOX_TOKEN = re.compile(r"\\(?:boxed|fbox)\s*\{|\\.|[{}]", re.DOTALL)
_PHRASE = re.compile(
    r"(?:\bfinal answer|\bcorrect (?:answer|option|choice)|\banswer|\bsolution|\bthe result|\bcorrect one)\b"
    r"[^.\n:=<>{}]{0,80}?(?:\bis\b|\bare\b|\bmust be\b|\bshould be\b|\bwould be\b|:|=)(?:\s*\b(?:is|option|choice)\b)?"
    r"|答案\s*(?:是|为|:|：)|\b(?:final answer|answer)\**[ \t]*\n+|(?:^|\n)#{4}(?=[ \t])",
    re.IGNORECASE,
)
_END_OF_PHRASE = re.compile(r"\.(?=\s|$|\*)|\n|(?:,\s*|\s)(?:because|since|as|which|so|where|that is)\b|<")
_INLINE_MATHS = re.compile(r"\$\$?([^$]{1,400})\$\$?|\\[(\[](.{1,400}?)\\[)\]]", re.DOTALL)
_NUMBER_RUN = re.compile(
    r"(?<![\w^_{}.\\√])[-+−–]?[$€£¥]?(?:[0-9]|\.[0-9]|√|π|\\frac|\\sqrt)[0-9.,/*^:√π×·°%−+\-²³()]*(?:\\?%)?"
)
_PHRASE_REACH = 300
_WEAK_REACH = 600


def extract_boxed(text: str) -> str | None:
    """Content of the balanced box that opens last.

    A box that is never closed holds no answer and does not hide the complete one before it; in a box inside a box the
    inner one is the answer.
    """
    last_start, content = -1, None
    openings: list[tuple[int, bool]] = []
    for match in _BOX_TOKEN.finditer(text):
        token = match[0]
        if token == "}":
            start, is_box = openings.pop() if openings else (-1, False)
            if is_box and start > last_start:
                last_start, content = start, text[start : match.start()].strip()
        elif token.endswith("{") and token != "\\{":
            openings.append((match.end(), token[0] == "\\"))
    return content


def final_part(response: str) -> str:
    """What follows the thoughts; the thoughts themselves when nothing does."""
    head, closing, tail = response.rpartition("</think>")
    return (tail if tail.strip() else head).strip() if closing else response.strip()


def is_unfinished(response: str) -> bool:
    """Whether the response stops inside its thoughts or its box, so that a value at its end is no final answer."""
    in_thoughts = "<think>" in response and "</think>" not in response
    return in_thoughts or ("\\boxed" in response and extract_boxed(response) is None)


def tagged(text: str) -> str | None:
    """Content of the last answer tag."""
    end = text.rfind("</answer>")
    start = text.rfind("<answer>", 0, end) if end >= 0 else -1
    return text[start + len("<answer>") : end].strip() if start >= 0 else None


def after_phrase(text: str) -> str | None:
    """What follows the last "the answer is", "Answer:" or the like, a few hundred characters at most."""
    last = None
    for match in _PHRASE.finditer(text):
        if text[match.end() : match.end() + _PHRASE_REACH].strip(" *\n\t:"):
            last = match
    return text[last.end() : last.end() + _PHRASE_REACH].lstrip(" *\n\t:") if last else None


def until_phrase_ends(text: str) -> str:
    """The value part of what follows an answer phrase."""
    maths = _INLINE_MATHS.match(text)
    if maths:
        end = _END_OF_PHRASE.search(text, maths.end())
        return text[: end.start() if end else len(text)].strip()
    end = _END_OF_PHRASE.search(text)
    return text[: end.start() if end else len(text)].strip()


def last_value(text: str) -> str | None:
    """The last inline formula or bare number near the end of a text."""
    ending = text[-_WEAK_REACH:]
    candidates = [(match.end(), match[1] or match[2]) for match in _INLINE_MATHS.finditer(ending)]
    outside = _INLINE_MATHS.sub(lambda match: " " * len(match[0]), ending)
    candidates += [(match.end(), match[0].rstrip(".,:+-*/(")) for match in _NUMBER_RUN.finditer(outside)]
    return max(candidates)[1].strip() if candidates else None
