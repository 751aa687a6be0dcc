"""Every method on one small step whose numbers were worked out apart, with its formulas and numpy alone."""

import math

import pytest
import torch

from configs import compose
from train.objective_command import ObjectiveCommand
from train.objective_tensors import objective

OLD = [[-0.2, -1, -0.5, -0.1], [-0.3, -0.8, -1.2, -0.4], [-0.6, -0.2, -0.9, -0.7], [-0.1, -0.5, -0.3, 0]]
VIEW = [[-0.3, -3, -0.62, -0.1], [-0.3, -1.05, -2.2, -0.4], [-0.5, -1.2, -0.9, -0.9], [-0.12, -0.5, -1.3, 0]]
KEEP = [[-0.25, -1.2, -0.5, -0.1], [-0.3, -0.9, -1.3, -0.4], [-0.6, -0.3, -1, -0.7], [-0.1, -0.6, -0.4, 0]]
FOCUS = [[0.1, 0.4, 0.3, 0.2], [0.2, 0.1, 0.5, 0.4], [0, 0.3, 0.2, 0.6], [0.5, 0.1, 0.3, 0]]
ENTROPY = [[0.2, 1.1, 0.6, 0.1], [0.3, 0.9, 1.3, 0.5], [0.7, 0.3, 1, 0.8], [0.1, 0.6, 0.4, 0]]
ENTROPY_VIEW = [[0.3, 1.6, 0.7, 0.1], [0.3, 1, 1.2, 0.6], [0.6, 0.9, 1, 1], [0.1, 0.6, 1.1, 0]]
JS = [[0.01, 0.3, 0.02, 0], [0, 0.05, 0.25, 0], [0.02, 0.2, 0, 0.03], [0, 0, 0.22, 0]]
CLIPS = ["losses.ppo.clip_high=0.28", "rollouts.filter=null", "scale=3b"]


def step(*views: str) -> dict[str, torch.Tensor]:
    """Fifteen tokens of four responses in float64; every view has the log-probs, entropies and divergence of one."""
    t = {"old_logp": OLD, "focus": FOCUS, "prior": FOCUS, "old_entropy": ENTROPY, "teacher_logp": OLD}
    for view in views:
        t |= {f"logp_{view}": VIEW, f"entropy_{view}": ENTROPY_VIEW, f"js_{view}": JS, f"teacher_logp_{view}": VIEW}
    given = {name: torch.tensor(value, dtype=torch.float64) for name, value in t.items()}
    given["reward_place"] = torch.tensor([1.0, 2, 1.5, 0], dtype=torch.float64)
    given["mark_false"] = torch.ones(4, 4, dtype=torch.float64)
    given["mask"] = torch.tensor([[1.0] * 4] * 3 + [[1.0, 1, 1, 0]], dtype=torch.float64)
    given["logp"] = (given["old_logp"] + torch.tensor([0.05, -0.05, 0.10, 0])) * given["mask"]
    group = torch.tensor([0, 0, 1, 1])
    return given | {
        "reward": torch.tensor([1.0, 0, 0, 1], dtype=torch.float64),
        "group": group,
        "prompt": group,
        "role": torch.zeros(4, dtype=torch.long),
    }


def run(given: dict[str, torch.Tensor], *options: str) -> dict[str, torch.Tensor]:
    return objective(compose(ObjectiveCommand, [*CLIPS, *options]), given)


def rows(text: str) -> torch.Tensor:
    """Numbers by row, rows apart by semicolons, 0 where a row is short."""
    parts = [[float(word) for word in row.split()] for row in text.split(";")]
    return torch.tensor([part + [0.0] * (4 - len(part)) for part in parts], dtype=torch.float64)


CASES = {
    "dapo": ([], [], "1 1 1 1; 1 1 1 1; 1 1 1 1; 1 1 1", 0.047140),
    "vppo": (["masked"], [], "0 1.2516 1.2516 0; 0 .9023 .9023 0; 0 .9 0 .9; .9461 0 .9461", -0.017657),
    "vgpo": (
        [],
        [],
        ".2735 .5780 .7735 .3750; 1.1250 .9216 2.4216 1.5318; .9514 1.3681 1.2292 2.4514; .5593 .2203 .7203",
        0.410964,
    ),
    "vgpo code": (
        [],
        ["weights.focus.form=code"],
        ".6750 2.1750 1.9750 1.1750; .6750 .4950 1.3950 1.0350; .5308 .8769 .7615 1.4308; 2.1375 .6375 1.7250",
        -0.163787,
    ),
    "pgpo": (
        ["blind"],
        [],
        ".0209 3.9491 .0299 0; 0 .2809 3.7191 0; .0516 3.7626 0 .1857; .0016 0 2.9984",
        0.050418,
    ),
    "tor_d": (["none"], [], "0 1 0 0; 0 1 1 0; 0 .5 1 1; 0 0 .5", 0.147708),
    "pepo_d": (
        [],
        ["losses.average=token"],
        ".9574 1.0462 1.0133 .9831; .9686 .9444 1.0615 1.0255; .9250 1.0001 .9758 1.0991; 1.0562 .9455 .9982",
        0.047087,
    ),
    "vepo": (["noisy"], ["losses.entropy=null"], "0 3.75 0 0; 0 0 3.75 0; 0 0 0 3.75; 0 0 3.75", 0.008621),
    "cgpo": (["evidence"], [], "0 1.1 0 0; 0 .926 .926 0; 0 .9218 1 1; 0 0 1.074", 0.125063),
    "fine_r1": (["negative"], [], "1 1 1 1; 1 1 1 1; 1 1 1 1; 1 1 1", 0.087136),
}


@pytest.mark.parametrize("name", CASES)
def test_weights_and_loss_are_those_worked_out_apart(name):
    views, options, weights, loss = CASES[name]
    given = step(*views) | {"progress": torch.tensor(0.5, dtype=torch.float64)}
    plain = ["losses.reference_kl=null", "losses.ppo.clip_low=0.2", "losses.ppo.dual_clip=3"]
    out = run(given, f"method={name.split()[0]}", *plain, *options)
    torch.testing.assert_close(out["weights"] * given["mask"], rows(weights), atol=6e-5, rtol=0)
    assert out["loss"].item() == pytest.approx(loss, abs=1e-6)
    assert out["loss"].dtype == torch.float64


@pytest.mark.parametrize(("turn", "kept", "others"), [(1, 1, 0), (0.5, 0.6, 0.1), (0, 0.2, 0.2), (-1, 0, 0.4)])
def test_a_weight_is_turned_around_its_mean_over_the_step(turn, kept, others):
    """Three of fifteen tokens are kept, so the mean is 0.2; below 0 nothing goes."""
    given = step()
    best = torch.zeros_like(given["mask"])
    best[0, 1] = best[1, 2] = best[2, 2] = 1
    out = run(given, "method=entropy_top", f"weights.tokens.turn={turn}", "losses.denominator=all")
    wanted = (others + (kept - others) * best) * given["mask"]
    torch.testing.assert_close(out["weights"] * given["mask"], wanted, atol=1e-12, rtol=0)


def test_pgpo_gives_a_response_whose_tokens_score_alike_no_weight():
    given = step("blind")
    given["logp_blind"] = torch.where(torch.arange(4)[:, None] == 1, given["old_logp"], given["logp_blind"])
    out = run(given, "method=pgpo")
    assert out["weights"][1].abs().max() == 0 == out["grad_logp"][1].abs().max()
    torch.testing.assert_close(out["weights"].sum(1)[[0, 2, 3]], torch.tensor([4.0, 4, 3], dtype=torch.float64))


def test_vppos_gradient_of_the_first_response_is_that_worked_out():
    out = run(step("masked"), "method=vppo")
    wanted = torch.tensor([-0.0040, -0.0601, -0.0692, -0.0040], dtype=torch.float64)
    torch.testing.assert_close(out["grad_logp"][0], wanted, atol=6e-5, rtol=0)


def test_cppo_contrasts_two_views_on_the_tokens_that_lose_certainty():
    given = step("remove") | {"logp_keep": torch.tensor(KEEP, dtype=torch.float64)}
    out = run(given, "method=cppo", "losses.reference_kl=null")
    chosen = torch.zeros(4, 4, dtype=torch.float64)
    chosen[0, :2] = chosen[3, 2] = 1
    assert torch.equal(out["weights/mask"], chosen)
    assert out["loss"].item() == pytest.approx(0.048721, abs=1e-6)
    assert out["loss/contrast"].item() == pytest.approx(0.00158067, abs=1e-8)
    assert out["grad_logp_keep"][chosen == 0].abs().max() == 0 < out["grad_logp_keep"][0, 0].abs()


def test_cppos_verl_recipe_keeps_every_token_that_ties_with_the_last():
    given = step("remove") | {"logp_keep": torch.tensor(KEEP, dtype=torch.float64)}
    given["old_entropy"] = rows("0 0 0 1; 1 1 1 1; 1 1 1 1; 0 1 1")
    given["entropy_remove"] = rows("1 1 1 1; 2 2 2 2; 2 2 2 2; 0 1.5 1.5")
    plain = ["method=cppo", "losses.reference_kl=null"]
    exact = run(given, *plain)["weights/mask"]
    assert torch.equal(exact, rows("1 1 0 0; 0 0 0 0; 0 0 0 0; 0 1 0"))  # two of three and one of two, in token order
    tied = run(given, *plain, "weights.mask.count=floor", "losses.terms.contrast.distance=k3")["weights/mask"]
    assert torch.equal(tied, rows("1 1 1 0; 0 0 0 0; 0 0 0 0; 0 1 1"))


def test_cppos_distances_are_cut_before_they_are_compared():
    given = step("remove") | {"logp_keep": torch.tensor(KEEP, dtype=torch.float64)}
    given["logp_keep"][0, 1] = given["logp"][0, 1] - 25.0
    out = run(given, "method=cppo", "losses.reference_kl=null")
    # Of the tokens kept, number 2 of the first response: k+ = 25 becomes 20, k- = 1.95, so softplus is 180.5.
    softplus = [math.log1p(math.exp(d / 0.1)) for d in (0.1 - 0.15, 20 - 1.95, 0.2 - 1.1)]
    assert out["loss/contrast"].item() == pytest.approx(0.01 * sum(softplus) / 3, rel=1e-9)
    assert out["grad_logp_keep"][0, 1] == 0 > out["grad_logp_keep"][0, 0]


def test_tors_ties_are_drawn_and_padding_does_not_change_the_draw():
    given = step("none")
    given["old_entropy"] = rows("2 0 0 0; 0 0 0 0; 0 0 0 0; 0 0 0")  # one token of fifteen, and fourteen that tie
    given["logp_none"] = given["old_logp"]
    draws = [run(given, "method=tor_d", f"seed={seed}")["weights/levels"] for seed in range(8)]
    for draw in draws:
        assert draw[0, 0] == 1 and (draw == 1).sum() == 5 and (draw == 0.5).sum() <= 5  # ceil(0.3 x 15)
    assert torch.equal(draws[0], run(given, "method=tor_d", "seed=0")["weights/levels"])
    assert torch.stack(draws)[:, 1:].eq(1).any() and len({tuple(draw.flatten().tolist()) for draw in draws}) > 4
    wide = {n: torch.cat([v, v.new_zeros(4, 3)], 1) if v.ndim == 2 else v for n, v in given.items()}
    assert torch.equal(run(wide, "method=tor_d", "seed=0")["weights/levels"][:, :4], draws[0])


def test_roma_imitates_the_worst_view_on_right_answers_and_replays_their_advantages():
    views = {"blurred": VIEW, "compressed": KEEP, "coarse": OLD}
    given = step() | {f"logp_{name}": torch.tensor(value, dtype=torch.float64) for name, value in views.items()}
    given |= {"old_logp_blurred": given["logp_blurred"] - 0.01, "accuracy": given["reward"]}
    out = run(given, "method=roma", "losses.reference_kl=null")
    right = given["mask"] * given["reward"][:, None]
    apart = []
    for value in views.values():
        d = torch.tensor(value, dtype=torch.float64) - given["logp"]
        apart.append(((d.exp() - d - 1) * right).clamp(max=10))
    worst = torch.stack(apart).max(0).values
    assert out["loss/imitate"].item() == pytest.approx(0.01 * worst.sum().item() / 7, rel=1e-12)  # 4 + 3 tokens
    # Right answers have A = 0.7071; the ratio exp(0.01) is not clipped, so the gradient is -0.1 A ratio / 7.
    gain = out["advantage_tokens"] * right
    wanted = -0.1 * gain * torch.tensor(0.01, dtype=torch.float64).exp() / 7
    d = given["logp_blurred"] - given["logp"]
    pull = torch.where((apart[0] == worst) & (right > 0), 0.01 * (d.exp() - 1) / 7, 0.0)
    torch.testing.assert_close(out["grad_logp_blurred"], wanted + pull, atol=1e-12, rtol=1e-9)


def test_rapo_looks_behind_tokens_of_high_entropy():
    given = step("masked")
    near = ["weights.anchors.share=0.25", "weights.anchors.apart=1", "weights.anchors.window=1"]
    out = run(given, "method=rapo", "losses.reference_kl=null", *near)
    # Highest entropy: token 2, 3, 3, 2 of the responses; the token behind each is kept.
    assert torch.equal(out["weights/anchors"], rows("0 0 1 0; 0 0 0 1; 0 0 0 1; 0 0 1"))
    d = given["logp_masked"] - given["logp"]
    kept = ((d.exp() - d - 1) * out["weights/anchors"]).sum() / 4
    assert out["loss/perception_kl"].item() == pytest.approx(-0.01 * kept.item(), rel=1e-12)


def test_visual_advantage_weighs_distillation_per_prompt():
    given = step("coarse") | {"kl_teacher": torch.rand(4, 4, dtype=torch.float64)}
    out = run(given, "method=va_opd", "losses.ppo=null")
    wanted = rows(".1468 .4404 .1468 .1468; .0199 .0199 .0596 .0199; .0199 .0596 .0199 .0199; .2202 .2202 .4404")
    torch.testing.assert_close(out["weights"] * given["mask"], wanted, atol=6e-5, rtol=0)
    torch.testing.assert_close(out["grad_kl_teacher"], out["weights"] * given["mask"] / 2)  # two prompts


def test_pearl_has_a_branch_of_its_own_for_checklists():
    given = step() | {
        "reward": torch.tensor([1.0, 0, 0.5, 1], dtype=torch.float64),
        "reward_checklist": torch.tensor([0.0, 0, 0.5, 1], dtype=torch.float64),
        "prompt": torch.zeros(4, dtype=torch.long),
        "role": torch.tensor([0, 0, 1, 1]),
    }
    out = run(given, "method=pearl")
    assert out["weights"][:2].unique().tolist() == [0.75] and out["weights"][2:][
        given["mask"][2:] > 0
    ].unique().tolist() == [1.0]
    assert out["loss"].item() == pytest.approx(0.010101, abs=1e-6)


def test_rewards_in_channels_of_their_own_add_their_clipped_losses():
    given = step() | {
        "reward_accuracy": torch.tensor([1.0, 0, 0, 1], dtype=torch.float64),
        "reward_reread": torch.tensor([1.0, 1, 0, 1], dtype=torch.float64),
    }
    plain = ["losses.reference_kl=null", "losses.ppo.clip_low=0.2", "rewards.format=0"]
    assert run(given, "method=vision_sr1_e", *plain)["loss"].item() == pytest.approx(0.094281, abs=1e-6)


def test_dvrp_leaves_the_masked_view_and_holds_the_noised_one():
    given = step("masked") | {"logp_noised": torch.tensor(KEEP, dtype=torch.float64)}
    out = run(given, "method=dvrp", "losses.ppo.clip_low=0.2")
    assert out["loss"].item() == pytest.approx(0.045612, abs=1e-6)
    apart = given["logp_noised"] - given["logp"]
    mean = (((apart.exp() - apart - 1) * given["mask"]).sum() / 15).item()
    assert mean == pytest.approx(0.005597, abs=1e-6)
    assert out["loss/hold"].item() == pytest.approx(0.01 * mean, rel=1e-12)
    off = run(given, "method=dvrp", "losses.ppo.clip_low=0.2", "losses.terms.hold.coef=0")
    pull = out["grad_logp"] - off["grad_logp"]
    torch.testing.assert_close(pull, 0.01 * (1 - apart.exp()) / 15 * given["mask"], atol=1e-12, rtol=1e-9)
    assert out["grad_logp_noised"].abs().max() == 0  # a fixed view: an entropy of it could teach nothing


def test_smoothed_weights_spread_over_neighbours_of_the_same_response():
    given = step("masked")
    near = ["weights.region.share=0.2", "weights.region.reach=1"]
    out = run(given, "method=vppo_smoothed", *near)
    # The token of highest k3 is number 2, 3, 2 and 3; a window at an end has two tokens, the others three.
    wanted = torch.zeros(4, 4, dtype=torch.float64)
    half, third = 1 / 2, 1 / 3
    for n, line in enumerate(
        [[half, third, third, 0], [0, third, third, half], [half, third, third, 0], [0, third, half]]
    ):
        wanted[n, : len(line)] = torch.tensor(line, dtype=torch.float64)
    torch.testing.assert_close(out["weights/region"], wanted, atol=1e-12, rtol=0)


def test_smoothed_weights_without_reach_are_the_mask_itself():
    found = run(step("masked"), "method=vppo_smoothed", "weights.region.reach=0")
    wanted = run(step("masked"), "method=vppo")
    assert torch.equal(found["loss"], wanted["loss"]) and torch.equal(found["grad_logp"], wanted["grad_logp"])


def test_perceval_praises_false_statements_less_and_blames_them_more():
    given = step()
    given["mark_false"] = rows("0 1 0 0; 0 0 1 0; 0 0 0 1; 0 0 1")
    plain = ["method=perceval", "losses.reference_kl=null"]
    out = run(given, *plain)
    wanted = rows("1 .9 1 1; 1 1 1.1 1; 1 1 1 1.1; 1 1 .9")
    torch.testing.assert_close(out["weights/misread"], wanted, atol=1e-7, rtol=0)
    assert out["loss"].item() == pytest.approx(0.066758, abs=1e-6)
    even = run(given | {"reward": torch.ones(4, dtype=torch.float64)}, *plain)
    assert even["weights/misread"][given["mask"] > 0].unique().tolist() == [1.0]  # equal rewards: nothing is blamed


def test_the_oracle_of_fact_tokens_averages_over_them_alone():
    given = step()
    given["mark_fact"] = rows("0 1 0 0; 0 0 1 0; 0 0 0 0; 0 0 1")
    out = run(given, "method=fact_tokens_oracle", "losses.ppo.clip_low=0.2")
    gain = out["advantage_tokens"]  # +-0.70711; ratios are exp(-0.05) at token 2 and exp(0.1) at token 3
    ratio = torch.tensor([[-0.05], [0.1], [0], [0.1]], dtype=torch.float64).exp()
    loss = -(gain[[0, 1, 3], [1, 2, 2]] * ratio[[0, 1, 3], 0]).sum() / 3
    assert out["loss"].item() == pytest.approx(loss.item(), rel=1e-7)


def test_q_hawkeye_learns_less_from_problems_whose_scores_scatter():
    # Scores 1 and 5 of the first problem: v = 4 = 0.25 (5 - 1)^2, u = 1. Scores 3 and 4 of the second: v = 0.25,
    # so u = 1/16.
    given = step("masked") | {"reward_place": torch.tensor([1.0, 2.0, 1.5, 1.75], dtype=torch.float64)}
    out = run(given, "method=q_hawkeye", "losses.reference_kl=null")
    first, second = math.exp(-0.2), math.exp(-0.2 / 16)
    wanted = torch.tensor([[first]] * 2 + [[second]] * 2, dtype=torch.float64) * given["mask"]
    torch.testing.assert_close(out["weights/unsure"], wanted, atol=1e-12, rtol=0)
    gain = 0.5 / (0.5**0.5 + 1e-4)  # its code adds 1e-4 to the std, not 1e-6
    assert out["advantage"].tolist() == pytest.approx([gain, -gain, -gain, gain], rel=1e-12)
    lone = given | {"reward_place": torch.tensor([1.0, 0, 0, 0], dtype=torch.float64)}  # one number, then none
    assert run(lone, "method=q_hawkeye", "losses.reference_kl=null")["weights/unsure"][
        given["mask"] > 0
    ].unique().tolist() == [1.0]


NEUTRAL = {
    "perception_r1": (["rewards.facts=null", "rewards.repetition=null"], [], "grpo_no_kl", None),
    "noisyrollout": (["losses.entropy=null"], [], "grpo_no_kl", None),
    "vppo": (["weights.trajectory.low=1", "weights.tokens.share=1"], ["masked"], "dapo_entropy", 0.06),
    "pepo_d": ([], [], "dapo", None),  # progress 0
    "cppo": (["losses.terms.contrast.coef=0", "losses.denominator=all"], ["keep", "remove"], "grpo", None),
    "q_hawkeye": (
        [
            *("weights.unsure.alpha=0", "losses.perception_kl.coef=0", "losses.average=token"),
            "advantage.epsilon=0.000001",
        ],
        ["masked"],
        "grpo",
        None,
    ),
    "perceval": (["weights.misread.size=0"], [], "grpo", None),
    "dvrp": (
        ["losses.perception_kl.coef=0", "losses.terms.hold.coef=0"],
        ["masked", "noised"],
        "grpo_no_kl",
        None,
    ),
    "fine_r1": (["losses.perception_kl.coef=0"], ["negative"], "dapo_entropy", 0.03),
}


@pytest.mark.parametrize("name", NEUTRAL)
def test_neutral_settings_are_the_base_bit_for_bit(name):
    options, views, base, eta = NEUTRAL[name]
    same = ["losses.ppo.clip_low=0.2", "losses.ppo.clip_high=0.28", "losses.reference_kl=null"]
    entropy = [f"losses.entropy.coef={eta}"] if eta else []
    masked = ["losses.entropy.masked_coef=0"] if name == "fine_r1" else []
    found = run(step(*views), f"method={name}", *same, *options, *masked)
    wanted = run(step(), f"method={base}", *same, *entropy)
    assert torch.equal(found["loss"], wanted["loss"]) and torch.equal(found["grad_logp"], wanted["grad_logp"])


STRONG = ["weights.strong.kind=top", "weights.strong.on=perception_kl", "weights.strong.score=k3@masked"]
RIGHT = ["weights.right.kind=correct", "weights.right.on=perception_kl"]
# What the two options of the perception term gave that these weights replace, at the same tensors: loss, loss of the
# term, and the whole gradient of the first two rows.
REPLACED = {
    "strong": (
        STRONG,
        (0.043997543562, -0.003142841850),
        "-.0495573247 -.0459849562 -.0523614914 -.0471403854; .0495573247 .0445996293 .0512086779 .0471403854",
    ),
    "right": (
        RIGHT,
        (0.045057669617, -0.002082715796),
        "-.0497430474 -.0459849562 -.0523614914 -.0471403854; .0495573247 .0448413217 .0520981831 .0471403854",
    ),
    "both": (
        [*STRONG, *RIGHT],
        (0.045073641714, -0.002066743698),
        "-.0495573247 -.0459849562 -.0523614914 -.0471403854; .0495573247 .0448413217 .0520981831 .0471403854",
    ),
}


@pytest.mark.parametrize("name", REPLACED)
def test_papos_token_mask_is_a_weight_with_the_numbers_of_the_option_it_replaced(name):
    weights, losses, gradient = REPLACED[name]
    given = step("masked") | {"accuracy": torch.tensor([1.0, 0, 0, 1], dtype=torch.float64)}
    out = run(given, "method=papo_g", "losses.reference_kl=null", *weights)
    assert (out["loss"].item(), out["loss/perception_kl"].item()) == pytest.approx(losses, abs=1e-12)
    torch.testing.assert_close(out["grad_logp"][:2], rows(gradient), atol=6e-11, rtol=0)
