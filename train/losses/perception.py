"""PAPO's implicit perception loss: move away from what the policy would say on a corrupted picture.

    k3 = min(exp(d) - d - 1, bound), d = log m - log p     p on the real picture, m on the corrupted one, same tokens
    loss = -gamma k3                                        arXiv 2507.06448, section 3.2

`ratio`: the paper prints d = log p - log m; the code that produced its numbers computes log m - log p, and only that
is an estimator of KL(p || m) for tokens of p. masked_over_clean is the code, clean_over_masked the printed form.
`gradient`: as released, m is computed once before the update and frozen (clean). The expected gradient is then that of
KL(m || p); masked and both let the corrupted branch learn, as a switch of January 2026 does in the authors' code.

Switches that the released code has and no published run uses, and where ours differ:
- token mask: it keeps the tokens at or above the (1 - share) quantile of k3 in their response, which is
  floor(share (T - 1)) + 1 tokens and more where values tie. `keep` takes exactly ceil(share T), as VPPO selects
  tokens. Either way the dropped tokens stay in the denominator.
- clipping: a second cut, after the one at 10. `bound` replaces the 10, so a bound above 10 is possible only here.
- apply mode: only "all" is implemented there, correct_only raises an error. `only_correct` keeps accuracy 1.
- annealing: linear over int(share x steps) rollout steps, then constant, with default end 0 and share 0.5. Both
  entropy coefficients are scaled by gamma / its setting at the same time. `gamma_at` starts at the first step's value.
"""

import torch
from torch import Tensor

from models.kl import k3
from train.settings import PerceptionKlSettings


def perception_kl(
    logp_NT: Tensor, masked_logp_NT: Tensor, mask_NT: Tensor, accuracy_N: Tensor | None, settings: PerceptionKlSettings
) -> tuple[Tensor, Tensor]:
    """The bounded k3 of every token that keeps the term, 0 elsewhere; and 1 where the bound acted."""
    k3_NT = perception_k3(logp_NT, masked_logp_NT, settings)
    value_NT = k3_NT.clamp(max=settings.bound) * kept_tokens(k3_NT, mask_NT, accuracy_N, settings)
    return value_NT, (k3_NT > settings.bound).float()


def perception_k3(logp_NT: Tensor, masked_logp_NT: Tensor, settings: PerceptionKlSettings) -> Tensor:
    """k3 between the two views, not yet bounded; `gradient` says which branch learns."""
    clean_NT = logp_NT if settings.gradient in ("clean", "both") else logp_NT.detach()
    masked_NT = live_view(masked_logp_NT, settings)
    if settings.ratio == "masked_over_clean":
        return k3(clean_NT, masked_NT, bound=torch.inf)
    return k3(masked_NT, clean_NT, bound=torch.inf)


def live_view(masked_logp_NT: Tensor, settings: PerceptionKlSettings) -> Tensor:
    """The corrupted view's log-probs, frozen unless that branch learns."""
    return masked_logp_NT if settings.gradient in ("masked", "both") else masked_logp_NT.detach()


def kept_tokens(
    score_NT: Tensor, mask_NT: Tensor, accuracy_N: Tensor | None, settings: PerceptionKlSettings
) -> Tensor:
    """1 where a token keeps the term: the share of its response with the highest score, on correct responses."""
    valid = mask_NT > 0
    kept = valid
    if settings.keep < 1:
        # In float64 and less a trifle: 10 x 0.3 is 3 tokens, not the 4 that rounding errors would make of it.
        count_N1 = (valid.sum(1, keepdim=True).double() * settings.keep - 1e-6).ceil().clamp(min=1)
        order_NT = score_NT.detach().masked_fill(~valid, -torch.inf).argsort(dim=1, descending=True, stable=True)
        kept = valid & (order_NT.argsort(dim=1) < count_N1)
    if settings.only_correct:
        assert accuracy_N is not None
        kept = kept & (accuracy_N[:, None] == 1)
    return kept.to(score_NT.dtype)


def gamma_at(settings: PerceptionKlSettings, step: int, steps: int) -> float:
    """gamma at rollout step `step` (0 = the first) of a run of `steps`: linear to end_coef, then constant."""
    if settings.end_coef is None:
        return settings.coef
    progress = min(step / max(settings.anneal_share * steps, 1.0), 1.0)
    return settings.coef + (settings.end_coef - settings.coef) * progress
