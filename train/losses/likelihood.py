"""Terms on the likelihood of sampled tokens: PAPO's entropy loss, and NLL on correct answers.

Entropy (arXiv 2507.06448, section 3.3): loss += eta_1 mean(-log p) + eta_2 mean(-log m). The paper writes H without
the minus sign; its code adds the mean surprisal, so the loss lowers it. That is no entropy gradient: for tokens drawn
from the whole of p its expectation is zero, for tokens drawn from the nucleus (top_p < 1) it sharpens the policy.
`kind: full` takes the entropy of the whole vocabulary instead. As released, the corrupted view's share (eta_2) has no
gradient: m is a stored number (confirmed by the authors in their issue 20).

NLL: loss += coef * -log p on responses of accuracy 1. PAPO's released code has it as a switch that no script sets
(coefficient 0.001, accuracy above 0.1, divided by the correct responses' tokens of a micro-batch of four). Ours is
divided as every other term is, by all tokens, so it weighs more the more answers are right.
"""

from torch import Tensor


def surprisal(logp_NT: Tensor) -> Tensor:
    """-log p of the sampled token."""
    return -logp_NT


def correct_nll(logp_NT: Tensor, accuracy_N: Tensor) -> Tensor:
    """-log p on responses of accuracy 1, 0 elsewhere."""
    return -logp_NT * (accuracy_N[:, None] == 1).to(logp_NT.dtype)
