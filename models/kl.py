"""The k3 estimator of a KL divergence from sampled tokens.

    d = clip(log q - log p, -20, 20);  k3 = min(exp(d) - d - 1, bound)

With tokens sampled from p, the mean of k3 estimates KL(p || q) without bias and is never negative (Schulman, 2020).
GRPO takes q = reference model and adds beta * k3 to the loss (arXiv 2402.03300, equation 4); the bounds of 20 and 10
are those of the public trainers and of the code that produced PAPO's numbers. Beyond the bound the gradient is zero.
`train/losses/perception.py` uses the same estimator away from the corrupted view, and `models/dependency.py` tells by
it how much a token leans on the picture.
"""

from common.lazy import Tensor

LOG_RATIO_BOUND = 20.0
K3_BOUND = 10.0


def k3(logp_NT: Tensor, other_logp_NT: Tensor, bound: float = K3_BOUND) -> Tensor:
    """Return per-token k3 of the policy (whose tokens these are) against another distribution."""
    d_NT = (other_logp_NT - logp_NT).clamp(-LOG_RATIO_BOUND, LOG_RATIO_BOUND)
    return (d_NT.exp() - d_NT - 1).clamp(max=bound)


def k1(logp_NT: Tensor, other_logp_NT: Tensor) -> Tensor:
    """Return per-token log p - log q, the form that goes into the reward (RLOO, REINFORCE++): unbiased, of
    either sign.
    """
    return logp_NT - other_logp_NT
