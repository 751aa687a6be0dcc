"""The KL to the model the run began from: beta x k3 in the loss (GRPO), or k1 in the reward (RLOO, REINFORCE++).

With `place: reward` the term has no value of its own: the KL enters the advantages (train/advantages.py).
"""

from dataclasses import dataclass
from typing import ClassVar, Literal

from configs import setting
from models.kl import k3
from train.losses.batch import ScoredBatch
from train.losses.term import Term, TermLoss


@dataclass(frozen=True)
class ReferenceKlSettings(Term):
    """KL to the model the run began from."""

    emits: ClassVar[tuple[str, ...]] = ("reference_kl",)

    coef: float = setting(0.01, "beta; 0 skips the reference model altogether")
    place: Literal["loss", "reward"] = setting("loss", "k3 in the loss (GRPO) or k1 in the reward (RLOO, REINFORCE++)")

    def fixed(self) -> set[str]:
        return {"reference.logp"} if self.coef else set()

    def loss(self, batch: ScoredBatch) -> TermLoss:
        """Return beta x k3 of the policy against the reference."""
        if not self.coef or self.place != "loss":
            return TermLoss()
        kl_NT = k3(batch.logp_NT, batch.scores["reference.logp"])
        return TermLoss({"reference_kl": self.coef * kl_NT}, {"actor/kl_loss": kl_NT})
