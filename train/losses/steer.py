"""VGS (arXiv 2606.00564; from a re-implementation): take over what the picture gives the teacher, not its words.

p student, q teacher on the picture, p' and q' the same without it; all over the whole vocabulary, on the student's
tokens.

    q*(v) ~ stop p'(v) q(v) / q'(v)              the student's own prior, times the teacher's visual gain
    steer           coef KL(p || q*)             eta gamma of the paper
    language_prior  prior_coef KL(p' || q')      eta lambda; gradient through p'

and eta KL(p || q) is a `distill` term of its own. The paper's gate g, 1 on the 30 % of tokens with the largest
KL(q || q'), is a weight `top` on language_prior with score teacher.kl@<view> and over: step; the paper does not say
over which set the quantile runs. Whether p' is stopped in q* is the re-implementation's choice. Since log q* contains
log p', KL(p || q*) = KL(p || p') - E_p log(q / q') + log Z: it holds p near its own blind self and rewards visual
gain.
"""

from dataclasses import dataclass
from typing import ClassVar, Literal

from common.lazy import Tensor
from configs import setting
from models.divergence import Divergence, Rows, Side, kl
from train.losses.batch import ScoredBatch
from train.losses.term import Term, TermLoss


def steered_target(own_blind_CV: Tensor, teacher_CV: Tensor, teacher_blind_CV: Tensor) -> Tensor:
    """Return log q* of rows of log-probs."""
    return (own_blind_CV.detach() + teacher_CV - teacher_blind_CV).log_softmax(-1)


def to_steered(rows: Rows) -> Tensor:
    """KL(p || q*)."""
    own_CV, own_blind_CV, teacher_CV, teacher_blind_CV = rows.sides
    return kl(own_CV, steered_target(own_blind_CV, teacher_CV, teacher_blind_CV))


def to_blind_teacher(rows: Rows) -> Tensor:
    """KL(p' || q')."""
    return kl(*rows.sides)


@dataclass(frozen=True)
class Steer(Term):
    """Towards the policy's own prior times the teacher's visual gain, and the prior towards the teacher's."""

    emits: ClassVar[tuple[str, ...]] = ("steer", "language_prior")

    kind: Literal["steer"] = "steer"
    coef: float = setting(0.82, "weight of KL(p || q*): eta gamma of the paper")
    prior_coef: float = setting(0.0041, "weight of KL(p' || q') without the picture: eta lambda of the paper")
    view: str = setting("none", "view without the picture's evidence, a name under `views`")

    def divergences(self) -> dict[str, Divergence]:
        own, teacher = (Side("policy"), Side("policy", self.view)), (Side("teacher"), Side("teacher", self.view))
        return {
            "kl_teacher_steered": Divergence((*own, *teacher), to_steered),
            "kl_prior": Divergence((own[1], teacher[1]), to_blind_teacher),
        }

    def loss(self, batch: ScoredBatch) -> TermLoss:
        """Return both divergences with their coefficients."""
        steered_NT, prior_NT = batch.divergences["kl_teacher_steered"], batch.divergences["kl_prior"]
        values = {"steer": self.coef * steered_NT} if self.coef else {}
        values |= {"language_prior": self.prior_coef * prior_NT} if self.prior_coef else {}
        return TermLoss(values, {"actor/kl_steered": steered_NT, "actor/kl_prior": prior_NT})
