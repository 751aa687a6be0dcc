"""Dependency scores: hand-worked numbers, and batches against one response at a time."""

from math import log

import pytest
import torch

from common import UserError
from data import Sample
from data.mini.world import sample
from data.views import Blank, PatchBlack
from models.dependency import (
    DEPENDENT_K3,
    entropy_change,
    probability_drop,
    response_scores,
    score_two_views,
    summarise,
)
from models.kl import k1, k3
from models.parts import Group
from tests.models.ragged import text_only, two_pictures

MASK = PatchBlack()
BLANK = Blank()


def responses() -> tuple[list[Sample], list[list[int]]]:
    """Seven of four samples, mixed; one has no picture, one has two."""
    chart, count = sample("train", "chart", 3), sample("train", "counting", 1)
    rows = [
        (chart, [40, 41, 2]),
        (count, [50]),
        (chart, [60, 61, 62, 63, 64, 2]),
        (text_only(), [70, 71]),
        (two_pictures(), [80, 81, 82, 2]),
        (chart, [90, 2]),
        (count, [40, 41, 42]),
    ]
    return [s for s, _ in rows], [ids for _, ids in rows]


def test_scores_of_a_token_by_hand():
    real, corrupted = torch.tensor([[log(0.5), log(0.2)]]), torch.tensor([[log(0.25), log(0.4)]])
    torch.testing.assert_close(k1(real, corrupted), torch.tensor([[log(2), -log(2)]]))
    torch.testing.assert_close(k3(real, corrupted), torch.tensor([[0.5 + log(2) - 1, 2 - log(2) - 1]]))
    torch.testing.assert_close(probability_drop(real, corrupted), torch.tensor([[0.25, -0.2]]))
    torch.testing.assert_close(entropy_change(torch.tensor([0.5]), torch.tensor([2.0])), torch.tensor([1.5]))
    assert k3(torch.tensor(-9.0), torch.tensor(0.0)) == 10.0  # exp(9) - 10 is cut
    assert k3(torch.tensor(0.0), torch.tensor(-5.0)) == torch.tensor(-5.0).exp() + 4


def test_k1_and_k3_average_to_the_kl_over_the_vocabulary():
    torch.manual_seed(0)
    first_V, second_V = (0.5 * torch.randn(2, 50)).log_softmax(-1)  # k3's bound cuts nothing
    whole = (first_V.exp() * (first_V - second_V)).sum()
    for score in (k1, k3):
        torch.testing.assert_close((first_V.exp() * score(first_V, second_V)).sum(), whole, atol=1e-5, rtol=0)


@pytest.mark.parametrize("family", ["qwen3_vl", "idefics3"])
@pytest.mark.parametrize("batch", [1, 2, 64])
def test_batches_score_as_one_response_at_a_time_does_and_keep_the_order(load_family, family, batch):
    model = load_family(family)
    samples, token_ids = responses()
    found = score_two_views(model, samples, token_ids, MASK, seed=5, batch=batch)
    for one, drawn, ids in zip(found, samples, token_ids, strict=True):
        assert (one.sample_id, one.token_ids) == (drawn.id, tuple(ids))
        for values_T, view in ((one.logprobs_T, None), (one.masked_logprobs_T, MASK)):
            alone = model.score([Group(model.encoder.encode(drawn, view, 5), [ids])]).logprobs_NT[0]
            torch.testing.assert_close(values_T, alone.detach(), atol=1e-5, rtol=0)
    assert found[3].token_scores()["k1"].abs().max() < 1e-5  # no picture, no dependency
    assert all(one.token_scores()["k1"].abs().max() > 1e-5 for one in found if one.sample_id != "text")
    assert set(found[0].token_scores()) == {"k1", "k3", "probability_drop"}


def test_a_prompt_stands_once_per_view_and_both_views_pass_together(random_tiny):
    calls, scorer, counts = [], random_tiny.scorer, []
    random_tiny.scorer = lambda own, against, **options: (
        calls.append([*own, *against["masked"]]) or scorer(own, against=against, **options)
    )
    score_two_views(random_tiny, *responses(), MASK, progress=lambda done, note: counts.append(done))
    assert [[len(group.responses) for group in call] for call in calls] == [[3, 2, 1, 1] * 2]
    score_two_views(random_tiny, *responses(), MASK, batch=2, progress=lambda done, note: counts.append(done))
    sizes = [sum(len(group.responses) for group in call) for call in calls[1:]]
    assert max(sizes) == 4 and sum(sizes) == 2 * 7 and counts == [7, 2, 3, 5, 7]


def test_a_draw_per_response_is_that_of_training(random_tiny):
    drawn, ids = sample("train", "counting", 1), [40, 41]
    view = PatchBlack(draw="per_response")
    found = score_two_views(random_tiny, [drawn] * 3, [ids, [], ids], view, 4)
    for number in (0, 2):
        prompt = random_tiny.encoder.encode(drawn, view, 4, draw=number)
        expected = random_tiny.score([Group(prompt, [ids])]).logprobs_NT[0]
        torch.testing.assert_close(found[number].masked_logprobs_T, expected.detach(), atol=1e-5, rtol=0)
    assert not torch.allclose(found[0].masked_logprobs_T, found[2].masked_logprobs_T, atol=1e-6)


@pytest.mark.parametrize("view", [BLANK, PatchBlack(draw="per_response")])
def test_entropies_and_full_kl_are_those_of_the_model_at_the_temperature(random_tiny, view):
    samples, token_ids = responses()
    options = {"temperature": 0.5, "entropy": True}
    found = score_two_views(random_tiny, samples, token_ids, view, 2, kl=True, **options)
    without = score_two_views(random_tiny, samples, token_ids, view, 2, **options)
    assert without[0].kl_T is None and "kl" not in without[0].token_scores()
    clean = Group(random_tiny.encoder.encode(samples[0]), [token_ids[0]])
    masked = Group(random_tiny.encoder.encode(samples[0], view, 2), [token_ids[0]])
    own = random_tiny.score([clean], against={"masked": [masked]}, compare=["kl"], **options)
    other = random_tiny.score([masked], **options)
    close = {"atol": 1e-5, "rtol": 0}
    for scored in (found[0], without[0]):
        torch.testing.assert_close(scored.logprobs_T, own.logprobs_NT[0].detach(), **close)
        torch.testing.assert_close(scored.masked_logprobs_T, other.logprobs_NT[0].detach(), **close)
        change_T = (other.entropy_NT - own.entropy_NT)[0].detach()
        torch.testing.assert_close(scored.token_scores()["entropy_change"], change_T, **close)
    torch.testing.assert_close(found[0].token_scores()["kl"], own.views["masked"].kl_NT[0].detach(), **close)
    assert own.views["masked"].kl_NT.min() > 0 and found[3].kl_T.abs().max() < 1e-6


def test_responses_without_tokens_have_empty_scores(random_tiny):
    samples, token_ids = responses()
    token_ids[1] = token_ids[4] = []
    found = score_two_views(random_tiny, samples, token_ids, MASK, entropy=True, kl=True)
    assert [len(one.logprobs_T) for one in found] == [len(ids) for ids in token_ids]
    assert {name: len(x) for name, x in found[4].token_scores().items()} == dict.fromkeys(found[0].token_scores(), 0)


def test_what_cannot_be_scored_is_refused_by_name(random_tiny):
    first, second = sample("train", "counting", 1), sample("train", "counting", 2)
    with pytest.raises(UserError, match="train/counting/1 contains an image token"):
        score_two_views(random_tiny, [first], [[40, random_tiny.image_token_id]], MASK)
    twin = Sample(first.id, "mini", second.question, second.images, second.answer)
    with pytest.raises(UserError, match="two different samples have the id mini/2/train/counting/1"):
        score_two_views(random_tiny, [first, twin], [[40], [41]], MASK)
    with pytest.raises(UserError, match="at least 1"):
        score_two_views(random_tiny, [first], [[40]], MASK, batch=0)
    assert score_two_views(random_tiny, [], [], MASK) == []


def test_summaries_by_hand():
    score_NT = torch.zeros(3, 31)
    score_NT[0, :4] = torch.tensor([1.0, -2.0, 4.0, 9.0])
    mask_NT = torch.zeros(3, 31)
    mask_NT[0, :3], mask_NT[1] = 1, 1  # the 9 is padding; the third response has no token
    score_NT[1, :5] = torch.tensor([5.0, 4.0, 3.0, 2.0, 1.0])
    found = summarise(score_NT, mask_NT, threshold=1.0)
    torch.testing.assert_close(found.mean_N, torch.tensor([1.0, 15 / 31, torch.nan]), equal_nan=True)
    torch.testing.assert_close(found.share_above_N, torch.tensor([1 / 3, 4 / 31, torch.nan]), equal_nan=True)
    torch.testing.assert_close(found.top_decile_N, torch.tensor([4.0, 14 / 4, torch.nan]), equal_nan=True)
    thirty = summarise(score_NT[1:2, :30], torch.ones(1, 30), threshold=0.0)
    assert thirty.top_decile_N == 4  # a tenth of 30 tokens is 3


def test_what_the_dashboard_shows_of_a_response_by_hand():
    """Probabilities halved and doubled without the picture, one hardly changed, one of padding."""
    logp_NT = torch.tensor([[log(0.5), log(0.2), log(0.4), log(0.9)]])
    masked_NT = torch.tensor([[log(0.25), log(0.4), log(0.41), log(0.1)]])
    found = response_scores(logp_NT, masked_NT, torch.tensor([[1.0, 1.0, 1.0, 0.0]]))
    halved, doubled, hardly = log(2) - 0.5, 1 - log(2), 0.41 / 0.4 - 1 - log(0.41 / 0.4)
    assert hardly < DEPENDENT_K3 < halved < doubled
    assert {name: value.item() for name, value in found.items()} == pytest.approx(
        {
            "k3_mean": (halved + doubled + hardly) / 3,
            "share_above": 2 / 3,
            "top_decile": doubled,
            "k1_mean": (log(2) - log(2) - log(0.41 / 0.4)) / 3,
        },
        abs=1e-6,
    )
