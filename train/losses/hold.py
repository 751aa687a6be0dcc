"""Hold the policy near what it says behind another picture, which stays as it was: only the clean side learns.

    value = coef min(exp(d) - d - 1, 10),  d = clip(log p_view - log p, -20, 20)

with log p_view as it was before the step's first update. DVRP (arXiv 2601.06801; formulas from a re-implementation)
holds answers on a mildly noised picture, beside PAPO's term that drives them from a masked one. The gradient per token
is coef (1 - exp(log p_view - log p)), 0 where k3 is cut: that of KL(view || clean), the reverse of what is logged.
"""

from dataclasses import dataclass
from typing import ClassVar, Literal

from configs import setting
from models.kl import k3
from train.losses.batch import ScoredBatch
from train.losses.term import Term, TermLoss


@dataclass(frozen=True)
class Hold(Term):
    """k3 towards the log-probs behind another view, which stay fixed."""

    emits: ClassVar[tuple[str, ...]] = ("hold",)

    kind: Literal["hold"] = "hold"
    coef: float = setting(0.01, "weight of the term; below 0 it drives away")
    view: str = setting("noised", "view that must change nothing, a name under `views`")

    def fixed(self) -> set[str]:
        return {f"logp@{self.view}"}

    def loss(self, batch: ScoredBatch) -> TermLoss:
        """Return coef x k3 to the view."""
        value_NT = k3(batch.logp_NT, batch.score(f"logp@{self.view}").detach())
        return TermLoss({"hold": self.coef * value_NT} if self.coef else {}, {"actor/hold": value_NT})
