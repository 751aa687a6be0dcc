"""Collapse signals on curves drawn through the paper's Figure 11 readings, with the noise of a real run."""

import json
import math
import random
from itertools import pairwise

import pytest

from common import UserError
from configs import compose
from train.collapse import RECENT, SETTLE, signals
from train.loop import train
from train.settings import TrainSettings

NAMES = {"kl_rise", "clip_high_rise", "masked_entropy_rise", "reward_fall", "entropy_dip_and_rise"}
# (step, value) read off Figure 11 (and 5 for the reward): 7B, gamma 0.02, no regularisation. The KL leaves its level
# at 118 if it grows at the rate of its last two readings; those of the clipped fraction lie on a straight line.
COLLAPSED = {
    "actor/kl_prcp_loss": [(1, 0.02), (20, 0.04), (118, 0.04), (150, 0.22), (177, 0.93), (202, 0.93)],
    "actor/pg_clipfrac_higher": [(1, 0.0006), (125, 0.0006), (150, 0.003), (186, 0.007), (202, 0.007)],
    "actor/entropy_loss": [(1, 0.45), (20, 0.36), (110, 0.33), (150, 0.205), (186, 0.415), (202, 0.415)],
    "actor/masked_entropy_loss": [(1, 0.45), (20, 0.38), (140, 0.38), (177, 1.33), (202, 1.33)],
    "critic/rewards/mean": [(1, 0.45), (145, 0.65), (186, 0.54), (202, 0.54)],
}
# gamma 0.01, which does not collapse
HEALTHY = {
    "actor/kl_prcp_loss": [(1, 0.02), (20, 0.04), (202, 0.04)],
    "actor/pg_clipfrac_higher": [(1, 0.0006), (202, 0.0005)],
    "actor/entropy_loss": [(1, 0.45), (60, 0.33), (202, 0.355)],
    "actor/masked_entropy_loss": [(1, 0.45), (20, 0.4), (202, 0.4)],
    "critic/rewards/mean": [(1, 0.45), (202, 0.66)],
}


EXPLODE = ("actor/kl_prcp_loss", "actor/masked_entropy_loss")


def value_at(points: list[tuple[int, float]], step: int, explodes: bool) -> float:
    """Between two readings: geometric for what explodes, else a straight line."""
    for (left, low), (right, high) in pairwise(points):
        if left <= step <= right:
            share = (step - left) / (right - left)
            return low * (high / low) ** share if explodes else low + (high - low) * share
    raise AssertionError(step)


def run_of(curves: dict[str, list[tuple[int, float]]], seed: int, noise: float = 0.05) -> list[dict[str, float]]:
    """202 rows; clip fractions, which count rare events, get three times the noise."""
    draw = random.Random(seed)
    rows = []
    for step in range(1, 203):
        row = {}
        for metric, points in curves.items():
            spread = {"actor/pg_clipfrac_higher": 3 * noise, "critic/rewards/mean": 0.5 * noise}.get(metric, noise)
            value = value_at(points, step, metric in EXPLODE) * math.exp(draw.gauss(0, spread))
            row[metric] = -value if metric == "actor/kl_prcp_loss" else value
        rows.append(row)
    return rows


def first_steps(rows: list[dict[str, float]]) -> dict[str, int]:
    """The step at which each signal is first seen."""
    first: dict[str, int] = {}
    for step in range(1, len(rows) + 1):
        for name, value in signals(rows[:step]).items():
            if value and name not in ("collapse/signals", "collapse/onset"):
                first.setdefault(name.removeprefix("collapse/"), step)
    return first


@pytest.mark.parametrize("seed", range(10))
def test_a_healthy_run_raises_nothing_at_any_step(seed: int) -> None:
    assert first_steps(run_of(HEALTHY, seed)) == {}


@pytest.mark.parametrize("seed", range(10))
def test_a_collapsing_run_raises_all_five_and_clip_high_first(seed: int) -> None:
    """By the readings the clean view's surprisal turns at 150 and so is seen last, after the reward began to fall."""
    rows = run_of(COLLAPSED, seed)
    first = first_steps(rows)
    assert first.keys() == NAMES
    assert min(first, key=first.__getitem__) == "clip_high_rise"
    assert 125 < first["clip_high_rise"] < 145 < first["reward_fall"] < 180
    assert max(first["clip_high_rise"], first["kl_rise"]) < first["reward_fall"]
    assert signals(rows)["collapse/signals"] == 5
    assert signals(rows[:186])["collapse/signals"] == 5


def test_silent_while_a_run_is_young() -> None:
    wild = [{"actor/kl_prcp_loss": -(2.0**step), "critic/rewards/mean": 1.0 / step} for step in range(1, 34)]
    assert len(wild) < SETTLE + 2 * RECENT
    found = signals(wild)
    assert found.pop("collapse/onset") == 1  # this one looks at few rows
    assert found == {"collapse/kl_rise": 0, "collapse/reward_fall": 0, "collapse/signals": 0}


def test_metrics_that_are_not_logged_have_no_signal() -> None:
    assert signals([]) == {"collapse/signals": 0, "collapse/onset": 0}
    rewards = [{"critic/rewards/mean": 0.5}] * 50
    assert signals(rewards) == {"collapse/reward_fall": 0, "collapse/signals": 0, "collapse/onset": 0}


def test_thresholds_by_hand() -> None:
    def last(metric: str, before: float, after: float) -> float:
        return signals([{metric: before}] * 50 + [{metric: after}] * RECENT)["collapse/signals"]

    assert [last("actor/kl_prcp_loss", -0.04, after) for after in (-0.11, -0.12)] == [0, 1]
    assert [last("actor/pg_clipfrac_higher", 0.0, after) for after in (0.0003, 0.0004)] == [0, 1]
    assert [last("actor/masked_entropy_loss", 0.4, after) for after in (0.59, 0.61)] == [0, 1]
    assert [last("critic/rewards/mean", 0.6, after) for after in (0.58, 0.56)] == [0, 1]
    assert last("actor/entropy_loss", 0.4, 0.2) == 0  # a dip alone is what learning does


def test_noise_alone_is_no_signal() -> None:
    """A small run whose rewards scatter by a tenth: falls of that size say nothing."""
    draw = random.Random(0)
    rows = [{"critic/rewards/mean": 0.7 + draw.gauss(0, 0.07)} for _ in range(300)]
    assert first_steps(rows) == {}


def onset(rows: list[dict[str, float]]) -> int | None:
    """The first step at which the onset is seen."""
    return next((step for step in range(1, len(rows) + 1) if signals(rows[:step])["collapse/onset"]), None)


def ruined(seed: int, at: int, keeps: float = 0.2, reason: bool = True) -> list[dict[str, float]]:
    """A mini run whose reward falls within five steps from step `at` on, while the perception KL explodes."""
    draw = random.Random(seed)
    rows = []
    for step in range(1, 61):
        gone = min(1.0, max(0, step - at) / 5)
        reward = (0.45 + 0.004 * min(step, at)) * (1 - (1 - keeps) * gone) + draw.gauss(0, 0.03)
        kl = 0.1 * (20**gone if reason else 1) * math.exp(draw.gauss(0, 0.1))
        rows.append({"critic/rewards/mean": reward, "actor/kl_prcp_loss": -kl, "response_length/clip_ratio": 0.0})
    return rows


@pytest.mark.parametrize("at", [6, 15, 40])
@pytest.mark.parametrize("seed", range(10))
def test_the_onset_is_seen_within_five_steps(seed: int, at: int) -> None:
    found = onset(ruined(seed, at))
    assert found is not None and at < found <= at + 5


@pytest.mark.parametrize("seed", range(40))
def test_a_run_that_learns_or_stands_still_has_no_onset(seed: int) -> None:
    assert onset(ruined(seed, at=60)) is None
    draw = random.Random(seed)
    assert onset([{"critic/rewards/mean": 0.3 + draw.gauss(0, 0.05)} for _ in range(60)]) is None
    assert onset(run_of(HEALTHY, seed)) is None


@pytest.mark.parametrize("seed", range(10))
def test_a_fall_of_a_third_needs_a_reason_and_one_of_two_thirds_none(seed: int) -> None:
    assert onset(ruined(seed, at=20, keeps=0.65, reason=False)) is None
    assert onset(ruined(seed, at=20, keeps=0.65)) is not None
    assert onset(ruined(seed, at=20, keeps=0.3, reason=False)) is not None


def test_responses_that_run_into_the_limit_are_a_reason() -> None:
    steady = [{"critic/rewards/mean": 0.5 + 0.01 * (-1) ** n, "response_length/clip_ratio": 0.0} for n in range(20)]
    fallen = [{"critic/rewards/mean": 0.33, "response_length/clip_ratio": 0.6}] * 3
    assert onset(steady + fallen) == 23
    assert onset(steady + [row | {"response_length/clip_ratio": 0.1} for row in fallen]) is None


@pytest.mark.slow
def test_a_run_that_collapses_says_so_and_stops_where_asked(tmp_path, capsys) -> None:
    """A coefficient far too large ruins the shipped base within a dozen steps."""
    options = ["scale=mini", "method=papo_g", "losses.perception_kl.coef=8", "optimiser.learning_rate=5e-4"]
    options += ["rollouts.prompts=9", "optimiser.minibatch_prompts=3", "keep.wandb=disabled", "keep.rollouts_every=0"]
    options += [f"run={tmp_path}/run", "steps=25", "keep.stop_on_collapse=true"]
    with pytest.raises(UserError, match="collapsed and was stopped"):
        train(compose(TrainSettings, options))
    rows = [json.loads(line) for line in (tmp_path / "run" / "metrics.jsonl").read_text().splitlines()]
    assert rows[-1]["collapse/onset"] == 1 and not any(row["collapse/onset"] for row in rows[:-1])
    assert f"collapses at step {rows[-1]['step']}" in capsys.readouterr().err
    assert not (tmp_path / "run" / "final").exists()
