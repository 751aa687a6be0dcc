"""Sampling where a family can share prompts: each passes once for all its responses, and so do equal beginnings.

A response is read by the model together with all others to its prompt that are equal to it so far; what differs is
only the chance that each draws its next token with. What ended leaves. The draw is that of `models.sampling`, token by
token, so that a response is the one that `sample_plain` gives, up to the rounding of logits
(tests/models/test_shared_sampling.py). Shapes: N responses that go on, M different ones among them, V vocabulary, T
new tokens, B bundles of responses (models/prefix_cache.py), L tokens of all prompts.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from models.attention import NO_MASK
from models.encode import Encoded, check_sampled
from models.inputs import shared_inputs
from models.parts import Group, ModelParts
from models.prefix_cache import BUNDLE, PrefixCache
from models.response import Response
from models.sampling import chances, draw_tokens, finished_response, in_evaluation_mode
from models.settings import SamplingSettings


@dataclass
class Decoder:
    """The language model behind prompts that it has read."""

    model: ModelParts
    cache: PrefixCache
    follow_M: Tensor  # position of a response's first token

    def logits(self, hidden_MD: Tensor) -> Tensor:
        logits_MV: Tensor = self.model.module.get_output_embeddings()(hidden_MD)
        return logits_MV

    def next_logits(self, before_M: Tensor, tokens_M: Tensor, step: int, steps_left: int) -> Tensor:
        """Return the logits behind tokens of number `step`, each of which follows a present row."""
        self.cache.follow(before_M.cpu().numpy())
        self.follow_M = self.follow_M[before_M]
        config = self.model.module.get_decoder().config
        self.cache.next_pass(steps_left, config.num_attention_heads // config.num_key_value_heads)
        output = self.model.module.get_decoder()(
            input_ids=tokens_M[None],
            position_ids=(self.follow_M + step).expand(3, 1, -1),
            attention_mask=NO_MASK.to(tokens_M.device),
            cache=self.cache,
            use_cache=False,
        )
        return self.logits(output.last_hidden_state[0])


def read_prompts(model: ModelParts, prompts: Sequence[Encoded], count: int) -> tuple[Decoder, Tensor]:
    """Return a decoder for `count` responses to each prompt, and the logits of their first tokens by bundle."""
    lengths = [len(prompt.ids) for prompt in prompts]
    inputs = shared_inputs(model, [Group(prompt, []) for prompt in prompts])
    cache = PrefixCache(lengths, count)
    hidden_LD = model.module.model(**inputs.arguments, cache=cache, use_cache=False).last_hidden_state[0]
    positions = inputs.arguments["position_ids"].split(lengths, dim=-1)
    follow = torch.stack([part.amax() for part in positions]) + 1
    last = torch.tensor(lengths, device=hidden_LD.device).cumsum(0) - 1
    decoder = Decoder(model, cache, follow[cache.prompt_B])
    return decoder, decoder.logits(hidden_LD[last])[cache.prompt_B]


def bundle_of_response(prompts: int, count: int) -> Tensor:
    """Return the bundle of each of `count` responses to each prompt."""
    bundle_G = torch.arange(count) // BUNDLE
    bundle_PG = torch.arange(prompts)[:, None] * (int(bundle_G[-1]) + 1) + bundle_G
    return bundle_PG.flatten()


@torch.no_grad()
def sample_shared(
    model: ModelParts,
    prompts: Sequence[Encoded],
    ks_PG: Sequence[Sequence[int]],
    settings: SamplingSettings,
    seed: int,
    view: str,
) -> list[Response]:
    """Return the responses of these numbers, as many to each prompt of one batch, prompt by prompt."""
    check_sampled(prompts)
    names = [(prompt.sample_id, k) for prompt, ks in zip(prompts, ks_PG, strict=True) for k in ks]
    limit, device = settings.max_new_tokens, model.module.device
    numbers_NT = chances(seed, names, limit).to(device)
    tokens_NT = torch.full((len(names), limit), model.eos_ids[0], device=device)
    logprobs_NT = torch.zeros(len(names), limit, device=device)
    ends = torch.tensor(model.eos_ids, device=device)
    going_N = torch.arange(len(names), device=device)
    with in_evaluation_mode(model.module):
        decoder, logits_MV = read_prompts(model, prompts, len(ks_PG[0]))
        row_N = bundle_of_response(len(prompts), len(ks_PG[0])).to(device)  # where each response stands among the M
        for step in range(limit):
            numbers_N1 = numbers_NT[going_N, step, None]
            chosen_N1, found_N = draw_tokens(logits_MV[row_N], numbers_N1, settings, model.forbidden_ids)
            tokens_NT[going_N, step], logprobs_NT[going_N, step] = chosen_N1[:, 0], found_N
            left_N = torch.isin(chosen_N1[:, 0], ends, invert=True).nonzero()[:, 0]
            if step + 1 == limit or len(left_N) == 0:
                break
            going_N, vocabulary = going_N[left_N], logits_MV.shape[-1]
            different_M, row_N = (row_N[left_N] * vocabulary + chosen_N1[left_N, 0]).unique(return_inverse=True)
            before_M, tokens_M = different_M // vocabulary, different_M % vocabulary
            logits_MV = decoder.next_logits(before_M, tokens_M, step, limit - step - 1)
    rows = zip(tokens_NT.tolist(), logprobs_NT.tolist(), names, strict=True)
    return [finished_response(model, ids, logprobs, *name, view) for ids, logprobs, name in rows]
