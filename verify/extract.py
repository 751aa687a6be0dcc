"""Where the answer stands in a response: the last box, an answer tag, an answer phrase, or the last value.

All searches are linear in the length of the response; the weak ones look at its end only.
"""

import re

_BOX_TOKEN = re.compile(r"\\(?:boxed|fbox)\s*\{|\\.|[{}]", re.DOTALL)
_PHRASE = re.compile(
    r"(?:\bfinal answer|\bcorrect (?:answer|option|choice)|\banswer|\bsolution|\bthe result|\bcorrect one)\b"
    r"[^.\n:=<>{}]{0,80}?(?:\bis\b|\bare\b|\bmust be\b|\bshould be\b|\bwould be\b|:|=)(?:\s*\b(?:is|option|choice)\b)?"
    r"|\b(?:final answer|answer)\**[ \t]*\n+|(?:^|\n)#{4}(?=[ \t])"
    r"|\b(?:réponse|solution|Antwort|Lösung|respuesta|solución|risposta|resposta|ответ)\b"
    r"[^.\n:=<>{}]{0,40}?(?:(?<!\bno )\b(?:est|ist|es)\b|[èé]|:)"
    r"|(?:答案|选项|结果|정답|答え)\s*(?:应该|应|就)?(?:是|为|選|选|は|[:：])\s*[:：]?|(?<!不)[故应该题]选(?:择)?\s*[:：]?"
    r"|(?<![不能可应该会别勿])(?:选项?择?|選)\s*[:：]?\s*(?=[(（]?[A-Z])",
    re.IGNORECASE,
)
_END_OF_PHRASE = re.compile(r"\.(?=\s|$|\*)|\n|(?:,\s*|\s)(?:because|since|as|which|so|where|that is)\b|</?\w+>")
_INLINE_MATHS = re.compile(r"(?<!\\)\$\$?((?:[^$\\]|\\.){1,400})\$\$?|\\[(\[](.{1,400}?)\\[)\]]", re.DOTALL)
_NUMBER_RUN = re.compile(
    r"(?<![a-zA-Z0-9À-ɏα-ω^_{}.\\√])[-+−–]?[$€£¥]?(?:[0-9]|\.[0-9]|√|π|\\frac|\\sqrt)[0-9.,/*^:√π×·°%−+\-²³()]*(?:\\?%)?"
)
_TUPLE = re.compile(r"[(\[]\s*[^()\[\]$,\n]{1,40}(?:,\s*[^()\[\]$,\n]{1,40}){1,9}[)\]]")
_WORD = re.compile(r"(?<!\\)\b[^\W\d_]{2,}")
# What may stand between two values of one list, the name of the second value included.
_CONNECTOR = re.compile(
    r"[\s$]*(?:\\[)\]])?\s*(?P<mark>,|;|、|,?\s*(?:\b(?:and|or|und|oder|et|ou|y|o)\b|和|或|&))[\s$]*(?:\\[(\[])?\s*"
    r"(?:[a-zA-Z](?:_?\w)?\s*=[\s$]*)?"
)
# What stands before a value that is denied, or an unknown that a statement holds for.
_DENIED = re.compile(r"(?:\b(?:not|neither|nor|nicht|pas|for (?:all|any|every|each))|n['’]t)(?: be)?[\s$]*$")
_ROUNDED = re.compile(r"\(\s*(?:or )?(?:about|approximately|approx\.?|roughly|ca\.|environ|≈|\\approx)[\s$]*$")
_GIVES_UP = re.compile(
    r"\b(?:can ?not|can['’]t|could not|unable to|impossible to|not possible to|insufficient|not enough|without)\b"
    r"[^.\n]{0,80}?\b(?:determin|deduc|conclu|say|tell|know|answer|solv|find|found|information|details)",
    re.IGNORECASE,
)
_PHRASE_REACH = 300
_WEAK_REACH = 600


# Where a value starts and ends in its text, and the value.
Span = tuple[int, int, str]


def boxes(text: str) -> list[Span]:
    """Return all balanced boxes by where they open, with their contents."""
    found: list[Span] = []
    openings: list[tuple[int, int, bool]] = []
    for match in _BOX_TOKEN.finditer(text):
        token = match[0]
        if token == "}":
            before, start, is_box = openings.pop() if openings else (-1, -1, False)
            if is_box:
                found.append((before, match.end(), text[start : match.start()].strip()))
        elif token.endswith("{") and token != "\\{":
            openings.append((match.start(), match.end(), token[0] == "\\"))
    return sorted(found)


def extract_boxed(text: str) -> str | None:
    """Return content of the balanced box that opens last.

    A box that is never closed holds no answer and does not hide the complete one before it; in a box inside a box the
    inner one is the answer.
    """
    found = boxes(text)
    return found[-1][2] if found else None


def boxed_list(text: str, count: int) -> str | None:
    """Return content of the last box, with those that a comma, "and" or "or" joins to it; `count` boxes in all
    are a list.
    """
    found = boxes(text)
    if not found:
        return None
    if count > 1 and len(found) == count:
        return ", ".join(content for _, _, content in found)
    return _joined(found, text, True)


def _joined(spans: list[Span], text: str, with_commas: bool) -> str:
    """Return the last value together with those that stand before it in one list; without commas, "or" alone
    makes a list.
    """
    start, _, value = spans[-1]
    values = [value]
    for before, end, earlier in reversed(spans[:-1]):
        connector = _CONNECTOR.fullmatch(text, end, start) if 0 <= start - end <= 40 else None
        if connector is None or not (with_commas or "or" in connector["mark"]):
            break
        values.append(earlier)
        start = before
    return ", ".join(dict.fromkeys(reversed(values)))


def final_part(response: str) -> str:
    """Return what follows the thoughts; the thoughts themselves when nothing does."""
    head, closing, tail = response.rpartition("</think>")
    return (tail if tail.strip() else head).strip() if closing else response.strip()


def is_unfinished(response: str) -> bool:
    """Return whether the response stops inside its thoughts or its box, so that a value at its end is no final
    answer.
    """
    in_thoughts = "<think>" in response and "</think>" not in response
    return in_thoughts or ("\\boxed" in response and extract_boxed(response) is None)


def tagged(text: str) -> str | None:
    """Return content of the last answer tag."""
    end = text.rfind("</answer>")
    start = text.rfind("<answer>", 0, end) if end >= 0 else -1
    return text[start + len("<answer>") : end].strip() if start >= 0 else None


def after_phrase(text: str) -> str | None:
    """Return what follows the last "the answer is", "Answer:" or the like, a few hundred characters at most."""
    last = None
    for match in _PHRASE.finditer(text):
        if text[match.end() : match.end() + _PHRASE_REACH].strip(" *\n\t:"):
            last = match
    return text[last.end() : last.end() + _PHRASE_REACH].lstrip(" *\n\t:") if last else None


def until_phrase_ends(text: str) -> str:
    """Return the value part of what follows an answer phrase."""
    maths = _INLINE_MATHS.match(text)
    if maths:
        end = _END_OF_PHRASE.search(text, maths.end())
        return text[: end.start() if end else len(text)].strip()
    end = _END_OF_PHRASE.search(text)
    return text[: end.start() if end else len(text)].strip()


def gives_up(text: str) -> bool:
    """Return whether a text ends with words that it has no answer."""
    return _GIVES_UP.search(text[-_PHRASE_REACH:]) is not None


def last_value(text: str, wants_list: bool = False, exact: bool = False) -> str | None:
    """Return the last inline formula, tuple or bare number near the end of a text that is not denied there.

    Where an exact value is wanted, "(about 0.785)" behind it is passed over.
    Several in a row are one answer when a list is wanted, or when "or" leaves open which of them is meant.
    """
    ending = text[-_WEAK_REACH:]
    spans: list[Span] = [(*match.span(), (match[1] or match[2]).strip()) for match in _INLINE_MATHS.finditer(ending)]
    outside = _INLINE_MATHS.sub(lambda match: " " * len(match[0]), ending)
    if "," in outside:
        tuples = [match for match in _TUPLE.finditer(outside) if not _WORD.search(match[0])]
        spans += [(*match.span(), match[0]) for match in tuples]
        for match in tuples:
            outside = outside[: match.start()] + " " * len(match[0]) + outside[match.end() :]
    for match in _NUMBER_RUN.finditer(outside):
        number = match[0].rstrip(".,:+-*/(" if "(" in match[0] else ".,:+-*/()")
        spans.append((match.start(), match.start() + len(number), number))
    passed = (_DENIED, _ROUNDED) if exact else (_DENIED,)
    before = {span: ending[max(0, span[0] - 20) : span[0]] for span in spans}
    spans = sorted(span for span in spans if span[2] and not any(one.search(before[span]) for one in passed))
    return _joined(spans, ending, wants_list) if spans and not gives_up(ending[spans[-1][1] :]) else None
