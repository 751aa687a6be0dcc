"""Scores: the fast path against its plain twin and against whole logits."""

import pytest
import torch

from data import Sample
from data.mini.world import sample
from models.scoring import Group, token_statistics

RAGGED = [[[40, 41, 2], [50], [60, 61, 62, 63, 64, 2]], [[70, 71]], [[80, 81, 82, 2], [90, 2]]]


def text_only() -> Sample:
    return Sample("text", "test", "What is 2 + 2 ?", (), "4")


def ragged_groups(model) -> list[Group]:
    """Groups of three, one and two responses; one prompt has no picture, one has two."""
    pictured = sample("train", "counting", 1)
    two = Sample(
        "two", "test", "<image><image>Which is it ?", (*pictured.images, *sample("train", "logic", 2).images), "A"
    )
    return [Group(model.encode([s])[0], r) for s, r in zip((pictured, text_only(), two), RAGGED, strict=True)]


def relative_gap(first: torch.Tensor, second: torch.Tensor) -> float:
    return ((first - second).norm() / first.norm().clamp_min(1e-12)).item()


def gradients(model, scores) -> dict[str, torch.Tensor]:
    weights = torch.linspace(0.5, 1.5, scores.logprobs_NT.numel()).view_as(scores.logprobs_NT)
    model.module.zero_grad()
    (scores.logprobs_NT * scores.mask_NT * weights).sum().backward()
    return {name: p.grad.clone() for name, p in model.module.named_parameters() if p.grad is not None}


def test_shared_prefix_equals_one_row_per_response(random_tiny):
    groups = ragged_groups(random_tiny)
    plain, shared = (random_tiny.score(groups, path=path, entropy=True) for path in ("plain", "shared"))
    assert plain.mask_NT.sum() == sum(len(ids) for group in RAGGED for ids in group)
    torch.testing.assert_close(shared.logprobs_NT, plain.logprobs_NT, atol=1e-5, rtol=0)
    torch.testing.assert_close(shared.entropy_NT, plain.entropy_NT, atol=1e-5, rtol=0)
    plain_gradients, shared_gradients = gradients(random_tiny, plain), gradients(random_tiny, shared)
    assert plain_gradients.keys() == shared_gradients.keys()
    for name, value in plain_gradients.items():
        assert relative_gap(value, shared_gradients[name]) < 1e-4, name


def test_scores_are_the_log_softmax_of_the_models_own_logits(random_tiny):
    group = Group(random_tiny.encode([sample("train", "chart", 3)])[0], [[40, 41, 42, 2]])
    scored = random_tiny.score([group], temperature=0.7).logprobs_NT[0]
    ids = torch.cat([group.prompt.ids, torch.tensor(group.responses[0])])[None]
    kinds = (ids == random_tiny.image_token_id).long()
    logits = random_tiny.module(input_ids=ids, mm_token_type_ids=kinds, **group.prompt.vision).logits[0]
    wanted = (logits / 0.7).log_softmax(-1)[len(group.prompt.ids) - 1 : -1].gather(1, ids[0, -4:, None])[:, 0]
    torch.testing.assert_close(scored, wanted, atol=1e-5, rtol=0)


def test_a_chunked_head_gives_the_same_values_and_gradients(monkeypatch):
    import models.scoring as scoring

    torch.manual_seed(0)
    head = torch.nn.Linear(8, 30, bias=False)
    targets = torch.randint(0, 30, (23,))
    results = []
    for chunk in (2048, 5):
        monkeypatch.setattr(scoring, "CHUNK_TOKENS", chunk)
        hidden = torch.randn(23, 8, generator=torch.Generator().manual_seed(1), requires_grad=True)
        chosen, entropy = token_statistics(hidden, head, targets, 1.0, True)
        (chosen.sum() + entropy.sum()).backward()
        results.append((chosen, entropy, hidden.grad))
    for whole, chunked in zip(*results, strict=True):
        torch.testing.assert_close(whole, chunked)


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
