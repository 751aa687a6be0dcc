"""Every advantage estimator on hand-worked numbers, with groups that are mixed up."""

import math

import pytest
import torch

from train.advantages import advantages, returns, whitened

REWARD = torch.tensor([1.0, 5.0, 0.0, 5.0, 0.5])
GROUP = torch.tensor([7, 3, 7, 3, 7])
LENGTHS = [2, 1, 3, 1, 2]


def first(rows: list[torch.Tensor]) -> list[float]:
    return [row[0].item() for row in rows]


@pytest.mark.parametrize(
    ("kind", "expected"),
    [
        ("grpo", [1.0, 0.0, -1.0, 0.0, 0.0]),  # group 7: mean 0.5, std (n-1) 0.5
        ("drgrpo", [0.5, 0.0, -0.5, 0.0, 0.0]),
        ("rloo", [0.75, 0.0, -0.75, 0.0, 0.0]),  # 1 - (0 + 0.5) / 2
    ],
)
def test_estimators_per_response(kind, expected):
    rows = advantages(kind, REWARD, GROUP, LENGTHS)
    assert [len(row) for row in rows] == LENGTHS
    assert first(rows) == pytest.approx(expected, abs=1e-5)
    assert all(torch.equal(row, row[:1].expand(len(row))) for row in rows)


def test_rloo_is_drgrpo_times_a_constant():
    reward, group = torch.rand(8), torch.tensor([0] * 4 + [1] * 4)
    plain = torch.cat(advantages("drgrpo", reward, group, [1] * 8))
    torch.testing.assert_close(torch.cat(advantages("rloo", reward, group, [1] * 8)), plain * 4 / 3)


@pytest.mark.parametrize("kind", ["grpo", "drgrpo", "rloo"])
def test_a_group_of_one_keeps_its_reward(kind):
    assert first(advantages(kind, torch.tensor([0.3]), torch.tensor([0]), [2])) == pytest.approx([0.3])


def test_whole_number_rewards_are_fine():
    rows = advantages("grpo", torch.tensor([1, 0]), torch.tensor([0, 0]), torch.tensor([1, 1]))
    assert first(rows) == pytest.approx([0.5**0.5, -(0.5**0.5)], abs=1e-5)


def test_whitening_runs_over_tokens_so_long_responses_weigh_more():
    rows = whitened([torch.tensor([3.0]), torch.tensor([0.0, 0.0, 0.0])])
    # mean 0.75, variance with n-1: (2.25^2 + 3 x 0.75^2) / 3 = 2.25
    assert rows[0].item() == pytest.approx(1.5, rel=1e-6) and rows[1].tolist() == pytest.approx([-0.5] * 3, rel=1e-6)


def test_whitening_of_equal_values_or_one_token_is_zero():
    assert torch.cat(whitened([torch.ones(2), torch.ones(1)])).tolist() == [0, 0, 0]
    assert whitened([torch.tensor([4.0])])[0].tolist() == [0]


def test_reinforce_pp_baseline_centres_by_group_and_whitens_by_token():
    rows = advantages("reinforce_pp_baseline", torch.tensor([1.0, 0.0]), torch.tensor([0, 0]), [1, 3])
    # 0.5 once and -0.5 three times: mean -0.25, variance (0.75^2 + 3 x 0.25^2) / 3 = 0.25
    assert rows[0].item() == pytest.approx(1.5, rel=1e-6) and rows[1].tolist() == pytest.approx([-0.5] * 3, rel=1e-6)


def test_returns_carry_the_kl_of_the_tokens_ahead():
    rows = returns(torch.tensor([1.0, 0.0]), [3, 1], [torch.tensor([0.1, -0.2, 0.4]), torch.tensor([0.5])], 2.0)
    assert rows[0].tolist() == pytest.approx([1 - 2 * 0.3, 1 - 2 * 0.2, 1 - 2 * 0.4])
    assert rows[1].tolist() == pytest.approx([-1.0])


def test_reinforce_pp_whitens_its_returns_and_ignores_groups():
    kl_rows = [torch.tensor([0.1, -0.2, 0.4]), torch.tensor([0.5])]
    rows = advantages("reinforce_pp", torch.tensor([1.0, 0.0]), torch.tensor([0, 9]), [3, 1], kl_rows, 2.0)
    values = [0.4, 0.6, 0.2, -1.0]
    mean = sum(values) / 4
    scale = math.sqrt(sum((value - mean) ** 2 for value in values) / 3 + 1e-8)
    assert torch.cat(rows).tolist() == pytest.approx([(value - mean) / scale for value in values], rel=1e-5)


@pytest.mark.parametrize("kind", ["grpo", "drgrpo", "rloo"])
def test_kl_in_the_reward_of_per_response_estimators_is_a_sum(kind):
    kl_rows = [torch.tensor([0.1, 0.3]), torch.tensor([-0.2])]
    group = torch.tensor([0, 0])
    rows = advantages(kind, torch.tensor([1.0, 0.0]), group, [2, 1], kl_rows, 0.5)
    plain = advantages(kind, torch.tensor([1 - 0.5 * 0.4, 0.0 + 0.5 * 0.2]), group, [2, 1])
    assert first(rows) == pytest.approx(first(plain), rel=1e-6)
