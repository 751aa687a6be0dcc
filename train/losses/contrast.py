"""CPPO's contrastive perception loss (arXiv 2601.00501): stay under harmless changes, move under harmful ones.

    k+ = distance to the preserving view, k- = to the removing view;  value = coef softplus((k+ - k-) / tau)

averaged over the perception mask: a weight `entropy_gain` on this term with losses.denominator=selected. Both views
carry gradient. `distance`: AReaL's trainer uses k1 (log p - log p_view), with which the clean view cancels; the verl
recipe uses k3 with its bounds.
"""

from dataclasses import dataclass
from typing import ClassVar, Literal

from common.lazy import torch
from configs import setting
from train.losses.batch import ScoredBatch
from train.losses.term import Term, TermLoss


@dataclass(frozen=True)
class Contrast(Term):
    """Softplus of the distance to a preserving view less that to a removing view."""

    emits: ClassVar[tuple[str, ...]] = ("contrast",)

    kind: Literal["contrast"] = "contrast"
    coef: float = setting(0.01, "weight of the term")
    keep: str = setting("keep", "view that preserves information")
    remove: str = setting("remove", "view that takes information away")
    tau: float = setting(0.1, "temperature")
    distance: Literal["k1", "k3"] = setting("k1", "estimate of the divergence of a view")

    def live(self) -> set[str]:
        return {f"logp@{self.keep}", f"logp@{self.remove}"}

    def loss(self, batch: ScoredBatch) -> TermLoss:
        """Return coef x softplus((k+ - k-) / tau)."""
        from models.kl import k1, k3

        distance = k1 if self.distance == "k1" else k3
        near_NT, far_NT = (distance(batch.logp_NT, batch.score(f"logp@{view}")) for view in (self.keep, self.remove))
        value_NT = torch.nn.functional.softplus((near_NT - far_NT) / self.tau)
        return TermLoss({"contrast": self.coef * value_NT} if self.coef else {}, {"actor/contrast": value_NT})
