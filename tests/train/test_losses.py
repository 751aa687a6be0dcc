"""Every loss term against its formula, on hand-worked numbers."""

import math
from dataclasses import replace

import pytest
import torch

from models.kl import k1, k3
from train.losses.averages import spread, token_shares, weighted_sum
from train.losses.importance import importance_weights
from train.losses.likelihood import correct_nll, surprisal
from train.losses.perception import gamma_at, perception_k3, perception_kl
from train.losses.ppo import ppo_loss
from train.settings import PerceptionKlSettings, PpoSettings

GSPO = PpoSettings(clip_low=0.0003, clip_high=0.0004, dual_clip=0.0, ratio="sequence")


def ppo(ratio: float, advantage: float, **options) -> float:
    """The loss of one token with PAPO's clips (the defaults)."""
    logp, one = torch.tensor([[math.log(ratio)]]), torch.ones(1, 1)
    return ppo_loss(logp, torch.zeros(1, 1), advantage * one, one, PpoSettings(**options))[0].item()


@pytest.mark.parametrize(
    ("ratio", "advantage", "loss"),
    [
        (1.0, 2.0, -2.0),
        (1.5, 2.0, -2.6),  # clipped above at 1.3
        (0.5, 2.0, -1.0),  # a small ratio is not clipped for a good response
        (0.5, -2.0, 1.6),  # clipped below at 0.8
        (1.5, -2.0, 3.0),
        (5.0, -2.0, 6.0),  # dual clip: at most 3 x |A|
    ],
)
def test_ppo_clips_as_worked_by_hand(ratio, advantage, loss):
    assert ppo(ratio, advantage) == pytest.approx(loss, rel=1e-6)


def test_dual_clip_can_be_switched_off():
    assert ppo(5.0, -2.0, dual_clip=0.0) == pytest.approx(10.0, rel=1e-6)


def test_the_log_ratio_is_clamped():
    assert ppo(math.e**30, -1.0, dual_clip=0.0) == pytest.approx(math.e**20, rel=1e-5)


def test_ppo_says_where_it_clipped():
    logp = torch.log(torch.tensor([[1.5, 0.5, 1.0, 0.5, 4.0]]))
    advantage, ones = torch.tensor([[1.0, -1.0, 1.0, 1.0, -1.0]]), torch.ones(1, 5)
    _, where = ppo_loss(logp, torch.zeros(1, 5), advantage, ones, PpoSettings())
    assert where["actor/pg_clipfrac_higher"].tolist() == [[1.0, 0.0, 0.0, 0.0, 0.0]]
    assert where["actor/pg_clipfrac_lower"].tolist() == [[0.0, 1.0, 0.0, 0.0, 0.0]]
    assert where["actor/pg_clipfrac_dual"].tolist() == [[0.0, 0.0, 0.0, 0.0, 1.0]]


def test_no_gradient_through_a_clipped_ratio():
    logp = torch.log(torch.tensor([[1.5, 1.1, 4.0]])).requires_grad_()
    advantage = torch.tensor([[1.0, 1.0, -1.0]])
    ppo_loss(logp, torch.zeros(1, 3), advantage, torch.ones(1, 3), PpoSettings())[0].sum().backward()
    assert logp.grad[0, 0] == 0 and logp.grad[0, 1] == pytest.approx(-1.1, rel=1e-6) and logp.grad[0, 2] == 0


def gspo_gradient(ratio: str, weights_NT: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """Loss and gradient of one response of three tokens (and one of padding) that no clip touches."""
    d = torch.tensor([[0.3, -0.2, 0.2, 9.0]]).requires_grad_()
    mask = torch.tensor([[1.0, 1.0, 1.0, 0.0]])
    settings = PpoSettings(clip_low=1.0, clip_high=1.0, dual_clip=0.0, ratio=ratio)
    loss, _ = ppo_loss(d, torch.zeros(1, 4), torch.full((1, 4), 2.0), mask, settings)
    (loss * weights_NT * mask).sum().backward()
    return loss.detach(), d.grad


def test_the_sequence_ratio_is_the_geometric_mean_of_its_tokens():
    loss, gradient = gspo_gradient("sequence", torch.ones(1, 4))
    assert loss[0, :3].tolist() == pytest.approx([-2 * math.exp(0.1)] * 3, rel=1e-6)  # mean of .3, -.2, .2
    assert gradient[0].tolist() == pytest.approx([-2 * math.exp(0.1)] * 3 + [0], rel=1e-6)  # 3 losses x s / 3 each


def test_the_token_form_of_the_sequence_ratio_differs_only_under_weights():
    ones, weights = torch.ones(1, 4), torch.tensor([[1.0, 0.0, 0.5, 1.0]])
    for loss, other in zip(gspo_gradient("sequence", ones), gspo_gradient("sequence_token", ones), strict=True):
        torch.testing.assert_close(loss[:, :3], other[:, :3])
    s = math.exp(0.1)
    assert gspo_gradient("sequence_token", weights)[1][0, :3].tolist() == pytest.approx([-2 * s, 0, -s], abs=1e-6)
    assert gspo_gradient("sequence", weights)[1][0, :3].tolist() == pytest.approx([-s] * 3, rel=1e-6)  # mean weight


@pytest.mark.parametrize("kind", ["sequence", "sequence_token"])
def test_a_token_far_off_is_cut_before_the_mean_of_its_response(kind):
    logp = torch.tensor([[-1.0, -27.0]], requires_grad=True)
    old = torch.tensor([[-1.0, -1.0]])
    loss, _ = ppo_loss(logp, old, torch.ones(1, 2), torch.ones(1, 2), replace(GSPO, ratio=kind))
    assert loss[0].tolist() == pytest.approx([-math.exp(-10)] * 2, rel=1e-6)  # mean of 0 and -20, not of 0 and -26
    loss.sum().backward()
    assert logp.grad[0].tolist() == pytest.approx([-math.exp(-10), 0.0], rel=1e-6)


def test_gspo_clips_whole_responses():
    logp = torch.tensor([[0.01, -0.002], [0.0005, 0.0001]])
    _, where = ppo_loss(logp, torch.zeros(2, 2), torch.ones(2, 2), torch.ones(2, 2), GSPO)
    assert where["actor/pg_clipfrac_higher"].tolist() == [[1.0, 1.0], [0.0, 0.0]]  # means 0.004 and 0.0003


def test_importance_weights_by_hand_capped_and_detached():
    old = torch.log(torch.tensor([[0.5, 0.2, 0.9]])).requires_grad_()
    weights = importance_weights(old, torch.log(torch.tensor([[0.4, 0.4, 0.1]])), cap=2.0)
    assert weights[0].tolist() == pytest.approx([1.25, 0.5, 2.0], rel=1e-6) and not weights.requires_grad


def test_k3_is_the_estimator_on_q_over_p():
    p, q = 0.5, 0.2
    value = k3(torch.tensor([[math.log(p)]]), torch.tensor([[math.log(q)]])).item()
    assert value == pytest.approx(q / p - math.log(q / p) - 1, rel=1e-6)
    assert value != pytest.approx(p / q - math.log(p / q) - 1, rel=1e-2)  # the ratio that the paper prints


def test_k1_is_the_plain_difference():
    assert k1(torch.tensor([-1.0]), torch.tensor([-3.0])).item() == 2.0


def test_the_mean_of_k3_is_the_kl_for_tokens_of_p():
    p = torch.tensor([0.7, 0.2, 0.1], dtype=torch.float64)
    q = torch.tensor([0.3, 0.3, 0.4], dtype=torch.float64)
    expected = (p * k3(p.log(), q.log())).sum()
    assert expected.item() == pytest.approx((p * (p / q).log()).sum().item(), rel=1e-9)


def perception(logp, masked, accuracy=None, **options) -> torch.Tensor:
    settings = PerceptionKlSettings(**options)
    return perception_kl(logp, masked, settings)[0]


def test_perception_gradient_is_one_minus_the_ratio_and_dies_beyond_the_bound():
    logp = torch.tensor([[-1.0, -2.0, -5.0]]).requires_grad_()
    masked = torch.tensor([[-2.0, -1.0, -1.0]])
    value, bounded = perception_kl(logp, masked, PerceptionKlSettings())
    value.sum().backward()
    assert logp.grad[0, 0] == pytest.approx(1 - math.exp(-1), rel=1e-5)  # needs the picture: pushed up by the reward
    assert logp.grad[0, 1] == pytest.approx(1 - math.exp(1), rel=1e-5)
    assert logp.grad[0, 2] == 0  # k3 = e^4 - 5 is over 10
    assert value[0, 2] == 10 and bounded[0].tolist() == [0.0, 0.0, 1.0]


def test_the_bound_is_a_setting():
    logp = torch.tensor([[-1.0, -2.0]]).requires_grad_()
    value = perception(logp, torch.tensor([[-2.0, -1.0]]), bound=0.5)
    assert value[0].tolist() == pytest.approx([math.exp(-1), 0.5])  # e^-1 + 1 - 1, and e - 2 cut


def test_the_printed_ratio_is_the_other_way_round():
    logp, masked = torch.tensor([[-1.0]], requires_grad=True), torch.tensor([[-2.0]])
    value = perception(logp, masked, ratio="clean_over_masked")
    value.sum().backward()
    assert value.item() == pytest.approx(math.e - 2, rel=1e-6)
    assert logp.grad.item() == pytest.approx(math.e - 1, rel=1e-6)  # unbounded where the picture helps


def test_the_expected_clean_gradient_is_that_of_the_reverse_kl():
    logits = torch.tensor([0.3, -0.2, 0.9], dtype=torch.float64, requires_grad=True)
    m = torch.tensor([0.2, 0.5, 0.3], dtype=torch.float64)
    logp = logits.log_softmax(-1)
    (logp.detach().exp() * perception_k3(logp, m.log(), PerceptionKlSettings())).sum().backward()
    again = logits.detach().clone().requires_grad_()
    (m * (m.log() - again.log_softmax(-1))).sum().backward()
    torch.testing.assert_close(logits.grad, again.grad)


@pytest.mark.parametrize("ratio", ["masked_over_clean", "clean_over_masked"])
@pytest.mark.parametrize(("branch", "clean", "masked"), [("clean", 1, 0), ("masked", 0, 1), ("both", 1, 1)])
def test_the_perception_gradient_flows_where_it_is_asked_to(branch, clean, masked, ratio):
    leaves = [torch.tensor([[-1.0]], requires_grad=True), torch.tensor([[-2.0]], requires_grad=True)]
    perception(*leaves, gradient=branch, ratio=ratio).sum().backward()
    assert [leaf.grad is not None for leaf in leaves] == [bool(clean), bool(masked)]


@pytest.mark.parametrize(("step", "gamma"), [(0, 0.02), (25, 0.015), (50, 0.01), (51, 0.01), (99, 0.01)])
def test_gamma_falls_linearly_over_its_share_of_the_run(step, gamma):
    settings = PerceptionKlSettings(coef=0.02, end_coef=0.01, anneal_share=0.5)
    assert gamma_at(settings, step, 100) == pytest.approx(gamma)


def test_gamma_is_constant_unless_it_has_an_end():
    assert gamma_at(PerceptionKlSettings(coef=0.02), 99, 100) == 0.02


def test_surprisal_and_nll():
    logp = torch.tensor([[-1.0, -2.0], [-3.0, -4.0]])
    assert surprisal(logp).tolist() == [[1.0, 2.0], [3.0, 4.0]]
    assert correct_nll(logp, torch.tensor([0.0, 1.0])).tolist() == [[0.0, 0.0], [3.0, 4.0]]


LENGTHS = [1, 3, 2, 2, 4]


@pytest.mark.parametrize(
    ("average", "shares"),
    [
        ("token", [1 / 12] * 5),
        ("response", [1 / 5, 1 / 15, 1 / 10, 1 / 10, 1 / 20]),
        ("constant", [1 / 50] * 5),  # 5 responses x 10 tokens at most
        ("four", [1 / 16] * 4 + [1 / 8]),  # blocks of 8 and 4 tokens, halved
    ],
)
def test_token_shares_by_hand(average, shares):
    assert token_shares(LENGTHS, average, 10) == pytest.approx(shares)


@pytest.mark.parametrize("average", ["token", "response", "four"])
def test_shares_make_a_mean(average):
    shares = token_shares(LENGTHS, average, 10)
    assert sum(share * length for share, length in zip(shares, LENGTHS, strict=True)) == pytest.approx(1)


def test_an_empty_response_divides_nothing_by_zero():
    assert token_shares([0, 2], "response", 4) == [0.5, 0.25]
    assert token_shares([0], "token", 4) == [1.0] and token_shares([], "token", 4) == []


def test_micro_batches_add_up_to_the_mini_batch():
    values, mask = torch.rand(5, 4), (torch.arange(4) < torch.tensor(LENGTHS)[:, None]).float()
    shares = token_shares(LENGTHS, "four", 10)
    whole = weighted_sum(values, spread(shares, mask))
    parts = [weighted_sum(values[rows], spread(shares[rows], mask[rows])) for rows in (slice(0, 2), slice(2, 5))]
    torch.testing.assert_close(sum(parts), whole)
    means = [values[0, :1].sum() + values[1, :3].sum() + values[2, :2].sum() + values[3, :2].sum(), values[4].sum()]
    torch.testing.assert_close(whole, (means[0] / 8 + means[1] / 4) / 2)


def test_padding_never_reaches_the_sum():
    values = torch.tensor([[1.0, math.nan]])
    assert weighted_sum(values, spread([0.5], torch.tensor([[1, 0]]))) == 0.5
