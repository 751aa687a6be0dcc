"""How per-token losses become one number: every token of a mini-batch gets a share, and the loss is a weighted sum.

With N responses of T_i tokens (all of the mini-batch, over every process) a token of response i weighs

    token     1 / sum_j T_j             one mean over all tokens: DAPO (arXiv 2503.14476)
    response  1 / (N T_i)               mean over responses of token means: GRPO as published (arXiv 2402.03300)
    constant  1 / (N L)                 L = max_new_tokens: Dr.GRPO (arXiv 2503.20783), no length in the denominator
    four      1 / (B sum_{j in b} T_j)  B blocks b of four responses, each a token mean, then their plain mean

`four` is what PAPO's released code does for every method, GRPO included: its micro-batches of four responses per
device are averaged one by one. A last block of fewer than four responses counts as much as the others. Leaving N out
of `constant`, or taking the batch's padded width for L, rescales the learning rate (verl does both).

A term with weights W is divided by (`losses.denominator`)

    all         the same as without weights: W multiplies, nothing else changes
    selected    the tokens of W > 0 only: W x sum(share) / sum(share where W > 0)
    mass        each response's own sum of weights: W_it x T_i / sum_t W_it
    per_prompt  the number of prompts: the loss is the mean over prompts of sum W l

Because shares come from the whole mini-batch, micro-batches and processes only add up parts of the same sum.
"""

from collections.abc import Sequence

import torch
from torch import Tensor

BLOCK = 4


def token_shares(lengths: Sequence[int], average: str, max_new_tokens: int) -> list[float]:
    """Return the share of one token of each response, from the lengths of all responses of the mini-batch in
    their order.
    """
    count = len(lengths)
    if average == "response":
        return [1 / (count * max(length, 1)) for length in lengths]
    if average == "constant":
        return [1 / (count * max_new_tokens)] * count
    block = BLOCK if average == "four" else max(count, 1)
    totals = [max(sum(lengths[start : start + block]), 1) for start in range(0, count, block)]
    return [1 / (len(totals) * totals[index // block]) for index in range(count)]


def spread(shares: Sequence[float], mask_NT: Tensor, dtype: torch.dtype = torch.float32) -> Tensor:
    """Return each response's share at its tokens, 0 at padding."""
    column = torch.tensor(list(shares), dtype=dtype, device=mask_NT.device)
    return torch.where(mask_NT > 0, column[:, None], 0.0)


def normalised(weight_NT: Tensor, shares_NT: Tensor, prompt_N: Tensor, denominator: str) -> tuple[Tensor, Tensor]:
    """Return W and shares of a mini-batch under one of the denominators that the header lists."""
    if denominator == "selected":
        kept = torch.where(weight_NT > 0, shares_NT, 0.0).sum()
        return weight_NT * (shares_NT.sum() / kept if kept > 0 else 0.0), shares_NT
    if denominator == "mass":
        mass_N1 = torch.where(shares_NT > 0, weight_NT, 0.0).sum(1, keepdim=True)
        length_N1 = (shares_NT > 0).sum(1, keepdim=True)
        return torch.where(mass_N1 > 0, weight_NT * length_N1 / mass_N1, 0.0), shares_NT
    if denominator == "per_prompt":
        return weight_NT, torch.where(shares_NT > 0, 1.0 / len(prompt_N.unique()), 0.0).to(shares_NT.dtype)
    return weight_NT, shares_NT


def weighted_sum(values_NT: Tensor, shares_NT: Tensor) -> Tensor:
    """Return the part of the loss that these tokens make up; whatever stands at padding is ignored, NaN included."""
    return (torch.where(shares_NT > 0, values_NT, 0.0) * shares_NT).sum()
