"""Log-prob, entropy and divergences of next tokens; never are there logits of more than some tokens at a time.

The output layer runs over a chunk of tokens, and again in the backward pass, so that its logits need not be kept.
Shapes: K tokens, C of a chunk, D hidden width, V vocabulary.
"""

import math
from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor
from torch.nn import Linear
from torch.utils.checkpoint import checkpoint

CHUNK_NUMBERS = 1 << 25  # logits that exist at the same time: 128 MiB, 220 tokens of a vocabulary of 151,936


def chunked(function: Callable[..., tuple[Tensor, ...]], vocabulary: int, *inputs: Tensor) -> list[Tensor]:
    """Apply a function to chunks of rows; with several, they are computed anew for the gradient instead of kept."""
    cuts = pieces(len(inputs[0]), vocabulary)
    chunks = [[value[cut] for value in inputs] for cut in cuts]
    if torch.is_grad_enabled() and len(chunks) > 1:
        results: Sequence = [checkpoint(function, *chunk, use_reentrant=False) for chunk in chunks]
    else:
        results = [function(*chunk) for chunk in chunks]
    return [torch.cat(column) for column in zip(*results, strict=True)]


def vocabulary_of(head: Linear) -> int:
    """By its name where the weights are cut over processes and their shape says nothing."""
    return int(head.out_features)


def scaled_logits(head: Linear, hidden_KD: Tensor, temperature: float) -> Tensor:
    logits_KV = head(hidden_KD).float()
    return logits_KV if temperature == 1 else logits_KV / temperature


class TokenStatistics(torch.autograd.Function):
    """Log-prob of one token per row and, on demand, the row's entropy; keeps one number of each per row."""

    @staticmethod
    def forward(
        ctx: Any, hidden_KD: Tensor, weight_VD: Tensor, targets_K: Tensor, temperature: float, entropy: bool
    ) -> tuple[Tensor, Tensor]:
        total_K = torch.empty(len(targets_K), device=hidden_KD.device)
        chosen_K, spread_K = torch.empty_like(total_K), torch.zeros_like(total_K)
        for piece in pieces(len(targets_K), len(weight_VD)):
            logits_CV = logits_of(hidden_KD[piece], weight_VD, temperature)
            highest_C1 = logits_CV.amax(-1, keepdim=True)
            chosen_K[piece] = logits_CV.gather(-1, targets_K[piece, None])[:, 0]
            below_CV = logits_CV.sub_(highest_C1)
            share_CV = below_CV.exp() if entropy else below_CV.exp_()
            sum_C = share_CV.sum(-1)
            total_K[piece] = highest_C1[:, 0] + sum_C.log()
            if entropy:  # H = log of the sum - mean logit
                spread_K[piece] = sum_C.log() - share_CV.mul_(below_CV).sum(-1) / sum_C
        ctx.save_for_backward(hidden_KD, weight_VD, targets_K, total_K, spread_K)
        ctx.options = temperature, entropy
        return chosen_K - total_K, spread_K

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor | None, Tensor | None, None, None, None]:
        """d log p_t / d z_v = [v = t] - p_v and d H / d z_v = - p_v (log p_v + H), chunk by chunk."""
        hidden_KD, weight_VD, targets_K, total_K, spread_K = ctx.saved_tensors
        temperature, entropy = ctx.options
        by_hidden = torch.empty_like(hidden_KD) if ctx.needs_input_grad[0] else None
        by_weight = torch.zeros_like(weight_VD) if ctx.needs_input_grad[1] else None
        for piece in pieces(len(targets_K), len(weight_VD)):
            by_chosen_C1, by_spread_C1 = (gradient[piece, None] / temperature for gradient in gradients)
            logprob_CV = logits_of(hidden_KD[piece], weight_VD, temperature).sub_(total_K[piece, None])
            if entropy:
                result_CV = logprob_CV.exp().neg_()
                result_CV *= logprob_CV.add_(spread_K[piece, None]).mul_(by_spread_C1).add_(by_chosen_C1)
            else:
                result_CV = logprob_CV.exp_().mul_(-by_chosen_C1)
            result_CV.scatter_add_(-1, targets_K[piece, None], by_chosen_C1)
            result_CV = result_CV.to(weight_VD.dtype)
            if by_hidden is not None:
                by_hidden[piece] = result_CV @ weight_VD
            if by_weight is not None:
                by_weight.addmm_(result_CV.T, hidden_KD[piece])
        return by_hidden, by_weight, None, None, None


def pieces(tokens: int, vocabulary: int) -> list[slice]:
    size = max(1, CHUNK_NUMBERS // vocabulary)
    return [slice(start, start + size) for start in range(0, tokens, size)]


def logits_of(hidden_CD: Tensor, weight_VD: Tensor, temperature: float) -> Tensor:
    """In memory of its own, so that it may be written over."""
    return (hidden_CD @ weight_VD.T).float().div_(temperature)


def token_statistics(
    hidden_KD: Tensor, head: Linear, targets_K: Tensor, temperature: float, entropy: bool
) -> tuple[Tensor, Tensor | None]:
    """Log-prob of each target and, on demand, the entropy over the whole vocabulary."""

    def one_chunk(hidden: Tensor, targets: Tensor) -> tuple[Tensor, Tensor]:
        logprobs_CV = scaled_logits(head, hidden, temperature).log_softmax(-1)
        chosen = logprobs_CV.gather(-1, targets[:, None])[:, 0]
        return chosen, -(logprobs_CV.exp() * logprobs_CV).sum(-1) if entropy else torch.zeros_like(chosen)

    # Weights that are cut over processes (ZeRO-3) come together only where the layer itself is called.
    if head.bias is not None or hasattr(head.weight, "ds_id"):
        chosen_K, spread_K = chunked(one_chunk, vocabulary_of(head), hidden_KD, targets_K)
    else:
        chosen_K, spread_K = TokenStatistics.apply(hidden_KD, head.weight, targets_K, temperature, entropy)
    return chosen_K, spread_K if entropy else None


def kl(first_CV: Tensor, second_CV: Tensor) -> Tensor:
    """KL(first || second) of rows of log-probs."""
    return (first_CV.exp() * (first_CV - second_CV)).sum(-1)


def js(first_CV: Tensor, second_CV: Tensor) -> Tensor:
    """Jensen-Shannon divergence of rows of log-probs, in nats: the mean KL to the midpoint of both."""
    middle_CV = torch.logaddexp(first_CV, second_CV) - math.log(2)
    return (kl(first_CV, middle_CV) + kl(second_CV, middle_CV)) / 2


DIVERGENCES = {"kl": kl, "js": js}


def two_heads(
    first_KD: Tensor, head: Linear, second_KD: Tensor, other_head: Linear, what: str, temperature: float = 1.0
) -> Tensor:
    """A divergence of `DIVERGENCES` over the whole vocabulary at every token, of states under two output layers.

    Layers of one tokenizer may be padded to different lengths: ids beyond the shorter one are left out of both.
    """
    common, divergence = min(vocabulary_of(head), vocabulary_of(other_head)), DIVERGENCES[what]

    def one_chunk(first: Tensor, second: Tensor) -> tuple[Tensor]:
        first_CV, second_CV = (
            scaled_logits(layer, hidden, temperature)[:, :common].log_softmax(-1)
            for layer, hidden in ((head, first), (other_head, second))
        )
        return (divergence(first_CV, second_CV),)

    longest = max(vocabulary_of(head), vocabulary_of(other_head))
    return chunked(one_chunk, 4 * longest, first_KD, second_KD)[0]
