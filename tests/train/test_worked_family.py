"""Methods on the step of tests/train/test_worked_numbers.py: numbers worked out apart, and neutral settings."""

import math

import pytest
import torch

from tests.train.test_worked_numbers import rows, run, step

LIVE = {
    "kl_teacher": ".1 .4 .2 0; .3 .1 .2 .5; .1 .1 .6 .2; .2 .3 .1",
    "kl_teacher_steered": ".05 .2 .1 0; .1 .1 .2 .3; .1 0 .2 .1; .1 .1 .1",
    "kl_prior": ".2 .1 .3 .1; .2 .2 .1 .1; .3 .1 .1 .2; .1 .2 .4",
    "kl_sharpened": ".3 .1 .2 .4; .1 .1 .3 .2; .2 .4 .1 .1; .1 .3 .2",
    "jsd_teacher": ".1 .2 .1 .3; .1 .2 .2 .1; .3 .1 .2 .1; .2 .2 .1",
}


ALONE = "losses.ppo=null"  # the options of `run` name a clip of it


def distilled(*views: str) -> dict[str, torch.Tensor]:
    """The step with divergences from a teacher; a token's gain from the picture is its k3."""
    given = step(*views) | {name: rows(text) for name, text in LIVE.items()}
    gap = given["old_logp"] - torch.tensor(0.1, dtype=torch.float64)
    return given | {"engine_logp": gap * given["mask"], "logp_none": given["logp"] - 1}


def test_vgs_is_three_divergences_and_a_gate_on_the_prior():
    """Five of fifteen tokens pass the gate (30 % of 15 is 4.5): those of the largest KL of the teacher's two views."""
    given = distilled() | {"teacher_kl_none": rows(".1 .9 .2 0; .1 .8 .3 .7; .1 .2 .6 .3; .1 .5 .2")}
    out = run(given, "method=vgs", ALONE)
    gate = rows("0 1 0 0; 0 1 0 1; 0 0 1 0; 0 1 0")
    assert torch.equal(out["weights/gate"], gate)
    parts = [
        (0.41, "kl_teacher", given["mask"]),
        (0.82, "kl_teacher_steered", given["mask"]),
        (0.0041, "kl_prior", gate),
    ]
    loss = sum(coef * (given[name] * weight).sum().item() for coef, name, weight in parts) / 15
    assert out["loss"].item() == pytest.approx(loss, rel=1e-12)
    for coef, name, weight in parts:
        torch.testing.assert_close(out[f"grad_{name}"], coef * weight / 15, atol=1e-15, rtol=1e-9)
    assert out["grad_logp"].abs().max() == 0 and out["grad_logp_none"].abs().max() == 0


def test_vcsds_loss_is_four_times_the_divergence_at_temperature_two():
    given = distilled("black")
    out = run(given, "method=vcsd", ALONE)
    assert out["loss"].item() == pytest.approx(4 * given["kl_sharpened"].sum().item() / 15, rel=1e-12)
    torch.testing.assert_close(out["grad_kl_sharpened"], 4 * given["mask"] / 15, atol=1e-15, rtol=1e-9)


def test_vision_opd_weighs_tokens_by_two_bounded_ratios_without_gradient():
    """The policy moved by .05, -.05, .1, 0 from the old one, and the sampler was 0.1 nats below that."""
    given = distilled()
    given["logp"][0, 0] = given["old_logp"][0, 0] + 1.0  # a ratio of e, which is cut at 2
    out = run(given, "method=vision_opd", ALONE)
    ratio = (given["logp"] - given["old_logp"]).exp().clamp(max=2.0) * math.exp(0.1) * given["mask"]
    torch.testing.assert_close(out["grad_jsd_teacher"], ratio / 15, atol=1e-15, rtol=1e-9)
    assert out["grad_jsd_teacher"][0, 0].item() == pytest.approx(2 * math.exp(0.1) / 15)
    assert out["loss"].item() == pytest.approx((ratio * given["jsd_teacher"]).sum().item() / 15, rel=1e-12)
    assert out["grad_logp"].abs().max() == 0  # the ratio itself teaches nothing


DISTILLED = {
    "vgs": (["losses.terms.steer.coef=0", "losses.terms.steer.prior_coef=0", "losses.terms.distill.coef=1"], "opd"),
    "vcsd": (["losses.terms.sharpen.coef=0", "losses.ppo={}", "losses.ppo.clip_high=0.28"], "grpo_no_kl"),
    "vision_opd": (["losses.terms.buckets.coef=0", "losses.ppo={}", "losses.ppo.clip_high=0.28"], "grpo_no_kl"),
}


@pytest.mark.parametrize("name", DISTILLED)
def test_distillation_at_coefficient_0_is_its_base_bit_for_bit(name):
    options, base = DISTILLED[name]
    given = distilled("black") | {"teacher_kl_none": rows(".1 .9 .2 0; .1 .8 .3 .7; .1 .2 .6 .3; .1 .5 .2")}
    found, wanted = run(given, f"method={name}", *options), run(given, f"method={base}")
    assert torch.equal(found["loss"], wanted["loss"])
    assert torch.equal(found["grad_logp"], wanted["grad_logp"])
    if base == "opd":
        assert torch.equal(found["grad_kl_teacher"], wanted["grad_kl_teacher"])


@pytest.mark.parametrize(("method", "loss"), [("cfpo_g", 0.043972), ("cfpo_d", 0.060356)])
def test_cfpo_is_papos_term_away_from_its_counterfactual(method, loss):
    out = run(step("counterfactual"), f"method={method}", "losses.reference_kl=null", "losses.ppo.clip_high=0.28")
    assert out["loss"].item() == pytest.approx(loss, abs=1e-6)
    assert out["grad_logp_counterfactual"].abs().max() == 0


def test_srpo_weighs_roles_about_one_baseline():
    """Worked apart for the first response: seen tokens 1 and 2, c = k1 of the two views, not scaled."""
    given = step("masked") | {"mark_perception": rows("1 1 0 0; 1 1 0 0; 1 1 1 0; 0 0 0")}
    given["logp_unread"] = given["old_logp"] - rows("9 9 .5 .3; 9 9 0 .1; 9 9 9 .2; .4 .1 .2")
    out = run(given, "method=srpo", "losses.reference_kl=null", "weights.roles.scaled=false")
    c = [0.1, 2.0, 0.5, 0.3]  # -.2 + .3, -1 + 3; what is left out counts for nothing
    raw = [math.exp(one - sum(c) / 4) for one in c]
    wanted = [4 * one / sum(raw) for one in raw]
    assert out["weights/roles"][0].tolist() == pytest.approx(wanted, rel=1e-12)
    assert out["weights/roles"][3].tolist() == [1, 1, 1, 0]  # no perception part: as GRPO has it
    assert (out["weights/roles"].sum(1) / given["mask"].sum(1)).tolist() == pytest.approx([1, 1, 1, 1])
    moved = run(
        given | {"logp_unread": given["logp_unread"] - rows("5 5 0 0; 5 5 0 0; 0 0 0 0; 0 0 0")},
        "method=srpo",
        "losses.reference_kl=null",
    )
    same = run(given, "method=srpo", "losses.reference_kl=null")
    assert torch.equal(moved["weights/roles"], same["weights/roles"])  # seen tokens never read the second context


def test_srpo_scales_each_role_by_its_own_spread():
    given = step("masked") | {"mark_perception": rows("1 1 0 0; 1 1 0 0; 1 1 0 0; 1 1 0")}
    given["logp_unread"] = given["old_logp"] - rows("0 0 .5 .3; 0 0 .1 .2; 0 0 .7 .2; 0 0 .2")
    plain = run(given, "method=srpo", "losses.reference_kl=null", "weights.roles.clip=9")
    given["logp_unread"] = given["old_logp"] - 1000 * (given["old_logp"] - given["logp_unread"])
    large = run(given, "method=srpo", "losses.reference_kl=null", "weights.roles.clip=9")
    torch.testing.assert_close(plain["weights/roles"], large["weights/roles"])
    unscaled = run(
        given, "method=srpo", "losses.reference_kl=null", "weights.roles.clip=9", "weights.roles.scaled=false"
    )
    assert (unscaled["weights/roles"] - plain["weights/roles"]).abs().max() > 0.1


FAMILY = {
    "cfpo_g": (["losses.perception_kl.coef=0"], "counterfactual", "grpo"),
    "cfpo_d": (["losses.perception_kl.coef=0", "losses.entropy=null"], "counterfactual", "dapo"),
    "srpo": (["weights.roles.clip=0", "losses.constant=[weights.roles]"], "masked", "grpo"),
}


@pytest.mark.parametrize("name", FAMILY)
def test_neutral_settings_of_the_family_are_the_base_bit_for_bit(name):
    options, view, base = FAMILY[name]
    given = step(view) | {"mark_perception": rows("1 1 0 0; 1 0 0 0; 0 0 1 0; 0 1 0")}
    given["logp_unread"] = given["old_logp"] - 0.3 * given["mask"]
    plain = ["losses.reference_kl=null", "losses.ppo.clip_high=0.28"]
    found, wanted = run(given, f"method={name}", *plain, *options), run(step(), f"method={base}", *plain)
    assert torch.equal(found["loss"], wanted["loss"]) and torch.equal(found["grad_logp"], wanted["grad_logp"])
