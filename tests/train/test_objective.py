"""The objective put together: terms, weights, averages, schedule."""

from dataclasses import replace

import pytest
import torch

from models.kl import k3
from train.losses.averages import spread, token_shares
from train.losses.batch import ScoredBatch
from train.objective import losses_at, token_losses, token_mean, total_loss
from train.settings import (
    EntropySettings,
    LossSettings,
    NllSettings,
    PerceptionKlSettings,
    PpoSettings,
    ReferenceKlSettings,
)


def random_batch(masked_equals_clean: bool = False) -> ScoredBatch:
    """Four responses of up to six tokens, everything a term can ask for."""
    draw = torch.Generator().manual_seed(0)
    logp = -torch.rand(4, 6, generator=draw)
    masked = logp.clone() if masked_equals_clean else logp - torch.rand(4, 6, generator=draw)
    mask = torch.ones(4, 6)
    mask[0, 4:] = 0
    return ScoredBatch(
        logp_NT=logp.clone().requires_grad_(),
        mask_NT=mask,
        advantages=(torch.tensor([[1.0], [-1.0], [0.5], [-0.5]]).expand(4, 6),),
        scores={
            "logp": logp - 0.05,
            "reference.logp": logp - 0.1 * torch.rand(4, 6, generator=draw),
            "logp@masked": masked,
            "engine.logp": logp - 0.3,
        },
        live={"entropy": torch.rand(4, 6, generator=draw).requires_grad_()},
        accuracy_N=torch.tensor([1.0, 0.0, 1.0, 0.0]),
    )


def rows_of(batch: ScoredBatch, rows: slice) -> ScoredBatch:
    """Some rows of a batch, views into the same tensors."""
    parts = {name: {n: value[rows] for n, value in getattr(batch, name).items()} for name in ("scores", "live")}
    return replace(
        batch,
        logp_NT=batch.logp_NT[rows],
        mask_NT=batch.mask_NT[rows],
        advantages=tuple(one[rows] for one in batch.advantages),
        accuracy_N=batch.accuracy_N[rows],
        **parts,
    )


def shares_of(batch: ScoredBatch, average: str = "token") -> torch.Tensor:
    return spread(token_shares(batch.mask_NT.sum(1).int().tolist(), average, 10), batch.mask_NT)


def total_gradient(losses: LossSettings, batch: ScoredBatch) -> torch.Tensor:
    loss = total_loss(token_losses(losses, batch)[0], shares_of(batch))
    return torch.autograd.grad(loss, batch.logp_NT)[0]


TERMS = ("ppo", "reference_kl", "perception_kl", "masked_entropy", "entropy", "nll")
EVERY_TERM = LossSettings(
    reference_kl=ReferenceKlSettings(coef=0.01),
    perception_kl=PerceptionKlSettings(coef=0.02),
    entropy=EntropySettings(coef=0.03, masked_coef=0.04),
    nll=NllSettings(coef=0.1),
)


def test_terms_are_coefficient_times_value():
    batch = random_batch()
    terms, logged = token_losses(EVERY_TERM, batch)
    assert sorted(terms) == sorted(TERMS)
    torch.testing.assert_close(terms["reference_kl"], 0.01 * k3(batch.logp_NT, batch.scores["reference.logp"]))
    perception = -0.02 * k3(batch.logp_NT, batch.scores["logp@masked"])
    torch.testing.assert_close(terms["perception_kl"], perception)
    torch.testing.assert_close(terms["entropy"], -0.03 * batch.logp_NT)
    torch.testing.assert_close(terms["masked_entropy"], -0.04 * batch.scores["logp@masked"])
    torch.testing.assert_close(terms["nll"][::2], -0.1 * batch.logp_NT[::2])
    assert terms["nll"][1::2].abs().max() == 0
    assert not any(value.requires_grad for value in logged.values())
    wanted = {
        "actor/masked_entropy_loss",
        "actor/pg_clipfrac_dual",
        "actor/kl_prcp_bounded",
        "actor/nll_loss",
        "actor/logp_clean",
        "actor/logp_masked",
        "actor/pg_loss",
        "actor/kl_loss",
        "actor/kl_prcp_loss",
        "actor/entropy_loss",
    }
    assert wanted <= logged.keys()


@pytest.mark.parametrize("name", [name for name in TERMS if name != "masked_entropy"])
def test_every_enabled_term_changes_the_gradient(name):
    batch = random_batch()
    terms, _ = token_losses(EVERY_TERM, batch)
    whole = torch.autograd.grad(total_loss(terms, shares_of(batch)), batch.logp_NT, retain_graph=True)[0]
    terms.pop(name)
    rest = torch.autograd.grad(total_loss(terms, shares_of(batch)), batch.logp_NT)[0]
    assert (whole - rest).abs().max() > 1e-5


def test_gamma_zero_is_grpo_bit_for_bit():
    batch = random_batch()
    plain = LossSettings(reference_kl=ReferenceKlSettings())
    control = replace(plain, perception_kl=PerceptionKlSettings(coef=0.0))
    assert torch.equal(total_gradient(control, batch), total_gradient(plain, batch))
    assert "actor/kl_prcp_loss" in token_losses(control, batch)[1]  # still measured


def test_the_perception_term_vanishes_when_the_mask_changes_nothing():
    batch = random_batch(masked_equals_clean=True)
    terms, logged = token_losses(LossSettings(perception_kl=PerceptionKlSettings(coef=1.0)), batch)
    assert terms["perception_kl"].abs().max() == 0 and logged["actor/kl_prcp_loss"].abs().max() == 0


def test_one_step_on_the_perception_term_alone_raises_the_kl():
    batch = random_batch()
    terms, _ = token_losses(LossSettings(perception_kl=PerceptionKlSettings(coef=1.0)), batch)
    gradient = torch.autograd.grad(terms["perception_kl"].sum(), batch.logp_NT)[0]
    before = k3(batch.logp_NT, batch.scores["logp@masked"]).sum().item()
    assert k3(batch.logp_NT - 0.1 * gradient, batch.scores["logp@masked"]).sum().item() > before


def test_the_entropy_term_raises_every_sampled_token_and_the_masked_one_is_inert():
    batch = random_batch()
    batch.scores["logp@masked"].requires_grad_()
    gradient = total_gradient(LossSettings(entropy=EntropySettings(coef=1.0)), batch) - total_gradient(
        LossSettings(), batch
    )
    assert gradient[batch.mask_NT > 0].max() < 0  # the loss falls as each sampled token's log-prob rises
    terms, _ = token_losses(EVERY_TERM, batch)
    assert not terms["masked_entropy"].requires_grad  # gradient: clean freezes the corrupted branch
    both = replace(EVERY_TERM, perception_kl=PerceptionKlSettings(gradient="both"))
    assert token_losses(both, batch)[0]["masked_entropy"].requires_grad


def test_the_full_entropy_takes_the_place_of_the_surprisal():
    batch = random_batch()
    terms, logged = token_losses(LossSettings(entropy=EntropySettings(coef=2.0, kind="full")), batch)
    torch.testing.assert_close(terms["entropy"], 2.0 * batch.live["entropy"])
    torch.testing.assert_close(logged["actor/entropy"], batch.live["entropy"].detach())


def test_kl_in_the_reward_is_no_loss_term():
    terms, _ = token_losses(LossSettings(reference_kl=ReferenceKlSettings(place="reward")), random_batch())
    assert list(terms) == ["ppo"]


def test_weights_multiply_the_term_that_they_name():
    batch = replace(random_batch(), weights={"ppo": torch.full((4, 6), 0.5)})
    losses = replace(EVERY_TERM, ppo=PpoSettings(importance_cap=1.2))
    plain, _ = token_losses(EVERY_TERM, random_batch())
    terms, logged = token_losses(losses, batch)
    # old - engine = -0.05 + 0.3, capped at 1.2
    torch.testing.assert_close(terms["ppo"], plain["ppo"] * 0.6)
    torch.testing.assert_close(logged["actor/importance_weight"], torch.full((4, 6), 1.2))
    assert all(torch.equal(terms[name], plain[name]) for name in plain if name != "ppo")
    on_kl, _ = token_losses(EVERY_TERM, replace(batch, weights={"perception_kl": torch.full((4, 6), 0.5)}))
    torch.testing.assert_close(on_kl["perception_kl"], plain["perception_kl"] * 0.5)
    assert all(torch.equal(on_kl[name], plain[name]) for name in plain if name != "perception_kl")


@pytest.mark.parametrize("average", ["token", "response", "constant", "four"])
def test_micro_batches_add_up_to_the_same_gradient(average):
    batch = random_batch()
    shares = shares_of(batch, average)
    whole = torch.autograd.grad(total_loss(token_losses(EVERY_TERM, batch)[0], shares), batch.logp_NT)[0]
    summed = torch.zeros(4, 6)
    for rows in (slice(0, 1), slice(1, 4)):
        part = rows_of(batch, rows)
        loss = total_loss(token_losses(EVERY_TERM, part)[0], shares[rows])
        summed += torch.autograd.grad(loss, batch.logp_NT)[0]
    torch.testing.assert_close(summed, whole, atol=1e-8, rtol=1e-6)


def test_metrics_are_means_over_tokens():
    values, mask = torch.tensor([[1.0, 2.0], [6.0, float("nan")]]), torch.tensor([[1.0, 1.0], [1.0, 0.0]])
    assert token_mean(values, mask, 3) == 3.0


def test_annealing_gamma_takes_the_entropy_terms_along():
    losses = replace(EVERY_TERM, perception_kl=PerceptionKlSettings(coef=0.02, end_coef=0.0, anneal_share=0.5))
    later = losses_at(losses, 25, 100)
    assert later.perception_kl.coef == pytest.approx(0.01)
    assert (later.entropy.coef, later.entropy.masked_coef) == pytest.approx((0.015, 0.02))
    assert (later.nll, later.reference_kl) == (losses.nll, losses.reference_kl)
    assert losses.perception_kl.coef == 0.02 and losses_at(losses, 0, 100) == losses
    assert "perception_kl" not in token_losses(losses_at(losses, 80, 100), random_batch())[0]
    assert losses_at(EVERY_TERM, 80, 100) == EVERY_TERM
