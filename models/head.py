"""Log-prob, entropy and KL of next tokens; never are there logits of more than some tokens at a time.

The output layer runs over a chunk of tokens, and again in the backward pass, so that its logits need not be kept.
Shapes: K tokens, D hidden width, V vocabulary.
"""

from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor
from torch.utils.checkpoint import checkpoint

CHUNK_NUMBERS = 1 << 25  # logits that exist at the same time: 128 MiB, 220 tokens of a vocabulary of 151,936


def chunked(function: Callable[..., tuple[Tensor, ...]], vocabulary: int, *inputs: Tensor) -> list[Tensor]:
    """Apply a function to chunks of rows; with several, they are computed anew for the gradient instead of kept."""
    tokens = max(1, CHUNK_NUMBERS // vocabulary)
    pieces = list(zip(*(value.split(tokens) for value in inputs), strict=True))
    if torch.is_grad_enabled() and len(pieces) > 1:
        results: Sequence = [checkpoint(function, *piece, use_reentrant=False) for piece in pieces]
    else:
        results = [function(*piece) for piece in pieces]
    return [torch.cat(column) for column in zip(*results, strict=True)]


def vocabulary_of(head: torch.nn.Module) -> int:
    """By its name where the weights are cut over processes and their shape says nothing."""
    return int(head.out_features)


def scaled_logits(head: torch.nn.Module, hidden_KD: Tensor, temperature: float) -> Tensor:
    logits_KV = head(hidden_KD).float()
    return logits_KV if temperature == 1 else logits_KV / temperature


class LogProb(torch.autograd.Function):
    """Log-prob of one token per row and, on demand, the row's entropy; keeps the logits and one number per row."""

    @staticmethod
    def forward(ctx: Any, logits_KV: Tensor, targets_K: Tensor, entropy: bool) -> tuple[Tensor, Tensor]:
        total_K1 = logits_KV.logsumexp(-1, keepdim=True)
        chosen_K = logits_KV.gather(-1, targets_K[:, None])[:, 0] - total_K1[:, 0]
        spread_K = torch.zeros_like(chosen_K)
        if entropy:  # H = log of the sum - mean logit
            spread_K = total_K1[:, 0] - (logits_KV - total_K1).exp_().mul_(logits_KV).sum(-1)
        ctx.save_for_backward(logits_KV, targets_K, total_K1, spread_K)
        ctx.entropy = entropy
        return chosen_K, spread_K

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, None, None]:
        """d log p_t / d z_v = [v = t] - p_v and d H / d z_v = - p_v (log p_v + H)."""
        logits_KV, targets_K, total_K1, spread_K = ctx.saved_tensors
        by_chosen_K1, by_spread_K1 = (gradient[:, None] for gradient in gradients)
        logprob_KV = logits_KV - total_K1
        if ctx.entropy:
            result_KV = logprob_KV.exp().neg_()
            result_KV *= logprob_KV.add_(spread_K[:, None]).mul_(by_spread_K1).add_(by_chosen_K1)
        else:
            result_KV = logprob_KV.exp_().mul_(-by_chosen_K1)
        return result_KV.scatter_add_(-1, targets_K[:, None], by_chosen_K1), None, None


def token_statistics(
    hidden_KD: Tensor, head: torch.nn.Module, targets_K: Tensor, temperature: float, entropy: bool
) -> tuple[Tensor, Tensor | None]:
    """Log-prob of each target and, on demand, the entropy over the whole vocabulary."""

    def one_chunk(hidden: Tensor, targets: Tensor) -> tuple[Tensor, Tensor]:
        return LogProb.apply(scaled_logits(head, hidden, temperature), targets, entropy)

    chosen_K, spread_K = chunked(one_chunk, vocabulary_of(head), hidden_KD, targets_K)
    return chosen_K, spread_K if entropy else None


def full_kl(first_KD: Tensor, second_KD: Tensor, head: torch.nn.Module, temperature: float) -> Tensor:
    """KL(first || second) over the whole vocabulary at every token, of two hidden states under one output layer."""

    def one_chunk(first: Tensor, second: Tensor) -> tuple[Tensor]:
        first_KV, second_KV = (scaled_logits(head, hidden, temperature).log_softmax(-1) for hidden in (first, second))
        return ((first_KV.exp() * (first_KV - second_KV)).sum(-1),)

    return chunked(one_chunk, 4 * vocabulary_of(head), first_KD, second_KD)[0]
