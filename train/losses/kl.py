"""The k3 estimator, towards the reference model (GRPO) and away from the corrupted view (PAPO).

    d = clip(log q - log p, -20, 20);  k3 = clip(exp(d) - d - 1, -10, 10)

With tokens sampled from p, the mean of k3 estimates KL(p || q). For PAPO's perception term q is the policy on the
masked picture, scoring the same tokens. The paper (arXiv 2507.06448, section 3) prints the ratio p/q; the code that
produced its numbers computes k3 on q/p, and so do we: the printed form is no KL estimator for tokens drawn from p.
With q held constant the gradient's direction is that of KL(q || p). Beyond k3 = 10 the gradient is zero.
"""

from torch import Tensor

LOG_RATIO_BOUND = 20.0
K3_BOUND = 10.0


def k3(logp_NT: Tensor, other_logp_NT: Tensor) -> Tensor:
    """Per-token k3 of the policy against another distribution."""
    d_NT = (other_logp_NT - logp_NT).clamp(-LOG_RATIO_BOUND, LOG_RATIO_BOUND)
    return (d_NT.exp() - d_NT - 1).clamp(-K3_BOUND, K3_BOUND)


def perception_k3(logp_NT: Tensor, masked_logp_NT: Tensor, gradient: str) -> Tensor:
    """k3 against the masked view; `gradient` says which branch learns (clean is PAPO as released)."""
    clean = logp_NT if gradient in ("clean", "both") else logp_NT.detach()
    masked = masked_logp_NT if gradient in ("masked", "both") else masked_logp_NT.detach()
    return k3(clean, masked)
