"""From rewards to advantages; one value per response, copied to its tokens by the caller."""

import torch
from torch import Tensor

GROUP_STD_EPSILON = 1e-6


def grpo_advantage(reward_N: Tensor, group_N: Tensor) -> Tensor:
    """(R - group mean) / (group std + 1e-6), std with n-1 (arXiv 2402.03300 as public trainers compute it).

    Groups are found by id, never by adjacency. A group of one keeps its reward (mean 0, std 1).
    """
    advantage_N = torch.empty_like(reward_N)
    for group in group_N.unique():
        members = group_N == group
        rewards = reward_N[members]
        if len(rewards) == 1:
            advantage_N[members] = rewards
        else:
            advantage_N[members] = (rewards - rewards.mean()) / (rewards.std() + GROUP_STD_EPSILON)
    return advantage_N


ADVANTAGES = {"grpo": grpo_advantage}
