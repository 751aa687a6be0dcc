"""Answers to a checklist: which of a sample's questions a response answers right. Its plan and its reward read it."""

import re
from collections.abc import Mapping, Sequence

from train.asks.ask import Row
from verify import extract_boxed, grade

ANSWERED = re.compile(r"<a(\d+)>(.*?)</a\1>", re.DOTALL)


def same(answer: str, gold: str) -> bool:
    """Return whether two answers are the same for PAPO's grader, whose rules the public code uses."""
    return grade(f"\\boxed{{{answer.strip()}}}", gold, grader="papo").correct


def matched(text: str, probes: Sequence[Mapping[str, str]]) -> float:
    """Return the share of the probes that a text answers right, by tag number; a lone one may stand in a box."""
    answers: dict[int, str] = {}
    for number, answer in ANSWERED.findall(text):
        answers.setdefault(int(number), answer)
    if len(probes) == 1 and not answers:
        answers = {1: extract_boxed(text) or text}
    right = [n in answers and same(answers[n], probe["a"]) for n, probe in enumerate(probes, 1)]
    return sum(right) / len(probes)


def credit(row: Row) -> float:
    """Return what one row of a checklist earns: all questions together, or the one that it was asked."""
    if row.ask.answer is not None:
        return matched(row.response.text, [{"a": row.ask.answer}])
    return matched(row.response.text, row.sample.columns["probes"])
