"""Parts of a response: where it says what it sees, in characters.

perception   what stands inside <perception> </perception> tags
facts        what a chain of the mini world states behind `look :`, at its start or later (data/mini/chains.py)
"""

import re
from collections.abc import Callable, Sequence
from typing import Literal

Part = Literal["perception", "facts"]
Span = tuple[int, int]
Finder = Callable[[str], Sequence[Span]]  # from a response's text to spans, in characters
PARTS: dict[str, re.Pattern[str]] = {
    "perception": re.compile(r"<perception>(.*?)</perception>", re.DOTALL),
    "facts": re.compile(r"(?<!\S)look :(.*?)(?= \. | </think>)", re.DOTALL),
}


def part_spans(text: str, part: str) -> list[Span]:
    """Return the spans of one part of a response, none where it does not have the form."""
    return [match.span(1) for match in PARTS[part].finditer(text) if match[1].strip()]
