"""Every loss term against its formula, on hand-worked numbers."""

import math

import pytest
import torch

from train.advantages import grpo_advantage
from train.losses.kl import k3, perception_k3
from train.losses.ppo import ppo_loss
from train.objective import ScoredBatch, token_losses, token_mean
from train.settings import EntropySettings, LossSettings, PerceptionKlSettings, ReferenceKlSettings

CLIPS = {"clip_low": 0.2, "clip_high": 0.3, "dual_clip": 3.0}


def ppo(ratio: float, advantage: float, **options) -> float:
    loss, _ = ppo_loss(
        torch.tensor([[math.log(ratio)]]), torch.zeros(1, 1), torch.tensor([[advantage]]), **{**CLIPS, **options}
    )
    return loss.item()


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


def test_ppo_says_where_it_clipped():
    logp = torch.log(torch.tensor([[1.5, 0.5, 1.0, 0.5]]))
    _, where = ppo_loss(logp, torch.zeros(1, 4), torch.tensor([[1.0, -1.0, 1.0, 1.0]]), **CLIPS)
    assert where["actor/pg_clipfrac_higher"].tolist() == [[1.0, 0.0, 0.0, 0.0]]
    assert where["actor/pg_clipfrac_lower"].tolist() == [[0.0, 1.0, 0.0, 0.0]]


def test_no_gradient_through_a_clipped_ratio():
    logp = torch.log(torch.tensor([[1.5, 1.1]])).requires_grad_()
    loss, _ = ppo_loss(logp, torch.zeros(1, 2), torch.ones(1, 2), **CLIPS)
    loss.sum().backward()
    assert logp.grad[0, 0] == 0 and logp.grad[0, 1] == pytest.approx(-1.1, rel=1e-6)


def test_k3_is_the_estimator_on_q_over_p():
    p, q = 0.5, 0.2
    value = k3(torch.tensor([[math.log(p)]]), torch.tensor([[math.log(q)]])).item()
    assert value == pytest.approx(q / p - math.log(q / p) - 1, rel=1e-6)
    assert value != pytest.approx(p / q - math.log(p / q) - 1, rel=1e-2)  # the ratio that the paper prints


def test_the_mean_of_k3_is_the_kl_for_tokens_of_p():
    p = torch.tensor([0.7, 0.2, 0.1], dtype=torch.float64)
    q = torch.tensor([0.3, 0.3, 0.4], dtype=torch.float64)
    expected = (p * k3(p.log(), q.log())).sum()
    assert expected.item() == pytest.approx((p * (p / q).log()).sum().item(), rel=1e-9)


def test_perception_gradient_is_one_minus_the_ratio_and_dies_beyond_the_clip():
    logp = torch.tensor([[-1.0, -2.0, -5.0]]).requires_grad_()
    masked = torch.tensor([[-2.0, -1.0, -1.0]])
    perception_k3(logp, masked, "clean").sum().backward()
    assert logp.grad[0, 0] == pytest.approx(1 - math.exp(-1), rel=1e-5)  # needs the picture: pushed up by the reward
    assert logp.grad[0, 1] == pytest.approx(1 - math.exp(1), rel=1e-5)
    assert logp.grad[0, 2] == 0  # k3 = e^4 - 5 is over 10


def test_the_expected_clean_gradient_is_that_of_the_reverse_kl():
    logits = torch.tensor([0.3, -0.2, 0.9], dtype=torch.float64, requires_grad=True)
    m = torch.tensor([0.2, 0.5, 0.3], dtype=torch.float64)
    logp = logits.log_softmax(-1)
    (logp.detach().exp() * perception_k3(logp, m.log(), "clean")).sum().backward()
    again = logits.detach().clone().requires_grad_()
    (m * (m.log() - again.log_softmax(-1))).sum().backward()
    torch.testing.assert_close(logits.grad, again.grad)


@pytest.mark.parametrize(("branch", "clean", "masked"), [("clean", 1, 0), ("masked", 0, 1), ("both", 1, 1)])
def test_the_perception_gradient_flows_where_it_is_asked_to(branch, clean, masked):
    leaves = [torch.tensor([[-1.0]], requires_grad=True), torch.tensor([[-2.0]], requires_grad=True)]
    perception_k3(*leaves, branch).sum().backward()
    assert [leaf.grad is not None for leaf in leaves] == [bool(clean), bool(masked)]


def test_grpo_advantage_by_hand_with_mixed_up_groups():
    reward = torch.tensor([1.0, 5.0, 0.0, 5.0, 0.5])
    group = torch.tensor([7, 3, 7, 3, 7])
    advantage = grpo_advantage(reward, group)
    assert advantage[[1, 3]].tolist() == [0.0, 0.0]
    assert advantage[[0, 2, 4]].tolist() == pytest.approx([1.0, -1.0, 0.0], abs=1e-5)  # std of 1, 0, .5 is 0.5


def random_batch(seed: int = 0, masked_equals_clean: bool = False) -> ScoredBatch:
    draw = torch.Generator().manual_seed(seed)
    logp = -torch.rand(4, 6, generator=draw)
    masked = logp.clone() if masked_equals_clean else logp - torch.rand(4, 6, generator=draw)
    mask = torch.ones(4, 6)
    mask[0, 4:] = 0
    return ScoredBatch(
        logp.requires_grad_(), logp.detach() - 0.05, mask, torch.tensor([1.0, -1.0, 0.5, -0.5]), torch.ones(4, 6),
        logp.detach() - 0.1 * torch.rand(4, 6, generator=draw), {"masked": masked.detach()},
    )  # fmt: skip


def total_gradient(losses: LossSettings, batch: ScoredBatch) -> torch.Tensor:
    terms, _ = token_losses(losses, batch)
    batch.logp_NT.grad = None
    sum(token_mean(v, batch.mask_NT, batch.mask_NT.sum()) for v in terms.values()).backward()
    return batch.logp_NT.grad.clone()


@pytest.mark.parametrize(
    "term",
    [
        {"reference_kl": ReferenceKlSettings(coef=0.01)},
        {"perception_kl": PerceptionKlSettings(coef=0.02)},
        {"entropy": EntropySettings(coef=0.03)},
    ],
)
def test_every_enabled_term_changes_the_gradient(term):
    batch = random_batch()
    assert (total_gradient(LossSettings(**term), batch) - total_gradient(LossSettings(), batch)).abs().max() > 1e-5


def test_gamma_zero_is_grpo_bit_for_bit():
    batch = random_batch()
    with_term = LossSettings(reference_kl=ReferenceKlSettings(), perception_kl=PerceptionKlSettings(coef=0.0))
    assert torch.equal(
        total_gradient(with_term, batch), total_gradient(LossSettings(reference_kl=ReferenceKlSettings()), batch)
    )


def test_the_perception_term_vanishes_when_the_mask_changes_nothing():
    batch = random_batch(masked_equals_clean=True)
    terms, logged = token_losses(LossSettings(perception_kl=PerceptionKlSettings(coef=1.0)), batch)
    assert terms["perception_kl"].abs().max() == 0 and logged["actor/kl_prcp_loss"].abs().max() == 0


def test_one_step_on_the_perception_term_alone_raises_the_kl():
    batch = random_batch()
    losses = LossSettings(perception_kl=PerceptionKlSettings(coef=1.0))
    before = k3(batch.logp_NT, batch.view_logp_NT["masked"]).sum().item()
    token_losses(losses, batch)[0]["perception_kl"].sum().backward()
    after = k3(batch.logp_NT - 0.1 * batch.logp_NT.grad, batch.view_logp_NT["masked"]).sum().item()
    assert after > before


def test_the_entropy_term_raises_every_sampled_token_and_the_masked_one_is_inert():
    batch = random_batch()
    gradient = total_gradient(LossSettings(entropy=EntropySettings(coef=1.0)), batch) - total_gradient(
        LossSettings(), batch
    )
    inside = gradient[batch.mask_NT > 0]
    torch.testing.assert_close(inside, torch.full_like(inside, -1 / 22))
    both = LossSettings(perception_kl=PerceptionKlSettings(), entropy=EntropySettings(coef=0.05, masked_coef=0.05))
    single = LossSettings(perception_kl=PerceptionKlSettings(), entropy=EntropySettings(coef=0.05))
    assert torch.equal(total_gradient(both, batch), total_gradient(single, batch))  # PAPO's released double entropy


def test_padding_never_enters_the_loss():
    batch = random_batch()
    with torch.no_grad():
        batch.logp_NT[0, 4:] = float("nan")
    gradient = total_gradient(LossSettings(), batch)
    assert torch.isfinite(gradient[batch.mask_NT > 0]).all()


def test_weights_multiply_after_the_clip_and_carry_no_gradient():
    batch = random_batch()
    doubled = ScoredBatch(**{**vars(batch), "weights_NT": torch.full((4, 6), 2.0, requires_grad=True)})
    torch.testing.assert_close(total_gradient(LossSettings(), doubled), 2 * total_gradient(LossSettings(), batch))
    assert doubled.weights_NT.grad is None
