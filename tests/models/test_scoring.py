"""Scores: the fast path against its plain twin and against whole logits."""

import pytest
import torch

from data.mini.world import sample
from models.scoring import Group
from tests.models.ragged import assert_same_gradients, gradients, ragged_groups, text_only


def test_scores_are_the_log_softmax_of_the_models_own_logits(random_tiny):
    group = Group(random_tiny.encode([sample("train", "chart", 3)])[0], [[40, 41, 42, 2]])
    scored = random_tiny.score([group], temperature=0.7).logprobs_NT[0]
    ids = torch.cat([group.prompt.ids, torch.tensor(group.responses[0])])[None]
    kinds = (ids == random_tiny.image_token_id).long()
    logits = random_tiny.module(input_ids=ids, mm_token_type_ids=kinds, **group.prompt.vision).logits[0]
    wanted = (logits / 0.7).log_softmax(-1)[len(group.prompt.ids) - 1 : -1].gather(1, ids[0, -4:, None])[:, 0]
    torch.testing.assert_close(scored, wanted, atol=1e-5, rtol=0)


def test_a_response_does_not_see_its_siblings(random_tiny):
    prompt = random_tiny.encode([sample("train", "word", 4)])[0]
    alone = random_tiny.score([Group(prompt, [[40, 41, 2]])]).logprobs_NT[0]
    among = random_tiny.score([Group(prompt, [[99, 98, 97, 96], [40, 41, 2]])]).logprobs_NT[1, :3]
    torch.testing.assert_close(alone, among, atol=1e-5, rtol=0)


def test_the_picture_matters_to_the_score(random_tiny):
    first, second = (random_tiny.encode([sample("train", "counting", i)])[0] for i in (1, 2))
    swapped = type(first)(first.sample_id, first.ids, first.token_kinds, second.vision)
    gap = (
        random_tiny.score([Group(first, [[40, 41]])]).logprobs_NT
        - random_tiny.score([Group(swapped, [[40, 41]])]).logprobs_NT
    )
    assert gap.abs().max() > 1e-6


@pytest.mark.parametrize("path", ["plain", "shared"])
def test_micro_batches_do_not_change_scores(random_tiny, path):
    groups = ragged_groups(random_tiny)
    together = random_tiny.score(groups, path=path).logprobs_NT
    apart = [random_tiny.score([group], path=path).logprobs_NT for group in groups]
    row = 0
    for scores in apart:
        for line in scores:
            torch.testing.assert_close(together[row, : len(line)], line, atol=1e-5, rtol=0)
            row += 1


@pytest.mark.parametrize("path", ["plain", "shared"])
def test_a_batch_without_pictures_can_still_use_the_vision_tower(random_tiny, path):
    groups = [Group(random_tiny.encode([text_only()])[0], [[40, 41, 2], [50]])]
    alone = random_tiny.score(groups, path=path, entropy=True)
    expected = gradients(random_tiny, alone)
    accompanied = random_tiny.score(groups, path=path, entropy=True, with_picture=True)
    found = gradients(random_tiny, accompanied)
    assert accompanied.logprobs_NT.shape == alone.logprobs_NT.shape == accompanied.mask_NT.shape
    torch.testing.assert_close(accompanied.logprobs_NT, alone.logprobs_NT, atol=1e-5, rtol=0)
    torch.testing.assert_close(accompanied.entropy_NT, alone.entropy_NT, atol=1e-5, rtol=0)
    vision = {name for name, _ in random_tiny.module.named_parameters() if ".visual." in name}
    assert vision and not vision & expected.keys() and vision <= found.keys()
    assert all(not found[name].any() for name in vision)
    assert_same_gradients(expected, {name: found[name] for name in expected}, 1e-5)


def test_a_batch_with_a_picture_needs_no_company(random_tiny):
    groups = ragged_groups(random_tiny)
    random_tiny.score(groups, with_picture=True)
    assert random_tiny.pictures.passed == 2  # the counting picture stands in two prompts


def test_an_engine_can_stand_in_for_the_scorer(random_tiny):
    groups = ragged_groups(random_tiny)
    expected = random_tiny.score(groups, temperature=0.5).logprobs_NT
    assert {name.removeprefix("module.") for name in random_tiny.scorer.state_dict()} == set(
        random_tiny.module.state_dict()
    )
    calls, scorer = [], random_tiny.scorer
    random_tiny.scorer = lambda *groups, **options: calls.append(options) or scorer(*groups, **options)
    torch.testing.assert_close(random_tiny.score(groups, temperature=0.5).logprobs_NT, expected)
    assert calls == [{"temperature": 0.5}]
