"""CPPO's contrastive perception loss (arXiv 2601.00501): stay under harmless changes, move under harmful ones.

    k+ = distance to the preserving view, k- = to the removing view;  value = coef softplus((k+ - k-) / tau)

averaged over the perception mask: a weight `entropy_gain` on this term with losses.denominator=selected. Both views
carry gradient. `distance`: AReaL's trainer uses k1 (log p - log p_view), with which the clean view cancels where no
distance is cut; the verl recipe uses k3 with its bounds. Its bound on k1 is not known to us: 20 here, as for k3's.
"""

from dataclasses import dataclass
from typing import ClassVar, Literal

from common.lazy import Tensor, torch
from configs import setting
from models.kl import LOG_RATIO_BOUND, k1, k3
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
    tau: float = setting(0.1, "temperature", bounds="(0, inf)")
    distance: Literal["k1", "k3"] = setting("k1", "estimate of the divergence of a view")

    def live(self) -> set[str]:
        return {f"logp@{self.keep}", f"logp@{self.remove}"}

    def apart(self, batch: ScoredBatch, view: str) -> Tensor:
        """Return the distance of a view [N, T], cut at its bounds."""
        logp_NT, other_NT = batch.logp_NT, batch.score(f"logp@{view}")
        if self.distance == "k3":
            return k3(logp_NT, other_NT)
        return k1(logp_NT, other_NT).clamp(-LOG_RATIO_BOUND, LOG_RATIO_BOUND)

    def loss(self, batch: ScoredBatch) -> TermLoss:
        """Return coef x softplus((k+ - k-) / tau)."""
        near_NT, far_NT = (self.apart(batch, view) for view in (self.keep, self.remove))
        value_NT = torch.nn.functional.softplus((near_NT - far_NT) / self.tau)
        return TermLoss({"contrast": self.coef * value_NT} if self.coef else {}, {"actor/contrast": value_NT})
