"""The clipped policy-gradient loss that all methods share, with a ratio per token or per response.

    loss = max(-r A, -clip(r, 1 - low, 1 + high) A);  where A < 0 also loss <= -c A  (dual clip)

    token            r_t = exp(d_t), d_t = logp_t - old_logp_t         GRPO (arXiv 2402.03300), DAPO (2503.14476)
    sequence         s   = exp(mean_t d_t), the same for every token   GSPO (arXiv 2507.18071)
    sequence_token   value s, gradient of token t alone: exp(stop(mean d) + logp_t - stop(logp_t))

`sequence_token` has the gradient of `sequence` where advantage and weights are constant within a response, and unlike
it lets token weights act: with `sequence` they only rescale a response by their mean. Every token's log-ratio d_t is
clamped to +-20, before the mean, and c = 3 as in the code that produced PAPO's numbers (arXiv 2507.06448; the paper
mentions neither). verl has no dual clip for GSPO, EasyR1 keeps it: `dual_clip: 0` switches it off.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Literal

from common.lazy import Tensor, torch
from configs import setting
from models.kl import LOG_RATIO_BOUND
from train.losses.batch import ScoredBatch
from train.losses.importance import importance_weights
from train.losses.term import Term, TermLoss
from train.table.columns import summed


def log_ratio(logp_NT: Tensor, old_logp_NT: Tensor, mask_NT: Tensor, kind: str) -> Tensor:
    """Log of the importance ratio that each token uses; every token is clamped, before any mean."""
    d_NT = (logp_NT - old_logp_NT).clamp(-LOG_RATIO_BOUND, LOG_RATIO_BOUND)
    if kind != "token":
        valid = mask_NT > 0
        length_N1 = valid.sum(1, keepdim=True).clamp(min=1)
        mean_N1 = torch.where(valid, d_NT, 0.0).sum(1, keepdim=True) / length_N1
        d_NT = mean_N1.expand_as(d_NT) if kind == "sequence" else mean_N1.detach() + (d_NT - d_NT.detach())
    return d_NT


def ppo_loss(
    logp_NT: Tensor, old_logp_NT: Tensor, advantage_NT: Tensor, mask_NT: Tensor, settings: PpoSettings
) -> tuple[Tensor, dict[str, Tensor]]:
    """Return per-token loss, and where the clips acted (1 where they did)."""
    ratio_NT = log_ratio(logp_NT, old_logp_NT, mask_NT, settings.ratio).exp()
    plain_NT = -advantage_NT * ratio_NT
    clipped_NT = -advantage_NT * ratio_NT.clamp(1 - settings.clip_low, 1 + settings.clip_high)
    loss_NT = torch.maximum(plain_NT, clipped_NT)
    active_NT = clipped_NT > plain_NT
    bounded_NT = torch.zeros_like(active_NT)
    if settings.dual_clip > 0:
        bound_NT = -settings.dual_clip * advantage_NT
        bounded_NT = (advantage_NT < 0) & (loss_NT > bound_NT)
        loss_NT = torch.where(bounded_NT, bound_NT, loss_NT)
    where = {
        "actor/pg_clipfrac_higher": (active_NT & (advantage_NT > 0)).float(),
        "actor/pg_clipfrac_lower": (active_NT & (advantage_NT < 0)).float(),
        "actor/pg_clipfrac_dual": bounded_NT.float(),
        "actor/ppo_kl": (old_logp_NT - logp_NT).detach(),
    }
    return loss_NT, where


@dataclass(frozen=True)
class PpoSettings(Term):
    """The clipped surrogate."""

    emits: ClassVar[tuple[str, ...]] = ("ppo",)
    shown: ClassVar[dict[str, str]] = {"ppo": "actor/pg_loss"}
    every_role: ClassVar[bool] = True

    clip_low: float = setting(0.2, "ratio clip below 1", bounds="[0, 1]")
    clip_high: float = setting(
        0.3, "ratio clip above 1; 0.3 is what PAPO's released GRPO scripts run", bounds="[0, inf)"
    )
    dual_clip: float = setting(3.0, "bound on the loss of negative advantages; 0 = off", bounds="[0, inf)")
    ratio: Literal["token", "sequence", "sequence_token"] = setting(
        "token", "importance ratio of a token: its own, or its response's (GSPO; sequence_token lets weights act)"
    )
    importance_cap: float = setting(
        0.0,
        "weigh tokens by min(trainer / sampler probability, cap), which corrects the engine gap; 0 = off",
        bounds="[0, inf)",
    )

    def fixed(self) -> set[str]:
        return {"logp"} | ({"engine.logp"} if self.importance_cap else set())

    def loss(self, batch: ScoredBatch) -> TermLoss:
        """Return the surrogate, summed over reward channels, times the importance weight."""
        values: list[Tensor] = []
        where: dict[str, Tensor] = {}
        for advantage_NT in batch.advantages:
            value_NT, where = ppo_loss(batch.logp_NT, batch.scores["logp"], advantage_NT, batch.mask_NT, self)
            values.append(value_NT)
        loss_NT = summed(values)
        if self.importance_cap:
            weight_NT = importance_weights(batch.scores["logp"], batch.scores["engine.logp"], self.importance_cap)
            loss_NT = loss_NT * weight_NT
            where["actor/importance_weight"] = weight_NT
        return TermLoss({"ppo": loss_NT}, where)
