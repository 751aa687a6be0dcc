"""Divergences of distillation on rows worked out by hand: VGS, VCSD and Vision-OPD."""

import math
from functools import partial

import pytest
import torch

from models.divergence import DISTANCES, PLAIN, Rows, kl
from train.losses.buckets import Buckets, bucketed, in_buckets
from train.losses.sharpen import Sharpen, sharpened_target, to_sharpened
from train.losses.steer import Steer, steered_target, to_blind_teacher, to_steered

OWN, TEACHER = [0.45, 0.35, 0.15, 0.05], [0.60, 0.28, 0.08, 0.04]
OWN_BLIND, TEACHER_BLIND = [0.2, 0.5, 0.2, 0.1], [0.3, 0.45, 0.15, 0.1]


def logs(values: list[float]) -> torch.Tensor:
    return torch.tensor([values], dtype=torch.float64).log()


def rows(*sides: list[float], end_ids: tuple[int, ...] = ()) -> Rows:
    return Rows(tuple(logs(side) for side in sides), end_ids)


def test_plain_distillation_and_vgss_terms_on_one_row():
    assert PLAIN["reverse_kl"](rows(OWN, TEACHER)).item() == pytest.approx(0.054092, abs=1e-6)
    target = steered_target(logs(OWN_BLIND), logs(TEACHER), logs(TEACHER_BLIND)).exp()
    assert target[0].tolist() == pytest.approx([0.46632, 0.36269, 0.12435, 0.04663], abs=1e-5)
    steered = to_steered(rows(OWN, OWN_BLIND, TEACHER, TEACHER_BLIND)).item()
    prior = to_blind_teacher(rows(OWN_BLIND, TEACHER_BLIND)).item()
    assert (steered, prior) == pytest.approx((0.003112, 0.029124), abs=1e-6)
    assert kl(logs(TEACHER), logs(TEACHER_BLIND)).item() == pytest.approx(0.196100, abs=1e-6)  # what the gate reads
    loss = 0.41 * (0.054092 + 2 * steered + 0.01 * prior)
    assert loss == pytest.approx(0.024849, abs=2e-6)


def test_the_steered_target_is_the_identity_that_explains_it():
    """KL(p || q*) = KL(p || p') - E_p log(q / q') + log Z."""
    own, blind, q, q_blind = (logs(side) for side in (OWN, OWN_BLIND, TEACHER, TEACHER_BLIND))
    log_z = (blind + q - q_blind).logsumexp(-1)
    expected = kl(own, blind) - (own.exp() * (q - q_blind)).sum(-1) + log_z
    torch.testing.assert_close(to_steered(Rows((own, blind, q, q_blind), ())), expected)


def test_vgss_prior_is_stopped_in_the_target_and_learns_in_its_own_term():
    own, blind = logs(OWN).requires_grad_(), logs(OWN_BLIND).requires_grad_()
    to_steered(Rows((own, blind, logs(TEACHER), logs(TEACHER_BLIND)), ())).sum().backward()
    assert own.grad.abs().max() > 0 and blind.grad is None
    to_blind_teacher(Rows((blind, logs(TEACHER_BLIND)), ())).sum().backward()
    assert blind.grad.abs().max() > 0


@pytest.mark.parametrize(
    ("temperature", "target", "divergence"),
    [
        (1.0, [0.8469, 0.1230, 0.0301, 0.0], 0.358590),  # the support is the first three ids
        (2.0, [0.5935, 0.2261, 0.1119, 0.0685], 0.117537),  # at twice the temperature it is all four
    ],
)
def test_vcsds_target_and_divergence_on_one_row(temperature, target, divergence):
    q, blind = ((logs(side) / temperature).log_softmax(-1) for side in (TEACHER, TEACHER_BLIND))
    assert sharpened_target(q, blind, (), 1.0, 0.1).exp()[0].tolist() == pytest.approx(target, abs=1e-4)
    found = to_sharpened(rows(OWN, TEACHER, TEACHER_BLIND), alpha=1.0, beta=0.1, temperature=temperature)
    assert found.item() == pytest.approx(divergence, abs=1e-6)


def test_vcsds_factor_is_the_squared_temperature_and_the_released_form_has_it_alone():
    soft, released = Sharpen(), Sharpen(soften=False)
    values = [
        one.temperature**2 * one.divergences()["kl_sharpened"].value(rows(OWN, TEACHER, TEACHER_BLIND)).item()
        for one in (soft, released)
    ]
    assert values == pytest.approx([0.470148, 1.434359], abs=1e-6)


def test_vcsd_gives_ids_that_end_a_response_no_gain():
    """With end id 0 its score is log q alone: 0.6 against 0.28^2 / 0.45 and 0.08^2 / 0.15 of the others."""
    q, blind = logs(TEACHER), logs(TEACHER_BLIND)
    shares = [0.6, 0.28**2 / 0.45, 0.08**2 / 0.15]
    found = sharpened_target(q, blind, (0,), 1.0, 0.1).exp()[0].tolist()
    assert found == pytest.approx([share / sum(shares) for share in shares] + [0.0], abs=1e-9)
    assert found != pytest.approx(sharpened_target(q, blind, (), 1.0, 0.1).exp()[0].tolist(), abs=1e-3)


def test_vcsd_without_sharpening_is_the_plain_forward_divergence_bit_for_bit():
    given = rows(OWN, TEACHER, TEACHER_BLIND)
    plain = PLAIN["forward_kl"](Rows(given.sides[:2], ()))
    assert torch.allclose(to_sharpened(given, alpha=0.0, beta=0.0, temperature=1.0), plain, rtol=0, atol=1e-16)


def test_vcsd_teaches_nothing_through_the_teacher_and_its_gradient_is_finite_outside_the_support():
    own = logs(OWN).requires_grad_()
    to_sharpened(Rows((own, logs(TEACHER), logs(TEACHER_BLIND)), ()), 1.0, 0.1, 1.0).sum().backward()
    # d KL(q* || p) / d logits of p = p - q*; log-probs are logits of themselves.
    wanted = torch.tensor([OWN]) - torch.tensor([[0.8469, 0.1230, 0.0301, 0.0]])
    torch.testing.assert_close(own.grad, wanted.double(), atol=1e-4, rtol=0)


def test_vision_opd_on_two_classes_and_the_rest():
    top = torch.tensor([[0, 1]])
    assert in_buckets(logs(OWN), top).exp()[0].tolist() == pytest.approx([0.45, 0.35, 0.20])
    assert in_buckets(logs(TEACHER), top).exp()[0].tolist() == pytest.approx([0.60, 0.28, 0.12])
    assert bucketed(rows(OWN, TEACHER), "js", 2).item() == pytest.approx(0.012377, abs=1e-6)


def test_vision_opds_classes_are_the_students_likeliest_not_the_teachers():
    own, teacher = [0.1, 0.2, 0.7], [0.8, 0.15, 0.05]
    expected = DISTANCES["js"](logs([0.7, 0.3]), logs([0.05, 0.95]))
    torch.testing.assert_close(bucketed(rows(own, teacher), "js", 1), expected)


def test_vision_opd_with_all_ids_is_the_plain_distance_bit_for_bit():
    for distance in ("js", "forward_kl", "reverse_kl"):
        for top in (0, 4, 9):
            assert torch.equal(bucketed(rows(OWN, TEACHER), distance, top), PLAIN[distance](rows(OWN, TEACHER)))


def test_vision_opds_rest_is_finite_where_the_top_holds_everything():
    """A confident student leaves nothing: the public code's log(1 - 1) would be -inf."""
    sure = torch.tensor([[0.0, -800.0, -900.0]], requires_grad=True)
    value = bucketed(Rows((sure, logs([0.4, 0.3, 0.3]).float()), ()), "js", 2)
    value.sum().backward()
    assert value.isfinite().all() and sure.grad.isfinite().all()
    assert math.isinf(torch.log1p(-sure.detach()[:, :2].logsumexp(-1).exp()).item())


def test_terms_name_the_sides_that_they_compare():
    steer, sharpen, buckets = Steer(view="v"), Sharpen(view="v"), Buckets(view="v")
    both = steer.divergences()["kl_teacher_steered"]
    assert both.views("policy") == both.views("teacher") == {"clean", "v"}
    assert sharpen.divergences()["kl_sharpened"].views("teacher") == {"clean", "v"}
    assert buckets.divergences()["jsd_teacher"].views("teacher") == {"v"}
    assert isinstance(sharpen.divergences()["kl_sharpened"].value, partial)
