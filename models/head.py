"""Log-prob, entropy and divergences of next tokens; never are there logits of more than some tokens at a time.

The output layer's product runs over a chunk of tokens, and again in the backward pass, so that its logits need not be
kept. Shapes: K tokens, C of a chunk, D hidden width, V vocabulary.
"""

from collections.abc import Callable, Sequence
from contextlib import nullcontext
from functools import partial
from typing import Any, NamedTuple

import torch
from torch import Tensor
from torch.nn import Linear
from torch.nn.functional import linear
from torch.utils.checkpoint import checkpoint

from models.divergence import js, kl, kl_back

CHUNK_NUMBERS = 1 << 25  # logits that exist at the same time: 128 MiB, 220 tokens of a vocabulary of 151,936
# Each chunk reads and writes the whole weight gradient; a GPU has the memory for fewer and larger ones (1 GiB).
CUDA_CHUNK_NUMBERS = 1 << 28


class Gradients:
    """Gradients of the layer's weight and bias, added up over chunks.

    They are float32 whatever the weights are: 75 sums in bfloat16 made six times the error of one rounding.
    """

    def __init__(self, weight_VD: Tensor, bias_V: Tensor | None, needed: Sequence[bool]):
        self.sums = [
            torch.zeros_like(parameter, dtype=torch.float32) if need and parameter is not None else None
            for parameter, need in zip((weight_VD, bias_V), needed, strict=True)
        ]
        self.dtype = weight_VD.dtype

    def add(self, by_logits_CV: Tensor, hidden_CD: Tensor) -> None:
        weight, bias = self.sums
        if weight is not None and self.dtype == torch.float32:
            weight.addmm_(by_logits_CV.T, hidden_CD)
        elif weight is not None:
            weight += by_logits_CV.T @ hidden_CD
        if bias is not None:
            bias += by_logits_CV.sum(0)

    def results(self) -> list[Tensor | None]:
        return [value if value is None else value.to(self.dtype) for value in self.sums]


class TokenStatistics(torch.autograd.Function):
    """Log-prob of one token per row and, on demand, the row's entropy; keeps one number of each per row."""

    @staticmethod
    def forward(
        ctx: Any,
        hidden_KD: Tensor,
        weight_VD: Tensor,
        bias_V: Tensor | None,
        targets_K: Tensor,
        temperature: float,
        entropy: bool,
    ) -> tuple[Tensor, Tensor]:
        total_K = torch.empty(len(targets_K), device=hidden_KD.device)
        chosen_K, spread_K = torch.empty_like(total_K), torch.zeros_like(total_K)
        for piece in pieces(hidden_KD, len(weight_VD)):
            logits_CV = logits_of(hidden_KD[piece], weight_VD, bias_V, temperature)
            highest_C1 = logits_CV.amax(-1, keepdim=True)
            chosen_K[piece] = logits_CV.gather(-1, targets_K[piece, None])[:, 0]
            below_CV = logits_CV.sub_(highest_C1)
            share_CV = below_CV.exp() if entropy else below_CV.exp_()
            sum_C = share_CV.sum(-1)
            total_K[piece] = highest_C1[:, 0] + sum_C.log()
            if entropy:  # H = log of the sum - mean logit
                spread_K[piece] = sum_C.log() - share_CV.mul_(below_CV).sum(-1) / sum_C
        ctx.save_for_backward(hidden_KD, weight_VD, bias_V, targets_K, total_K, spread_K)
        ctx.options = temperature, entropy
        return chosen_K - total_K, spread_K

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor | None, ...]:
        """d log p_t / d z_v = [v = t] - p_v and d H / d z_v = - p_v (log p_v + H), chunk by chunk."""
        hidden_KD, weight_VD, bias_V, targets_K, total_K, spread_K = ctx.saved_tensors
        temperature, entropy = ctx.options
        by_hidden_KD = torch.empty_like(hidden_KD) if ctx.needs_input_grad[0] else None
        layer = Gradients(weight_VD, bias_V, ctx.needs_input_grad[1:3])
        for piece in pieces(hidden_KD, len(weight_VD)):
            by_chosen_C1, by_spread_C1 = (gradient[piece, None] / temperature for gradient in gradients)
            logprob_CV = logits_of(hidden_KD[piece], weight_VD, bias_V, temperature).sub_(total_K[piece, None])
            if entropy:
                result_CV = logprob_CV.exp().neg_()
                result_CV *= logprob_CV.add_(spread_K[piece, None]).mul_(by_spread_C1).add_(by_chosen_C1)
            else:
                result_CV = logprob_CV.exp_().mul_(-by_chosen_C1)
            result_CV.scatter_add_(-1, targets_K[piece, None], by_chosen_C1)
            result_CV = result_CV.to(weight_VD.dtype)
            if by_hidden_KD is not None:
                by_hidden_KD[piece] = result_CV @ weight_VD
            layer.add(result_CV, hidden_KD[piece])
        return by_hidden_KD, *layer.results(), None, None, None


def pieces(rows: Tensor, vocabulary: int) -> list[slice]:
    numbers = CUDA_CHUNK_NUMBERS if rows.is_cuda else CHUNK_NUMBERS
    size = max(1, numbers // vocabulary)
    return [slice(start, start + size) for start in range(0, len(rows), size)]


def logits_of(hidden_CD: Tensor, weight_VD: Tensor, bias_V: Tensor | None, temperature: float) -> Tensor:
    """Return float32 logits in memory of their own, so that they may be written over."""
    return linear(hidden_CD, weight_VD, bias_V).float().div_(temperature)


def call_once(head: Linear, function: Callable[..., Any], *hidden: Tensor) -> Any:
    """Return function(*hidden) as one call of the layer, however many chunks the function works in.

    Hooks bring cut weights together (ZeRO 3) once before the layer's forward pass and once before its backward pass, a
    collective each: ranks with more or fewer tokens must not call the layer more or fewer times.
    """
    head.forward = function
    try:
        return head(*hidden)
    finally:
        del head.forward


def token_statistics(
    hidden_KD: Tensor, head: Linear, targets_K: Tensor, temperature: float, entropy: bool
) -> tuple[Tensor, Tensor | None]:
    """Log-prob of each target and, on demand, the entropy over the whole vocabulary."""

    def statistics(hidden_KD: Tensor) -> tuple[Tensor, Tensor]:
        return TokenStatistics.apply(hidden_KD, head.weight, head.bias, targets_K, temperature, entropy)

    chosen_K, spread_K = call_once(head, statistics, hidden_KD)
    return chosen_K, spread_K if entropy else None


DIVERGENCES = {"kl": kl, "kl_back": kl_back, "js": js}


def chunked(function: Callable[..., Tensor], vocabulary: int, *inputs: Tensor) -> Tensor:
    """Apply a function to chunks of rows; with several, they are computed anew for the gradient instead of kept."""
    chunks = [[value[piece] for value in inputs] for piece in pieces(inputs[0], vocabulary)]
    if torch.is_grad_enabled() and len(chunks) > 1:
        return torch.cat([checkpoint(function, *chunk, use_reentrant=False) for chunk in chunks])
    return torch.cat([function(*chunk) for chunk in chunks])


class State(NamedTuple):
    """States that predict the same tokens, the output layer that reads them, and whether they carry gradient."""

    hidden_KD: Tensor
    head: Linear
    learns: bool = True


def compared(states: Sequence[State], value: Callable[[list[Tensor]], Tensor], temperature: float = 1.0) -> Tensor:
    """Return what `value` makes of log-probs [C, V] of all states over the whole vocabulary, at every token.

    At most two output layers, the states of one before those of the other. Layers of one tokenizer may be padded to
    different lengths: ids beyond the shorter one are left out of both.
    """
    heads = list(dict.fromkeys(state.head for state in states))
    own = [state.hidden_KD for state in states if state.head is heads[0]]
    others = [state.hidden_KD for state in states[len(own) :]]
    assert len(heads) <= 2 and not any(state.head is heads[0] for state in states[len(own) :])
    # By name: weights that are cut over ranks have another shape outside the layer's call.
    sizes = [int(head.out_features) for head in heads]

    def logprobs(state: State, hidden_CD: Tensor) -> Tensor:
        with nullcontext() if state.learns else torch.no_grad():
            logits_CV = logits_of(hidden_CD, state.head.weight, state.head.bias, temperature)
            return logits_CV[:, : min(sizes)].log_softmax(-1)

    def one_chunk(*hidden: Tensor) -> Tensor:
        return value([logprobs(state, hidden_CD) for state, hidden_CD in zip(states, hidden, strict=True)])

    def every(*hidden: Tensor) -> Tensor:
        return chunked(one_chunk, 2 * len(states) * max(sizes), *hidden)

    if not others:
        return call_once(heads[0], every, *own)
    return call_once(heads[0], lambda *own: call_once(heads[1], partial(every, *own), *others), *own)


def two_heads(
    first_KD: Tensor,
    head: Linear,
    second_KD: Tensor,
    other_head: Linear,
    what: str,
    temperature: float = 1.0,
    second_learns: bool = True,
) -> Tensor:
    """Return a divergence of `DIVERGENCES` at every token, of two states and output layers.

    Without `second_learns` the second distribution is constant: a teacher's, or the policy's own.
    """
    states = [State(first_KD, head), State(second_KD, other_head, second_learns)]
    return compared(states, lambda rows: DIVERGENCES[what](*rows), temperature)
