"""PEARL (arXiv 2511.18437): the share of a checklist's K questions that one response answers right.

    r = (1/K) sum_k same(answer with tag k, gold k)

K is the number of questions asked, and answers are found by the number of their tag. The public code divides by the
number of answers given and pairs them in order: easy answers alone give 1, and one skipped tag shifts all that follow.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from configs import setting
from train.asks import Row
from train.rewards.piece import Reward
from train.tools import Tools
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


@dataclass(frozen=True)
class ChecklistScore(Reward):
    """Share of the checklist that a response answers right."""

    kind: Literal["checklist"] = "checklist"
    role: str = setting("checklist", "role of the rows that it judges")

    def columns(self) -> set[str]:
        return {"probes"}

    def score(self, rows: Sequence[Row], tools: Tools) -> list[float | None]:
        """Return the credit of every checklist."""
        return [credit(row) for row in self.own(rows)]
