"""The clipped policy-gradient loss that GRPO and DAPO share, with the dual clip of the released PAPO code.

    r = exp(logp - old_logp)
    loss = max(-r A, -clip(r, 1 - low, 1 + high) A);  where A < 0 also loss <= -c A

Source: base-algorithm conventions of arXiv 2402.03300 (GRPO) and 2503.14476 (DAPO, asymmetric clip); the log-ratio is
clamped to +-20 and c = 3 as in the code that produced PAPO's numbers (arXiv 2507.06448, section 1.2 of its spec).
"""

import torch
from torch import Tensor

LOG_RATIO_BOUND = 20.0


def ppo_loss(
    logp_NT: Tensor, old_logp_NT: Tensor, advantage_NT: Tensor, *, clip_low: float, clip_high: float, dual_clip: float
) -> tuple[Tensor, dict[str, Tensor]]:
    """Per-token loss, and where the clips acted (1 where they did)."""
    ratio_NT = (logp_NT - old_logp_NT).clamp(-LOG_RATIO_BOUND, LOG_RATIO_BOUND).exp()
    plain_NT = -advantage_NT * ratio_NT
    clipped_NT = -advantage_NT * ratio_NT.clamp(1 - clip_low, 1 + clip_high)
    loss_NT = torch.maximum(plain_NT, clipped_NT)
    active_NT = clipped_NT > plain_NT
    if dual_clip > 0:
        loss_NT = torch.where(advantage_NT < 0, torch.minimum(loss_NT, -dual_clip * advantage_NT), loss_NT)
    where = {
        "actor/pg_clipfrac_higher": (active_NT & (advantage_NT > 0)).float(),
        "actor/pg_clipfrac_lower": (active_NT & (advantage_NT < 0)).float(),
        "actor/ppo_kl": (old_logp_NT - logp_NT).detach(),
    }
    return loss_NT, where
