"""What docs/add_a_method.md shows of tests: a number worked by hand, and neutral settings that are the base."""

import math

import pytest
import torch

from common import UserError
from configs import compose
from tests.train.test_worked_numbers import rows, run, step
from train.audit.gradient import audit_weights
from train.settings import TrainSettings

TOP = ["method=dapo", "views.masked.kind=patch_black", "weights.tokens.kind=top"]
HOLD = ["method=dapo", "views.noised.kind=vp_noise", "losses.terms.hold.kind=hold"]


def test_top_keeps_the_tokens_whose_log_probs_the_mask_moves_most():
    out = run(step("masked"), *TOP, "weights.tokens.share=0.4")
    assert torch.equal(out["weights/tokens"], rows("0 1 1 0; 0 1 1 0; 0 1 0 1; 1 0 1"))


def test_top_of_all_tokens_is_the_base_bit_for_bit():
    given = step("masked")
    found, base = run(given, *TOP, "weights.tokens.share=1"), run(given, "method=dapo")
    assert torch.equal(found["loss"], base["loss"]) and torch.equal(found["grad_logp"], base["grad_logp"])


def test_hold_is_k3_to_the_view_and_pulls_one_token():
    given = step("noised")
    given["logp_noised"] = given["logp"].clone()
    given["logp_noised"][0, 1] += math.log(2)  # exp(d) = 2 at one of 15 tokens, so k3 = 2 - ln 2 - 1 there
    out, base = run(given, *HOLD, "losses.terms.hold.coef=0.5"), run(given, "method=dapo")
    assert out["loss/hold"].item() == pytest.approx(0.5 * (1 - math.log(2)) / 15)
    pull = out["grad_logp"] - base["grad_logp"]
    assert pull[0, 1].item() == pytest.approx(0.5 * (1 - 2) / 15)
    assert pull.abs().sum().item() == pytest.approx(0.5 / 15)


def test_hold_without_strength_is_the_base_bit_for_bit():
    given = step("noised")
    found, base = run(given, *HOLD, "losses.terms.hold.coef=0"), run(given, "method=dapo")
    assert torch.equal(found["loss"], base["loss"]) and torch.equal(found["grad_logp"], base["grad_logp"])


def test_a_weight_that_is_the_same_everywhere_trains_only_where_constant_names_it():
    given = step("masked")
    ones = {"tokens": run(given, *TOP, "weights.tokens.share=1")["weights/tokens"]}
    neutral = compose(TrainSettings, [*TOP, "weights.tokens.share=1"]).losses
    with pytest.raises(UserError, match=r"list weights.tokens in losses.constant if that is meant"):
        audit_weights(neutral, ones, given["mask"])
    listed = compose(TrainSettings, [*TOP, "losses.constant=[weights.tokens]"]).losses
    audit_weights(listed, ones, given["mask"])
