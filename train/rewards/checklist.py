"""PEARL (arXiv 2511.18437): the share of a checklist's K questions that one response answers right.

    r = (1/K) sum_k same(answer with tag k, gold k)

K is the number of questions asked, and answers are found by the number of their tag. The public code divides by the
number of answers given and pairs them in order: easy answers alone give 1, and one skipped tag shifts all that follow.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from configs import setting
from train.asks.ask import Row
from train.asks.checklists import credit
from train.asks.tools import Tools
from train.rewards.piece import Reward


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
