"""Sampling where a family can share prompts: each passes once for all its responses, and rows that ended leave.

The draw is that of `models.sampling`, token by token, so that a response is the one that `sample_plain` gives, up to
the rounding of logits (tests/models/test_shared_sampling.py). Shapes: N rows that go on, V vocabulary, T new tokens,
B prompts, L tokens of all prompts in a row.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from models.attention import NO_MASK
from models.encode import Encoded, check_sampled
from models.inputs import Group, shared_inputs
from models.parts import ModelParts
from models.prefix_cache import PrefixCache
from models.response import Response
from models.sampling import chances, draw_tokens, finished_response, in_evaluation_mode
from models.settings import SamplingSettings


@dataclass
class Decoder:
    """The language model behind prompts that it has read."""

    model: ModelParts
    cache: PrefixCache
    follow_N: Tensor  # each row's position of its first token

    def logits(self, hidden_ND: Tensor) -> Tensor:
        logits_NV: Tensor = self.model.module.get_output_embeddings()(hidden_ND)
        return logits_NV

    def next_logits(self, tokens_N: Tensor, step: int, steps_left: int) -> Tensor:
        """Return the logits behind the rows' newest tokens, those of number `step`."""
        config = self.model.module.get_decoder().config
        self.cache.next_pass(steps_left, config.num_attention_heads // config.num_key_value_heads)
        output = self.model.module.get_decoder()(
            input_ids=tokens_N[None],
            position_ids=(self.follow_N + step).expand(3, 1, -1),
            attention_mask=NO_MASK.to(tokens_N.device),
            cache=self.cache,
            use_cache=False,
        )
        return self.logits(output.last_hidden_state[0])

    def keep(self, kept_N: Tensor) -> None:
        """Let all other rows go."""
        self.cache.keep(kept_N.cpu().numpy())
        self.follow_N = self.follow_N[kept_N]


def read_prompts(model: ModelParts, prompts: Sequence[Encoded], count: int) -> tuple[Decoder, Tensor]:
    """Return a decoder for `count` rows behind each prompt, and the logits of their first tokens."""
    lengths = [len(prompt.ids) for prompt in prompts]
    inputs = shared_inputs(model, [Group(prompt, []) for prompt in prompts])
    cache = PrefixCache(lengths, count)
    hidden_LD = model.module.model(**inputs.arguments, cache=cache, use_cache=False).last_hidden_state[0]
    positions = inputs.arguments["position_ids"].split(lengths, dim=-1)
    follow_B = torch.stack([part.amax() for part in positions]) + 1
    decoder = Decoder(model, cache, follow_B.repeat_interleave(count))
    last_B = torch.tensor(lengths, device=hidden_LD.device).cumsum(0) - 1
    return decoder, decoder.logits(hidden_LD[last_B]).repeat_interleave(count, dim=0)


@torch.no_grad()
def sample_shared(
    model: ModelParts,
    prompts: Sequence[Encoded],
    ks: Sequence[int],
    settings: SamplingSettings,
    seed: int,
    view: str,
) -> list[Response]:
    """Return the responses number `ks` to each prompt of one batch, prompt by prompt."""
    check_sampled(prompts)
    names = [(prompt.sample_id, k) for prompt in prompts for k in ks]
    limit, device = settings.max_new_tokens, model.module.device
    numbers_NT = chances(seed, names, limit).to(device)
    tokens_NT = torch.full((len(names), limit), model.eos_ids[0], device=device)
    logprobs_NT = torch.zeros(len(names), limit, device=device)
    ends = torch.tensor(model.eos_ids, device=device)
    rows_N = torch.arange(len(names), device=device)
    with in_evaluation_mode(model.module):
        decoder, logits_NV = read_prompts(model, prompts, len(ks))
        for step in range(limit):
            numbers_N1 = numbers_NT[rows_N, step, None]
            chosen_N1, found_N = draw_tokens(logits_NV, numbers_N1, settings, model.forbidden_ids)
            tokens_NT[rows_N, step], logprobs_NT[rows_N, step] = chosen_N1[:, 0], found_N
            going_N = torch.isin(chosen_N1[:, 0], ends, invert=True).nonzero()[:, 0]
            if step + 1 == limit or len(going_N) == 0:
                break
            if len(going_N) < len(rows_N):
                decoder.keep(going_N)
                rows_N = rows_N[going_N]
            logits_NV = decoder.next_logits(tokens_NT[rows_N, step], step, limit - step - 1)
    rows = zip(tokens_NT.tolist(), logprobs_NT.tolist(), names, strict=True)
    return [finished_response(model, ids, logprobs, *name, view) for ids, logprobs, name in rows]
