"""Faults of the public code of Q-Hawkeye, CFPO, VGS, VCSD, Vision-OPD and SRPO, each with a test that their way fails.

CFPO's joined rows are in tests/models/test_averaged.py, VCSD's lost average in tests/train/test_moving_average.py.
"""

import math
from dataclasses import replace

import pytest
import torch

from common import UserError
from configs import compose
from models.divergence import Rows
from models.head import State, compared
from tests.train.test_objective import random_batch
from tests.train.test_worked_numbers import rows, run, step
from train.audit.gradient import audit
from train.losses.buckets import bucketed
from train.losses.perception import gamma_at
from train.losses.sharpen import Sharpen
from train.losses.steer import to_steered
from train.objective_command import ObjectiveCommand
from train.rewards.repetition import repetition

HAWKEYE = ["method=q_hawkeye", "losses.reference_kl=null", "losses.constant=[weights.unsure]"]


def test_q_hawkeyes_switches_that_nobody_declares_are_refused():
    """The released script sets both entropy coefficients and neither switch, so its double entropy never acts."""
    with pytest.raises(UserError, match="unknown"):
        compose(ObjectiveCommand, ["method=q_hawkeye", "losses.use_entropy_loss=true"])
    off, on = (run(step("masked"), *HAWKEYE, *more) for more in ([], ["losses.entropy.coef=0.001"]))
    assert "loss/entropy" not in off and (on["grad_logp"] - off["grad_logp"]).abs().max() > 1e-5


def test_q_hawkeyes_second_entropy_is_a_constant_and_stops_a_run():
    losses = compose(
        ObjectiveCommand, [*HAWKEYE, "losses.entropy.coef=0.001", "losses.entropy.masked_coef=0.001"]
    ).losses
    with pytest.raises(UserError, match="masked_entropy does not depend on the policy's live log-probs"):
        audit(losses, random_batch())
    audit(replace(losses, constant=["masked_entropy", "weights.unsure"]), random_batch())


def test_q_hawkeyes_gamma_is_tiny_and_gone_after_a_third_of_the_run():
    term = compose(ObjectiveCommand, HAWKEYE).losses.perception_kl
    assert gamma_at(term, 0, 300) == 1e-4 and gamma_at(term, 99, 300) > 0
    assert [gamma_at(term, at, 300) for at in (100, 150, 299)] == [0.0] * 3
    papo = compose(ObjectiveCommand, ["method=papo_g"]).losses.perception_kl
    assert papo.coef / term.coef == pytest.approx(200)


def test_q_hawkeyes_clip_acts_here():
    """There epsilon_high is passed on and nothing is clipped, as the ratio is exp(l - stop l)."""
    given = step("masked")
    given["logp"][0, 0] = given["old_logp"][0, 0] + math.log(1.5)  # A > 0, beyond 1 + 0.3
    out = run(given, *HAWKEYE, "losses.perception_kl.coef=0", "losses.ppo.clip_high=0.3")
    assert out["grad_logp"][0, 0] == 0 and out["grad_logp"][0, 1] != 0


def test_an_entropy_term_does_not_grow_with_the_length_of_an_answer():
    """There it is a sum over tokens: four times the answer, four times the push. Here a response's tokens share it."""
    given = step("masked")
    long = {name: value.repeat_interleave(4, dim=1) if value.ndim == 2 else value for name, value in given.items()}
    found = []
    for one in (given, long):
        off, on = (run(one, *HAWKEYE, f"losses.entropy.coef={coef}") for coef in ("1e-9", "0.1"))
        found.append((on["grad_logp"] - off["grad_logp"]).sum(1))
    torch.testing.assert_close(found[0], found[1])
    torch.testing.assert_close(found[0], torch.full((4,), -0.1 / 4).double(), atol=1e-8, rtol=0)


def test_repetition_counts_sequences_of_words_not_characters():
    """There every character that comes more than five times in the answer costs 0.25: 3.3333333 is punished."""
    assert repetition("3.3333333333333", 20, 2.0) == 0 and repetition("aaaaaaaaaa bbbbbbbbbbbb", 1, 2.0) == 0
    assert repetition("so it is so it is so it is", 3, 2.0) < 0
    assert "repetition" not in compose(ObjectiveCommand, HAWKEYE).rewards


def test_vgss_gate_ranks_a_whole_step_so_micro_batches_do_not_change_it():
    """A quantile of each half would let tokens of both pass; over the step all five lie in the first."""
    kl = "9 8 7 0; 6 5 .1 .2; .3 .4 .1 .2; .1 .3 .2"
    names = ("kl_teacher", "kl_teacher_steered", "kl_prior")
    given = step() | {name: rows(kl) for name in (*names, "teacher_kl_none")}
    given["logp_none"] = given["logp"] - 1
    whole = run(given, "method=vgs")["weights/gate"]
    assert whole[:2].sum() == 5 and whole[2:].sum() == 0
    half = run({name: value[2:] for name, value in given.items()}, "method=vgs")["weights/gate"]
    assert half.sum() > 0


def test_output_layers_that_are_padded_add_no_classes():
    """Vision-OPD and VGS: softmax over the padding rows of an output layer moves mass to ids that do not exist."""
    torch.manual_seed(3)
    weight_VD, hidden = torch.randn(7, 4), [torch.randn(5, 4) for _ in range(4)]
    heads = [torch.nn.Linear(4, size, bias=False) for size in (7, 7, 9)]
    for head in heads:
        head.weight.data[:7] = weight_VD
    heads[2].weight.data[7:] = 100.0
    for value in (to_steered, lambda given: bucketed(Rows(given.sides[::2], ()), "js", 3)):
        found = []
        for teacher in heads[1:]:
            both = (heads[0], heads[0], teacher, teacher)
            states = [State(states_KD, head) for states_KD, head in zip(hidden, both, strict=True)]
            found.append(compared(states, lambda sides, value=value: value(Rows(tuple(sides), ()))))
        torch.testing.assert_close(found[0], found[1])


def test_distributions_are_float32_whatever_the_states_are():
    """Vision-OPD: log-softmax in bfloat16 has three digits."""
    torch.manual_seed(4)
    head = torch.nn.Linear(8, 50, bias=False).bfloat16()
    states = [State(torch.randn(3, 8).bfloat16(), head) for _ in range(2)]
    value = compared(states, lambda sides: bucketed(Rows(tuple(sides), ()), "js", 5))
    logits = [(state.hidden_KD @ head.weight.T).float() for state in states]
    wanted = bucketed(Rows(tuple(one.log_softmax(-1) for one in logits), ()), "js", 5)
    assert value.dtype == torch.float32
    torch.testing.assert_close(value, wanted)


def test_vcsds_temperature_softens_the_distributions_and_not_the_factor_alone():
    """As released all distributions stay at 1, where a sure teacher leaves one id: a reported collapse of entropy."""
    sure = torch.tensor([[0.97, 0.02, 0.01]]).log()
    given = Rows((torch.tensor([[0.5, 0.3, 0.2]]).log(), sure, sure), ())
    soft, released = (
        one.divergences()["kl_sharpened"].value(given).item() for one in (Sharpen(), Sharpen(soften=False))
    )
    assert released == pytest.approx(-math.log(0.5))  # a target of one id
    shares = [math.sqrt(p) for p in (0.97, 0.02, 0.01)]  # all three are within a tenth of the highest at temperature 2
    target, own = ([one / sum(side) for one in side] for side in (shares, [math.sqrt(p) for p in (0.5, 0.3, 0.2)]))
    expected = sum(q * math.log(q / p) for q, p in zip(target, own, strict=True))
    assert soft == pytest.approx(expected, rel=1e-5)


def test_srpo_turns_no_update_around_and_keeps_its_size():
    """Without the shared baseline a negative contrast would be a negative weight."""
    given = step("masked") | {"mark_perception": rows("1 1 0 0; 1 0 0 0; 1 1 1 0; 0 1 0")}
    given["logp_masked"] = given["old_logp"] + rows("1 .5 .2 .1; .3 .2 .1 .9; .1 .2 .3 .4; .5 .6 .7")
    given["logp_unread"] = given["old_logp"] + rows("0 0 2 3; 0 1 2 1; 0 0 0 1; 1 0 1")  # every contrast below 0
    out = run(given, "method=srpo", "losses.reference_kl=null")
    valid = given["mask"] > 0
    assert (out["weights/roles"][valid] > 0).all()
    assert torch.equal(out["grad_logp"][valid].sign(), -out["advantage_tokens"][valid].sign())
    torch.testing.assert_close(out["weights/roles"].sum(1), given["mask"].sum(1))
