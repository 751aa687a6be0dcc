"""Sampling with one prompt for a group gives what one row per response gives: tokens, log-probs, reasons to end."""

import dataclasses
from collections.abc import Sequence

import numpy as np
import pytest
import torch
from torch.nn.functional import scaled_dot_product_attention

from models import prefix_cache
from models.encode import Encoded
from models.loader import VisionLanguageModel
from models.prefix_cache import PrefixCache
from models.response import Response
from models.sampling import sample_plain
from models.settings import SamplingSettings
from models.shared_sampling import sample_shared
from tests.models.families import every_sharing_family
from tests.models.ragged import ragged_groups

SETTINGS = SamplingSettings(max_new_tokens=24)


def ragged_prompts(model: VisionLanguageModel) -> list[Encoded]:
    """Prompts of different lengths: with one picture, without, with two."""
    return [group.prompt for group in ragged_groups(model)]


def often_ending(model: VisionLanguageModel) -> VisionLanguageModel:
    """A random model never ends; with every fifteenth token as an end most responses end and some are cut."""
    model.eos_ids = [token for token in range(2, len(model.tokenizer), 15) if token not in model.forbidden_ids]
    return model


def assert_same(found: Sequence[Response], wanted: Sequence[Response]) -> None:
    assert [r.token_ids for r in found] == [r.token_ids for r in wanted]
    for one, other in zip(found, wanted, strict=True):
        assert one.logprobs == pytest.approx(other.logprobs, abs=1e-5)
        assert dataclasses.replace(one, logprobs=[]) == dataclasses.replace(other, logprobs=[])


@every_sharing_family
@pytest.mark.parametrize("ks", [[0], [5], range(8), [1, 2, 3, 7, 8, 9, 10, 11, 30]])
def test_shared_equals_plain(load_family, family, ks):
    """One response to a prompt, a bundle of them, more than one bundle; most end early, one after the other."""
    model = often_ending(load_family(family))
    prompts = ragged_prompts(model)
    wanted = sample_plain(model, prompts, [ks] * len(prompts), SETTINGS, 3, "clean")
    assert_same(sample_shared(model, prompts, [ks] * len(prompts), SETTINGS, 3, "clean"), wanted)
    if len(ks) > 1:
        assert {response.finish_reason for response in wanted} == {"stop", "length"}
        assert len({len(response.token_ids) for response in wanted}) > 6


@pytest.mark.parametrize(
    "change",
    [
        {"temperature": 0.0},
        {"temperature": 0.6, "top_p": 0.8, "top_k": 30},
        {"max_new_tokens": 1},
        {"max_new_tokens": 50},
    ],
)
def test_shared_equals_plain_under_any_settings(random_tiny, change):
    model, settings = often_ending(random_tiny), dataclasses.replace(SETTINGS, **change)
    prompts = ragged_prompts(model)
    found, wanted = (
        sample(model, prompts, [range(3)] * len(prompts), settings, 7, "blank")
        for sample in (sample_shared, sample_plain)
    )
    assert_same(found, wanted)


def test_prompts_without_any_picture_are_sampled(random_tiny):
    prompts = ragged_prompts(random_tiny)[1:2]
    found, wanted = (
        sample(random_tiny, prompts, [range(2)] * len(prompts), SETTINGS, 1, "none")
        for sample in (sample_shared, sample_plain)
    )
    assert_same(found, wanted)


def test_prompts_and_equal_beginnings_pass_once_and_what_ended_no_more(random_tiny):
    """The language model sees each prompt's tokens once, then each beginning of responses to it that go on."""
    model, seen = often_ending(random_tiny), []
    first_layer = model.module.get_decoder().layers[0].mlp
    first_layer.register_forward_pre_hook(lambda _, args: seen.append(args[0].shape[:-1].numel()))
    prompts, settings = ragged_prompts(model), dataclasses.replace(SETTINGS, temperature=0.2)
    responses = sample_shared(model, prompts, [range(8)] * len(prompts), settings, 3, "clean")
    beginnings = {(r.sample_id, *r.token_ids[:n]) for r in responses for n in range(1, len(r.token_ids))}
    assert seen[0] == sum(len(prompt.ids) for prompt in prompts)
    assert sum(seen[1:]) == len(beginnings) < sum(len(response.token_ids) - 1 for response in responses)


def test_the_loader_takes_the_shared_path_where_the_family_is_scored_so(load_family):
    model, plain = load_family("qwen3_vl"), load_family("qwen3_vl", scoring="plain")
    prompts = ragged_prompts(model)
    passes: dict[str, list[int]] = {"shared": [], "plain": []}
    for name, one in (("shared", model), ("plain", plain)):
        layer = one.module.get_decoder().layers[0].mlp
        layer.register_forward_pre_hook(lambda _, args, name=name: passes[name].append(args[0].shape[:-1].numel()))
    assert_same(model.sample(prompts, 8, SETTINGS, seed=2), plain.sample(prompts, 8, SETTINGS, seed=2))
    assert 8 * passes["shared"][0] < passes["plain"][0]  # the plain way pads and repeats


def test_a_cache_whose_rows_part_and_leave_attends_as_each_row_alone(monkeypatch):
    """Numbers at random; two bundles for each of two prompts, with two heads of queries per head of keys."""
    monkeypatch.setattr(prefix_cache, "BUNDLE", 3)
    monkeypatch.setattr(prefix_cache, "ROOM", 2)
    draw = torch.Generator().manual_seed(0)
    lengths = [4, 2]
    prompts = torch.randn(2, 1, 2, sum(lengths), 8, generator=draw)  # keys and values
    cache = PrefixCache(lengths, 5)
    cache.begin(0, *prompts)
    seen = [cut[:, 0] for cut in prompts.split(lengths, dim=3) for _ in range(2)]
    # What each row of a step goes on behind: rows part, stand in order, leave, and take their bundle with them.
    steps = [[0, 1, 2, 3], [0, 0, 1, 1, 1, 2, 3], [0, 2, 2, 4, 5, 6], [0, 3, 4, 5], [2, 3, 3], [1, 2], [1, 1, 1], [0]]
    for step, before in enumerate(steps):
        cache.follow(np.array(before))
        query_1HND = torch.randn(1, 4, len(before), 8, generator=draw)
        new_21END = torch.randn(2, 1, 2, len(before), 8, generator=draw)
        cache.next_pass(len(steps) - step, repeats=2)
        found_NHD = cache.attend(0, query_1HND, *new_21END, scale=0.3)[0]
        seen = [torch.cat([seen[row], new_21END[:, 0, :, n : n + 1]], dim=2) for n, row in enumerate(before)]
        for n, (key_ECD, value_ECD) in enumerate(seen):
            query_H1D = query_1HND[0, :, n : n + 1]
            alone_H1D = scaled_dot_product_attention(query_H1D, key_ECD, value_ECD, scale=0.3, enable_gqa=True)
            torch.testing.assert_close(found_NHD[n], alone_H1D[:, 0], atol=1e-6, rtol=1e-5)
    assert len(cache.keys[0]) == 1  # the other bundles went with their rows
