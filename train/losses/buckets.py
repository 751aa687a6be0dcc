"""Vision-OPD (arXiv 2605.18740, authors' code): answer on the whole picture as one's own average does on a close-up.

p student on its picture, q teacher on the view (a close-up of what the question is about), both normalised over the
whole vocabulary; then the student's `top` likeliest ids stay classes and all others become one, for both sides:

    rest   = log(1 - exp(min(log sum over the top, -1e-7)))
    value  = coef (KL(q || m) + KL(p || m)) / 2 with m = (p + q) / 2, over the top and the rest; gradient through p
             times stop min(p_t / old p_t, cap) times min(trainer / sampler probability, engine_cap) at the sampled
             token

The first factor is 1 with one update per step, the second is in the authors' configuration and not in their paper. The
teacher is a moving average of the policy (`teacher_follows: 0.05`). `distance` is `js` as published (alpha 0.5);
forward_kl and reverse_kl are the code's alpha 0 and 1. With top: 0 all ids are classes of their own.
"""

from dataclasses import dataclass
from functools import partial
from typing import ClassVar, Literal

from common.lazy import Tensor, torch
from configs import setting
from models.divergence import DISTANCES, Distance, Divergence, Rows, Side
from train.losses.batch import ScoredBatch
from train.losses.importance import importance_weights
from train.losses.term import Term, TermLoss

MOST_COVERED = -1e-7  # log of the mass that the top classes may hold at most


def in_buckets(logprob_CV: Tensor, ids_CB: Tensor) -> Tensor:
    """Return log-probs of the named ids and, as one more class, of all others together."""
    top_CB = logprob_CV.gather(-1, ids_CB)
    covered_C1 = top_CB.logsumexp(-1, keepdim=True).clamp(max=MOST_COVERED)
    return torch.cat([top_CB, torch.log1p(-covered_C1.exp())], dim=-1)


def bucketed(rows: Rows, distance: Distance, top: int) -> Tensor:
    """Return the distance of the policy from the teacher on the policy's likeliest ids and the rest."""
    own_CV, teacher_CV = rows.sides
    if 0 < top < own_CV.shape[-1]:
        ids_CB = own_CV.detach().topk(top, dim=-1).indices
        own_CV, teacher_CV = in_buckets(own_CV, ids_CB), in_buckets(teacher_CV, ids_CB)
    return DISTANCES[distance](own_CV, teacher_CV)


@dataclass(frozen=True)
class Buckets(Term):
    """Distance from a teacher who sees another picture, on the policy's likeliest ids and the rest."""

    emits: ClassVar[tuple[str, ...]] = ("buckets",)

    kind: Literal["buckets"] = "buckets"
    coef: float = setting(1.0, "weight of the term")
    view: str = setting("close_up", "what the teacher sees, a name under `views`; clean = what the policy sees")
    distance: Literal["reverse_kl", "forward_kl", "js"] = setting("js", "distance between the two sets of classes")
    top: int = setting(100, "the policy's likeliest ids that stay classes of their own; 0 = all", bounds="[0, inf)")
    cap: float = setting(2.0, "bound on the ratio to the policy before the step; 0 = no ratio", bounds="[0, inf)")
    engine_cap: float = setting(2.0, "bound on trainer / sampler probability; 0 = no factor", bounds="[0, inf)")

    def fixed(self) -> set[str]:
        return ({"logp"} if self.cap else set()) | ({"logp", "engine.logp"} if self.engine_cap else set())

    def divergences(self) -> dict[str, Divergence]:
        value = partial(bucketed, distance=self.distance, top=self.top)
        return {"jsd_teacher": Divergence((Side("policy"), Side("teacher", self.view)), value)}

    def loss(self, batch: ScoredBatch) -> TermLoss:
        """Return coef x distance x both factors."""
        value_NT = batch.divergences["jsd_teacher"]
        factor_NT = torch.ones_like(value_NT)
        if self.cap:
            factor_NT = (batch.logp_NT - batch.scores["logp"]).exp().clamp(max=self.cap).detach()
        if self.engine_cap:
            factor_NT = factor_NT * importance_weights(
                batch.scores["logp"], batch.scores["engine.logp"], self.engine_cap
            )
        values = {"buckets": self.coef * factor_NT * value_NT} if self.coef else {}
        return TermLoss(values, {"actor/jsd_teacher": value_NT, "actor/jsd_factor": factor_NT})
