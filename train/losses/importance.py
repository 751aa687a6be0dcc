"""Truncated importance sampling: corrects for a sampler whose probabilities differ from the trainer's.

    w_t = min(exp(old_logp_t - engine_logp_t), cap)

`old_logp` is the trainer's log-prob of a sampled token under the weights that sampled it, `engine_logp` what the
sampling engine (vLLM) itself reported. The policy gradient is an expectation over the engine's samples, so each token
of it is weighed by w; the cap bounds the variance. The weight is a constant for the gradient and multiplies W, hence
the clipped surrogate only, not the other terms. Source: Yao et al., "Your efficient RL framework secretly brings you
off-policy RL training" (2025), as the public trainers verl and TRL offer it; PAPO's released code has none.

An engine that samples from a truncated nucleus but reports log-probs of the whole distribution (top_p < 1) still fits:
both sides are then full-vocabulary log-probs of the same token.
"""

from common.lazy import Tensor
from models.kl import LOG_RATIO_BOUND


def importance_weights(old_logp_NT: Tensor, engine_logp_NT: Tensor, cap: float) -> Tensor:
    """Detached weight of each token, at most `cap`."""
    d_NT = (old_logp_NT - engine_logp_NT).detach().clamp(-LOG_RATIO_BOUND, LOG_RATIO_BOUND)
    return d_NT.exp().clamp(max=cap)
