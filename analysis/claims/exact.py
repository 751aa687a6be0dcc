"""Properties of formulas that papers get wrong or leave out, computed from the code that trains."""

from collections.abc import Callable

PRESENT, ABSENT = -0.2, -0.9  # log-probability of a token with its picture, and with a masked one


def no_gradient_where_views_agree() -> float:
    """Return the gradient of PAPO's k3 on a token that the masked picture makes exactly as likely."""
    return pull("masked_over_clean", PRESENT, PRESENT)


def printed_ratio() -> float:
    """Return k3 of the paper's printed ratio minus k3 of the released code's, on a token that needs the picture."""
    return value_of("clean_over_masked") - value_of("masked_over_clean")


def masked_entropy_gradient() -> float:
    """Return what "double entropy" adds to the gradient of "single entropy" while the masked view is frozen."""
    import torch

    from train.losses.batch import ScoredBatch
    from train.objective import token_losses
    from train.settings import EntropySettings, LossSettings, PerceptionKlSettings

    def gradient(masked_coef: float) -> torch.Tensor:
        logp_NT = torch.tensor([[PRESENT, -0.7]], requires_grad=True)
        masked_NT = torch.tensor([[ABSENT, -0.8]], requires_grad=True)
        losses = LossSettings(
            ppo=None,
            reference_kl=None,
            perception_kl=PerceptionKlSettings(coef=0.02),
            entropy=EntropySettings(coef=0.05, masked_coef=masked_coef),
        )
        batch = ScoredBatch(
            logp_NT=logp_NT,
            mask_NT=torch.ones(1, 2),
            advantages=(torch.zeros(1, 2),),
            live={"logp@masked": masked_NT},
        )
        terms, _ = token_losses(losses, batch)
        total = sum(term.sum() for term in terms.values())
        found = torch.autograd.grad(total, (logp_NT, masked_NT), allow_unused=True)
        return torch.cat([torch.zeros(1, 2) if one is None else one for one in found])

    return float((gradient(0.05) - gradient(0.0)).abs().sum())


def short_neighbours() -> float:
    """Return the weight of a token among short responses over that of one among long ones, averaged by micro-batch.

    Four responses of 10 tokens in one block, four of 40 in the next. One mean over all tokens gives 1.
    """
    from train.losses.averages import token_shares

    shares = token_shares([10] * 4 + [40] * 4, "four", max_new_tokens=40)
    return shares[0] / shares[-1]


def value_of(ratio: str) -> float:
    """Return k3 of one token under a ratio."""
    import torch

    from train.losses.perception import PerceptionKlSettings, perception_k3

    settings = PerceptionKlSettings(ratio=ratio)  # type: ignore[arg-type]
    return float(perception_k3(torch.tensor([[PRESENT]]), torch.tensor([[ABSENT]]), settings))


def pull(ratio: str, clean: float, masked: float) -> float:
    """Return the gradient of k3 with respect to the token's log-probability."""
    import torch

    from train.losses.perception import PerceptionKlSettings, perception_k3

    settings = PerceptionKlSettings(ratio=ratio)  # type: ignore[arg-type]
    logp_NT = torch.tensor([[clean]], requires_grad=True)
    (found,) = torch.autograd.grad(perception_k3(logp_NT, torch.tensor([[masked]]), settings).sum(), logp_NT)
    return float(found)


EXACT: dict[str, Callable[[], float]] = {
    "no_gradient_where_views_agree": no_gradient_where_views_agree,
    "printed_ratio": printed_ratio,
    "masked_entropy_gradient": masked_entropy_gradient,
    "short_neighbours": short_neighbours,
}
