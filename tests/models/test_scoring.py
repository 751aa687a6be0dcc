"""Scores: the fast path against its plain twin and against whole logits."""

import dataclasses

import pytest
import torch

from data.mini.world import sample
from data.views import Blank, PatchBlack, View
from models.loader import VisionLanguageModel
from models.parts import Group
from models.scoring import AgainstScores
from models.settings import LoraSettings
from tests.models.ragged import assert_same_gradients, gradients, one_update, ragged_groups, text_only, two_pictures


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


def test_equal_responses_and_equal_beginnings_pass_once_without_gradient(random_tiny):
    """And have the same scores as with it, where all pass: in their places, with entropies and states."""
    prompts = random_tiny.encode([sample("train", "word", 4), sample("train", "chart", 1)])
    answers = [[[40, 41, 2], [99], [40, 41, 2], [40, 41]], [[99], [50, 51, 52, 53, 2], [99]]]
    groups, seen = [Group(prompt, own) for prompt, own in zip(prompts, answers, strict=True)], []
    layer = random_tiny.module.get_decoder().layers[0].mlp
    layer.register_forward_pre_hook(lambda _, args: seen.append(args[0].shape[:-1].numel()))
    wanted = random_tiny.score(groups, entropy=True, states=("focus", "prior"))
    with torch.no_grad():
        found = random_tiny.score(groups, entropy=True, states=("focus", "prior"))
    for name in ("logprobs_NT", "entropy_NT", "mask_NT", "focus_NT", "prior_NT"):
        torch.testing.assert_close(getattr(found, name), getattr(wanted, name), atol=1e-5, rtol=0)
    assert seen[0] - seen[1] == 3 + 1 + 2  # two responses, and the beginning of a third


def test_the_picture_matters_to_the_score(random_tiny):
    first, second = (random_tiny.encode([sample("train", "counting", i)])[0] for i in (1, 2))
    swapped = dataclasses.replace(first, vision=second.vision, images=second.images)
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


def blackened(model: VisionLanguageModel) -> list[Group]:
    """The ragged groups' responses behind corrupted pictures, of the first prompt each behind its own draw."""
    view, groups = PatchBlack(draw="per_response"), ragged_groups(model)
    samples = (sample("train", "counting", 1), text_only(), two_pictures())
    first = [
        Group(model.encoder.encode(samples[0], view, 3, draw=k), [ids]) for k, ids in enumerate(groups[0].responses)
    ]
    rest = zip(samples[1:], groups[1:], strict=True)
    return [*first, *(Group(model.encoder.encode(drawn, view, 3), group.responses) for drawn, group in rest)]


def gradients_of(model: VisionLanguageModel, *values: torch.Tensor) -> dict[str, torch.Tensor]:
    """Of a sum in which every number has a weight of its own."""
    weighted = [
        (value * torch.linspace(0.5, 1.5, value.numel()).view_as(value)).sum() * (-0.7) ** number
        for number, value in enumerate(values)
    ]
    model.module.zero_grad()
    sum(weighted).backward(retain_graph=True)
    return {name: p.grad.clone() for name, p in model.module.named_parameters() if p.grad is not None}


@pytest.mark.parametrize(
    ("family", "path", "changes"),
    [
        ("qwen3_vl", "shared", {}),
        ("qwen3_vl", "plain", {}),
        ("qwen2_5_vl", "shared", {"lora": LoraSettings(4, 8, "all")}),
        *((family, "plain", {}) for family in ("idefics3", "llava_onevision", "internvl", "gemma3", "llava")),
    ],
    ids=["shared", "plain", "adapters", "idefics3", "llava_onevision", "internvl", "gemma3", "llava"],
)
def test_both_views_in_one_pass_score_as_in_two(load_family, family, path, changes):
    model = load_family(family, **changes)
    if changes:
        one_update(model)  # adapters begin at zero
    groups, masked, options = ragged_groups(model), blackened(model), {"path": path, "temperature": 0.7}
    both = model.score(groups, against={"masked": masked}, entropy=True, **options)
    view = both.views["masked"]
    found = both.logprobs_NT, view.logprobs_NT, both.entropy_NT, view.entropy_NT
    own, other = (model.score(part, entropy=True, **options) for part in (groups, masked))
    expected = own.logprobs_NT, other.logprobs_NT, own.entropy_NT, other.entropy_NT
    for one, two in zip(found, expected, strict=True):
        torch.testing.assert_close(one, two, atol=1e-5, rtol=0)
    assert torch.equal(both.mask_NT, own.mask_NT) and view.kl_NT is view.js_NT is None
    assert (both.logprobs_NT - view.logprobs_NT).abs().max() > 1e-5
    assert_same_gradients(gradients_of(model, *expected), gradients_of(model, *found), 1e-4)
    for number in (0, 1):  # each side has gradients of its own
        assert any(value.any() for value in gradients_of(model, found[number]).values())


def test_one_view_alone_brings_nothing_of_another(random_tiny):
    scores = random_tiny.score(ragged_groups(random_tiny), entropy=True)
    assert not scores.views and scores.entropy_NT is not None
    both = random_tiny.score(ragged_groups(random_tiny), against={"masked": blackened(random_tiny)})
    assert both.entropy_NT is both.views["masked"].entropy_NT is None and set(both.views) == {"masked"}


@pytest.mark.parametrize("path", ["plain", "shared"])
def test_two_views_without_pictures_can_still_use_the_vision_tower(random_tiny, path):
    groups = [Group(random_tiny.encode([text_only()])[0], [[40, 41, 2], [50]])]
    options = {"against": {"same": groups}, "path": path}
    alone = random_tiny.score(groups, **options).views["same"]
    scores = random_tiny.score(groups, compare=["kl", "js"], with_picture=True, **options)
    accompanied = scores.views["same"]
    assert accompanied.logprobs_NT.shape == scores.mask_NT.shape
    torch.testing.assert_close(accompanied.logprobs_NT, alone.logprobs_NT, atol=1e-5, rtol=0)
    assert accompanied.kl_NT.abs().max() < 1e-6 and accompanied.js_NT.abs().max() < 1e-6
    found = gradients_of(random_tiny, accompanied.logprobs_NT)
    vision = {name for name, _ in random_tiny.module.named_parameters() if ".visual." in name}
    assert vision <= found.keys() and not any(found[name].any() for name in vision)


def seen_through(model: VisionLanguageModel, groups: list[Group], view: View) -> list[Group]:
    samples = (sample("train", "counting", 1), text_only(), two_pictures())
    prompts = [model.encoder.encode(one, view) for one in samples]
    return [Group(prompt, group.responses) for prompt, group in zip(prompts, groups, strict=True)]


@pytest.mark.parametrize("path", ["plain", "shared"])
def test_three_views_at_once_score_as_one_by_one(random_tiny, path):
    """Values and gradients; one of the views has a prompt of another length, one a draw per response."""
    groups = ragged_groups(random_tiny)
    shorter = [Group(random_tiny.encode([text_only()])[0], group.responses) for group in groups]
    views = {
        "masked": blackened(random_tiny),
        "blank": seen_through(random_tiny, groups, Blank()),
        "shorter": shorter,
    }
    options = {"path": path, "entropy": True, "compare": ["kl", "js"], "temperature": 0.7}
    together = random_tiny.score(groups, against=views, **options)
    assert list(together.views) == list(views)
    alone = {name: random_tiny.score(groups, against={name: view}, **options) for name, view in views.items()}

    def numbers(scores: dict[str, AgainstScores]) -> list[torch.Tensor]:
        return [value for name in views for value in vars(scores[name]).values()]

    expected = numbers({name: one.views[name] for name, one in alone.items()})
    assert len(expected) == 12
    for one, other in zip(numbers(together.views), expected, strict=True):
        torch.testing.assert_close(one, other, atol=1e-5, rtol=0)
    assert_same_gradients(
        gradients_of(random_tiny, *expected), gradients_of(random_tiny, *numbers(together.views)), 1e-4
    )
    assert (together.views["masked"].kl_NT - together.views["shorter"].kl_NT).abs().max() > 1e-5


def test_responses_of_a_view_that_see_equal_bytes_share_their_prompt(random_tiny):
    """Draws 0 and 2 are one picture; the responses stay in their order."""
    group = ragged_groups(random_tiny)[0]
    view, drawn = PatchBlack(draw="per_response"), sample("train", "counting", 1)
    prompts = [random_tiny.encoder.encode(drawn, view, 3, draw=k) for k in (0, 1, 0)]
    seen = [Group(prompt, [ids]) for prompt, ids in zip(prompts, group.responses, strict=True)]
    lengths = []
    random_tiny.module.model.register_forward_pre_hook(
        lambda module, args, kwargs: lengths.append(kwargs["input_ids"].shape[1]), with_kwargs=True
    )
    found = random_tiny.score([group], against={"masked": seen})
    prompt = len(group.prompt.ids)
    assert lengths.pop() == 3 * prompt + 2 * (2 + 0 + 5)  # clean, two draws; a response's last token is not needed
    for n, one in enumerate(seen):
        alone = random_tiny.score([one]).logprobs_NT[0]
        torch.testing.assert_close(found.views["masked"].logprobs_NT[n, : len(alone)], alone, atol=1e-5, rtol=0)
