"""From rewards to advantages: one tensor [T_i] per response, in the order of the responses.

    grpo                   (R - mean) / (std + epsilon), std with n - 1             arXiv 2402.03300
    drgrpo                 R - mean                                                 arXiv 2503.20783
    rloo                   R - mean of the others = G / (G - 1) x (R - mean)        arXiv 2402.14740
    reinforce_pp           returns sum_{s >= t} r_s, whitened over all tokens       arXiv 2501.03262
    reinforce_pp_baseline  R - mean at every token, whitened over all tokens        the same

mean and std run over a prompt's group of G, found by id and never by adjacency; a group of one has mean 0 and std 1,
as in verl. epsilon is 1e-6 in verl and EasyR1, 1e-4 in TRL and what is built on it (Q-Hawkeye, PEPO). The first three
repeat one number along a response. Whitening is (x - mean) / sqrt(var + 1e-8) over every token it is given, var with
n - 1 as verl and EasyR1 compute it (OpenRLHF divides by n), so give it the whole rollout batch of all processes; long
responses weigh more in it. It happens before any token weight.

The KL to the reference model may be part of the reward, as -coef x k1 at every token with R added to the last one: it
enters the returns of reinforce_pp token by token, and R as a sum over the response for the others.
"""

from collections.abc import Callable, Sequence
from functools import partial

import torch
from torch import Tensor

GROUP_STD_EPSILON = 1e-6
WHITENING_EPSILON = 1e-8


def advantages(
    kind: str,
    reward_N: Tensor,
    group_N: Tensor,
    lengths_N: Sequence[int] | Tensor,
    kl_rows: Sequence[Tensor] | None = None,
    kl_coef: float = 0.0,
    epsilon: float = GROUP_STD_EPSILON,
) -> list[Tensor]:
    """Return the advantage of every token of every response; `kl_rows` holds log pi_old - log pi_ref per token."""
    lengths = [int(length) for length in lengths_N]
    reward_N = reward_N if reward_N.is_floating_point() else reward_N.float()
    if kind == "reinforce_pp":
        return whitened(returns(reward_N, lengths, kl_rows, kl_coef))
    if kl_rows is not None:
        reward_N = reward_N - kl_coef * torch.stack([row.sum() for row in kl_rows]).to(reward_N)
    per_group = partial(standardised, epsilon=epsilon) if kind == "grpo" else PER_GROUP[kind]
    advantage_N = by_group(per_group, reward_N, group_N)
    rows = [advantage.expand(length) for advantage, length in zip(advantage_N, lengths, strict=True)]
    return whitened(rows) if kind == "reinforce_pp_baseline" else rows


def standardised(reward_G: Tensor, epsilon: float) -> Tensor:
    return (reward_G - reward_G.mean()) / (reward_G.std() + epsilon)


def centred(reward_G: Tensor) -> Tensor:
    return reward_G - reward_G.mean()


def leave_one_out(reward_G: Tensor) -> Tensor:
    return reward_G - (reward_G.sum() - reward_G) / (len(reward_G) - 1)


PER_GROUP: dict[str, Callable[[Tensor], Tensor]] = {
    "drgrpo": centred,
    "rloo": leave_one_out,
    "reinforce_pp_baseline": centred,
}


def by_group(per_group: Callable[[Tensor], Tensor], reward_N: Tensor, group_N: Tensor) -> Tensor:
    """Return a function of a group's rewards, for each group; a group of one keeps its reward."""
    advantage_N = torch.zeros_like(reward_N)
    for group in group_N.unique():
        members = group_N == group
        rewards = reward_N[members]
        advantage_N[members] = per_group(rewards) if len(rewards) > 1 else rewards
    return advantage_N


def returns(
    reward_N: Tensor, lengths: Sequence[int], kl_rows: Sequence[Tensor] | None, kl_coef: float
) -> list[Tensor]:
    """Return what a response still earns from each token on: its reward, and the KL penalties ahead."""
    rows = [reward.expand(length) for reward, length in zip(reward_N, lengths, strict=True)]
    if kl_rows is None:
        return rows
    ahead = [kl_row.flip(0).cumsum(0).flip(0).to(reward_N) for kl_row in kl_rows]
    return [row - kl_coef * kl_ahead for row, kl_ahead in zip(rows, ahead, strict=True)]


def whitened(rows: Sequence[Tensor]) -> list[Tensor]:
    """Mean 0 and variance 1 over the tokens of all rows together."""
    tokens = torch.cat(list(rows))
    if len(tokens) < 2:
        return [torch.zeros_like(row) for row in rows]
    scale = (tokens.var() + WHITENING_EPSILON).rsqrt()
    return [(row - tokens.mean()) * scale for row in rows]
