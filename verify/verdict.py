"""The record that every grader returns, and the format rule that all of them report."""

import re
from dataclasses import dataclass

_TAG_CHARACTER = re.compile(r"([<>/])")


@dataclass(frozen=True)
class Verdict:
    """What a grader says about one response.

    `extracted` is None when no answer was found; `grader` is name/version; `reason` is one word that names the rule
    which accepted the answer ("letter", "number", "math", "text", "string") or the cause of the rejection
    ("mismatch", "no_answer", "no_box", "empty_gold", "too_long", "time_limit", "memory_limit", "worker_died").
    `partial` is the credit of graders that give some, from 0 to 1.
    """

    extracted: str | None
    correct: bool
    format_ok: bool
    grader: str
    reason: str
    partial: float | None = None

    @property
    def score(self) -> float:
        """Return the credit: partial where the grader gives some, else 1 or 0."""
        return float(self.correct) if self.partial is None else self.partial


def tighten_tags(text: str) -> str:
    """Delete white space on both sides of every `<`, `>` and `/`, as PAPO does before it scores.

    Splitting instead of one pattern with optional white space keeps the time linear on long runs of blanks.
    """
    pieces = _TAG_CHARACTER.split(text)
    if len(pieces) == 1:
        return text
    last = len(pieces) - 1
    for index in range(0, len(pieces), 2):
        if index > 0:
            pieces[index] = pieces[index].lstrip()
        if index < last:
            pieces[index] = pieces[index].rstrip()
    return "".join(pieces)


def format_ok(response: str) -> bool:
    """PAPO's format rule: opens with a think block, and a box opens and some brace closes after the block.

    Four searches for the earliest match decide exactly what one pattern with free gaps would, without backtracking.
    """
    text = tighten_tags(response)
    if not text.startswith("<think>"):
        return False
    thought_end = text.find("</think>")
    box = text.find("\\boxed{", thought_end) if thought_end >= 0 else -1
    return box >= 0 and text.find("}", box) >= 0
