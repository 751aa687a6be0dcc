"""The draw of tokens, and sampling with transformers' own `generate`, one row per response (`sample_plain`).

A response is fixed by (seed, sample id, k): its uniform numbers are drawn up front and turned into tokens by the
inverse of the cumulative distribution, so neither its neighbours in the batch nor the number of processes matter,
up to the rounding of the logits themselves.

Legend of shapes: N rows, T new tokens, V vocabulary, L tokens so far, B prompts.
"""

import zlib
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import numpy as np
import torch
from torch import Tensor
from transformers import GenerationConfig, LogitsProcessor, LogitsProcessorList

from models.encode import Encoded, check_sampled
from models.parts import ModelParts
from models.response import Response
from models.settings import SamplingSettings

NUCLEUS = 1024  # tokens among which a nucleus nearly always lies
BLOCK = 512  # tokens whose probabilities are added up together
ROWS = 128


class OneChoice(GenerationConfig):
    """Greedy search with several sequences per prompt, which `validate` refuses because they would all be the same;
    here they differ, as the processor leaves each row a token of its own."""

    def validate(self, **_: Any) -> None:
        assert not self.do_sample and self.num_beams in (1, None)


def chance(seed: int, sample_id: str, k: int, length: int) -> np.ndarray:
    """Return all the chance of one response: a number in [0, 1) per step."""
    entropy = np.random.SeedSequence([seed, zlib.crc32(sample_id.encode()), k])
    return np.random.Generator(np.random.Philox(entropy)).random(length)


def chances(seed: int, names: Sequence[tuple[str, int]], length: int) -> Tensor:
    """Return the chance [N, T] of the responses named by sample id and number."""
    return torch.from_numpy(np.stack([chance(seed, *name, length) for name in names]))


def restrict(probs_NV: Tensor, top_p: float, top_k: int) -> Tensor:
    """Zero what lies outside the `top_k` likeliest tokens, then outside their smallest set that holds `top_p`.

    Equally likely tokens at the border stay together, so that no order of sorting decides.
    """
    if top_k:
        border_N1 = probs_NV.topk(min(top_k, probs_NV.shape[-1])).values[:, -1:]
        probs_NV = probs_NV.masked_fill(probs_NV < border_N1, 0)
    if top_p < 1:
        border_N1 = nucleus_border(probs_NV, top_p)
        probs_NV = probs_NV.masked_fill(probs_NV < border_N1, 0)
    return probs_NV


def nucleus_border(probs_NV: Tensor, top_p: float) -> Tensor:
    """Return the smallest probability [N, 1] that belongs to the nucleus of each row.

    Only rows whose likeliest `NUCLEUS` tokens do not reach `top_p`, which are rare and flat, are sorted as a whole.
    """
    total_N1 = probs_NV.sum(-1, keepdim=True)

    def border(sorted_NV: Tensor, wanted_N1: Tensor) -> Tensor:
        inside_NV = sorted_NV.cumsum(-1) - sorted_NV < wanted_N1
        return sorted_NV.masked_fill(~inside_NV, torch.inf).amin(-1, keepdim=True)

    if probs_NV.shape[-1] <= NUCLEUS:
        return border(probs_NV.sort(descending=True).values, top_p * total_N1)
    likeliest_NV = probs_NV.topk(NUCLEUS).values
    border_N1 = border(likeliest_NV, top_p * total_N1)
    flat_N = likeliest_NV.sum(-1) < top_p * total_N1[:, 0]
    if flat_N.any():
        border_N1[flat_N] = border(probs_NV[flat_N].sort(descending=True).values, top_p * total_N1[flat_N])
    return border_N1


def pick(probs_NV: Tensor, numbers_N1: Tensor) -> Tensor:
    """Return the token [N, 1] in whose share of the cumulative distribution each row's number falls.

    Sums are in double precision: single would lose the tail of a large vocabulary. First the block of tokens is found,
    then the token in it, so that the doubles of a whole vocabulary are never written.
    """
    padded_NV = torch.nn.functional.pad(probs_NV, (0, -probs_NV.shape[-1] % BLOCK))
    blocks_NBC = padded_NV.unflatten(-1, (-1, BLOCK))
    reached_NB = blocks_NBC.sum(-1, dtype=torch.float64).cumsum(-1)
    # A number of almost 1 may not round up to the total, or a token of probability 0 would be picked.
    wanted_N1 = numbers_N1 * (1 - 2.0**-40) * reached_NB[:, -1:]
    block_N1 = torch.searchsorted(reached_NB, wanted_N1, right=True)
    before_N1 = torch.where(block_N1 > 0, reached_NB.gather(-1, (block_N1 - 1).clamp(min=0)), 0.0)
    own_NC = blocks_NBC.gather(1, block_N1[..., None].expand(-1, -1, BLOCK))[:, 0].cumsum(-1, dtype=torch.float64)
    inside_N1 = torch.minimum(wanted_N1 - before_N1, own_NC[:, -1:] * (1 - 2.0**-40))
    return block_N1 * BLOCK + torch.searchsorted(own_NC, inside_N1, right=True)


def draw_tokens(
    logits_NV: Tensor, numbers_N1: Tensor, settings: SamplingSettings, forbidden_ids: Sequence[int]
) -> tuple[Tensor, Tensor]:
    """`draw_rows` of some rows at a time: several tables of a whole vocabulary live during a draw."""
    pieces = zip(logits_NV.split(ROWS), numbers_N1.split(ROWS), strict=True)
    drawn = [draw_rows(logits, numbers, settings, forbidden_ids) for logits, numbers in pieces]
    return torch.cat([chosen_N1 for chosen_N1, _ in drawn]), torch.cat([logprobs_N for _, logprobs_N in drawn])


def draw_rows(
    logits_NV: Tensor, numbers_N1: Tensor, settings: SamplingSettings, forbidden_ids: Sequence[int]
) -> tuple[Tensor, Tensor]:
    """Return each row's next token [N, 1] and its log-prob [N].

    The token is the likeliest one or the one in whose share of the cumulative distribution the row's number falls.
    The log-prob is over the full vocabulary at the temperature, before anything is cut off or forbidden: the trainer
    scores the same way.
    """
    logprobs_NV = (logits_NV.float() / (settings.temperature or 1.0)).log_softmax(-1)
    forbidden = torch.tensor(forbidden_ids, dtype=torch.long, device=logits_NV.device)
    allowed_NV = logprobs_NV.index_fill(-1, forbidden, -torch.inf)
    if settings.temperature == 0:
        chosen_N1 = allowed_NV.argmax(-1, keepdim=True)
    else:
        probs_NV = restrict(allowed_NV.exp(), settings.top_p, settings.top_k)
        chosen_N1 = pick(probs_NV, numbers_N1)
    return chosen_N1, logprobs_NV.gather(-1, chosen_N1)[:, 0]


class TokenDraw(LogitsProcessor):
    """Draws each next token and keeps its log-prob; `generate` then has only that token to choose from."""

    def __init__(self, numbers_NT: Tensor, settings: SamplingSettings, forbidden_ids: Sequence[int]) -> None:
        self.numbers_NT = numbers_NT
        self.settings = settings
        self.forbidden_ids = forbidden_ids
        self.columns: list[Tensor] = []

    def __call__(self, input_ids: Tensor, scores: Tensor) -> Tensor:
        numbers_N1 = self.numbers_NT[:, len(self.columns), None]
        chosen_N1, logprobs_N = draw_tokens(scores, numbers_N1, self.settings, self.forbidden_ids)
        self.columns.append(logprobs_N)
        return torch.full_like(scores, -torch.inf).scatter_(-1, chosen_N1, 0.0)


def left_padded(prompts: Sequence[Encoded], pad_id: int, kinds_name: str | None) -> dict[str, Tensor]:
    """Return prompts of different lengths as one batch that ends flush on the right."""
    length = max(len(prompt.ids) for prompt in prompts)
    ids_BL = torch.full((len(prompts), length), pad_id, dtype=torch.long)
    mask_BL, kinds_BL = torch.zeros_like(ids_BL), torch.zeros_like(ids_BL)
    for b, prompt in enumerate(prompts):
        start = length - len(prompt.ids)
        ids_BL[b, start:], mask_BL[b, start:], kinds_BL[b, start:] = prompt.ids, 1, prompt.token_kinds
    kinds = {kinds_name: kinds_BL} if kinds_name else {}
    return {"input_ids": ids_BL, "attention_mask": mask_BL, **kinds}


@contextmanager
def in_evaluation_mode(module: Any) -> Iterator[None]:
    """Switch off what only training does."""
    before = module.training
    module.eval()
    try:
        yield
    finally:
        module.train(before)


@contextmanager
def without_generation_config(module: Any) -> Iterator[None]:
    """Take the model's own generation config away: `generate` would fill gaps in ours from it."""
    before, module.generation_config = module.generation_config, GenerationConfig()
    try:
        yield
    finally:
        module.generation_config = before


def finished_response(
    model: ModelParts, ids: Sequence[int], logprobs: Sequence[float], sample_id: str, k: int, view: str
) -> Response:
    """Cut after the first end token; say whether there was one."""
    end = next((i + 1 for i, token in enumerate(ids) if token in model.eos_ids), len(ids))
    text = model.tokenizer.decode(ids[:end], skip_special_tokens=True)
    reason = "stop" if ids[end - 1] in model.eos_ids else "length"
    return Response(sample_id, k, view, text, list(ids[:end]), list(logprobs[:end]), reason)


@torch.no_grad()
def sample_plain(
    model: ModelParts,
    prompts: Sequence[Encoded],
    ks_PG: Sequence[Sequence[int]],
    settings: SamplingSettings,
    seed: int,
    view: str,
) -> list[Response]:
    """Return the responses of these numbers, as many to each prompt of one batch, prompt by prompt."""
    check_sampled(prompts)
    device = model.module.device
    tokens = left_padded(prompts, model.pad_id, model.token_kinds_name)
    inputs = {name: value.to(device) for name, value in tokens.items()} | model.picture_inputs(prompts)
    names = [(prompt.sample_id, k) for prompt, ks in zip(prompts, ks_PG, strict=True) for k in ks]
    draw = TokenDraw(chances(seed, names, settings.max_new_tokens).to(device), settings, model.forbidden_ids)
    config = OneChoice(
        do_sample=False,
        max_new_tokens=settings.max_new_tokens,
        num_return_sequences=len(ks_PG[0]),
        eos_token_id=model.eos_ids,
        pad_token_id=model.pad_id,
        use_cache=True,
    )
    with in_evaluation_mode(model.module), without_generation_config(model.module):
        ids_NL = model.module.generate(
            **inputs, generation_config=config, logits_processor=LogitsProcessorList([draw])
        )
    new_NT = ids_NL[:, inputs["input_ids"].shape[1] :].tolist()
    logprobs_NT = torch.stack(draw.columns, dim=1).tolist()
    return [
        finished_response(model, ids, logprobs, *name, view)
        for ids, logprobs, name in zip(new_NT, logprobs_NT, names, strict=True)
    ]
