"""The gradient audit: it lets every recipe pass and names what cannot train."""

from dataclasses import replace

import pytest
import torch

from common import UserError
from configs import compose
from tests.train.test_objective import EVERY_TERM, random_batch, shares_of
from tests.train.test_recipes import PAIRS
from train.audit import gradient as audit_module
from train.audit.force import forces
from train.audit.gradient import audit, audit_weights
from train.losses.batch import ScoredBatch
from train.needs import needs_of
from train.objective import token_losses, total_loss
from train.settings import EntropySettings, LossSettings, PerceptionKlSettings, TrainSettings


def test_the_audit_lets_a_right_method_pass_and_leaves_the_graph():
    batch = random_batch()
    losses = replace(EVERY_TERM, constant=["masked_entropy"])
    audit(losses, batch)
    total_loss(token_losses(losses, batch)[0], shares_of(batch)).backward()
    assert batch.logp_NT.grad is not None


def test_the_audit_passes_where_policy_is_reference_and_no_answer_is_right():
    batch = random_batch()
    start = replace(
        batch,
        scores={**batch.scores, "logp": batch.logp_NT.detach(), "reference.logp": batch.logp_NT.detach()},
        advantages=(torch.zeros(4, 6),),
        accuracy_N=torch.zeros(4),
    )
    audit(replace(EVERY_TERM, constant=["masked_entropy"]), start)


def test_the_audit_names_a_masked_entropy_that_is_not_marked_constant():
    with pytest.raises(UserError, match="loss term masked_entropy does not depend"):
        audit(EVERY_TERM, random_batch())


def test_the_audit_names_the_term_whose_input_was_detached():
    batch = replace(random_batch(), live={"entropy": torch.rand(4, 6)})
    with pytest.raises(UserError, match="loss term entropy does not depend on the policy's live log-probs"):
        audit(LossSettings(entropy=EntropySettings(kind="full")), batch)


def test_the_audit_names_the_first_term_of_a_batch_without_gradient():
    batch = replace(random_batch(), logp_NT=torch.zeros(4, 6), live={})
    with pytest.raises(UserError, match="loss term ppo does not depend"):
        audit(LossSettings(), batch)


def test_the_audit_names_a_term_whose_gradient_is_always_zero():
    losses = LossSettings(perception_kl=PerceptionKlSettings(bound=0.0))
    with pytest.raises(UserError, match="loss term perception_kl has no gradient even where it should"):
        audit(losses, random_batch())


def test_the_audit_names_a_term_that_never_reaches_the_loss(monkeypatch):
    """The bug of PAPO's Qwen3-VL branch: the loss is taken before the perception term is added."""

    def stale_total(terms, shares_NT):
        return total_loss({name: value for name, value in terms.items() if name != "perception_kl"}, shares_NT)

    monkeypatch.setattr(audit_module.objective, "total_loss", stale_total)
    with pytest.raises(UserError, match="loss term perception_kl is computed but is no part of the loss"):
        audit(LossSettings(perception_kl=PerceptionKlSettings()), random_batch())


@pytest.mark.parametrize(("method", "scale"), PAIRS)
def test_every_term_of_every_recipe_passes_the_audit(method, scale):
    settings = compose(TrainSettings, [f"method={method}", f"scale={scale}"])
    losses = settings.losses
    batch = random_batch()
    needs = needs_of(replace(settings, weights={}))
    masked_NT = batch.scores["logp@masked"]
    scores = batch.scores | {str(name): masked_NT for name in needs.fixed if str(name) not in batch.scores}
    live = batch.live | {str(name): masked_NT.clone().requires_grad_() for name in needs.live}
    apart = {name: masked_NT.clone().requires_grad_() for name in needs.divergences}
    audit(losses, replace(batch, scores=scores, live=live, divergences=apart))


def test_the_audit_names_a_weight_that_is_zero_or_the_same_everywhere():
    mask, half = torch.ones(2, 3), torch.full((2, 3), 0.5)
    half[:, 2], mask[:, 2] = 9.0, 0.0  # what lies at padding does not count
    with pytest.raises(UserError, match=r"weights\.tokens is 0 at every token"):
        audit_weights(LossSettings(), {"tokens": torch.zeros(2, 3)}, mask)
    with pytest.raises(UserError, match=r"weights\.tokens is 0\.5 at every token"):
        audit_weights(LossSettings(), {"tokens": half}, mask)
    audit_weights(LossSettings(constant=["weights.tokens"]), {"tokens": half}, mask)
    audit_weights(LossSettings(), {"tokens": torch.tensor([[0.0, 1.0, 0.0]] * 2)}, mask)


def test_a_term_that_learns_from_a_divergence_alone_has_a_force() -> None:
    divergence_NT, ones_NT = torch.tensor([[1.0, 2.0]], requires_grad=True), torch.ones(1, 2)
    batch = ScoredBatch(
        logp_NT=torch.zeros(1, 2, requires_grad=True),
        mask_NT=ones_NT,
        advantages=(ones_NT,),
        divergences={"kl_teacher": divergence_NT},
    )
    found = forces({"distill": 3 * divergence_NT}, {"distill": 0.5 * ones_NT}, batch)
    assert found["force/distill"].item() == 3.0
