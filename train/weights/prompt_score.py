"""Weigh all answers to a problem by the mean of one reward term over that problem's rows, at least `floor`.

PEARL (arXiv 2511.18437) weighs a problem's answers by how well its checklist was answered: W = max(mean, 0.5). The
mean runs over the rows on which the term acts, which belong to another role than the answers.
"""

from dataclasses import dataclass
from typing import Literal

from common.lazy import Tensor, torch
from configs import setting
from train.table.step_table import Table
from train.weights.piece import Weight


@dataclass(frozen=True)
class PromptScore(Weight):
    """A factor per problem: the mean of a reward term over its rows."""

    kind: Literal["prompt_score"] = "prompt_score"
    term: str = setting("checklist", "reward term whose mean is taken")
    floor: float = setting(0.5, "least factor; 1 = no weighting", bounds="[0, 1]")

    def terms(self) -> set[str]:
        return {self.term}

    def weigh(self, table: Table) -> Tensor:
        """Return max(mean, floor) for rows of role 0 and 1 for the others, [N, 1]."""
        asked_N = table.role_N > 0  # the rows that the term judges
        found_N = torch.ones_like(table.reward_N)
        for prompt in table.prompt_N.unique():
            own_N = table.prompt_N == prompt
            judged = table.terms[self.term][own_N & asked_N]
            mean = judged.mean() if len(judged) else judged.new_tensor(0.0)
            found_N[own_N & ~asked_N] = mean.clamp(min=self.floor)
        return found_N[:, None]
