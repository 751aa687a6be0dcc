"""An update's scores and its dashboard: both views in one pass, dependency metrics by hand."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from math import log
from types import MappingProxyType

import pytest
import torch

from common import read_jsonl
from configs import compose
from models.scoring import AgainstScores, Scores
from tests.models.ragged import assert_same_gradients
from train.audit.force import relative
from train.distributed import Ranks
from train.loop import TrainState, make_state, run_folder, train
from train.losses.averages import spread, token_shares
from train.losses.batch import ScoredBatch
from train.losses.ppo import PpoSettings
from train.needs import needs_of
from train.objective import token_losses, total_loss
from train.scoring.step import make_step
from train.settings import TrainSettings
from train.update import dependency_metrics
from train.words import KINDS

DEPENDENCY = {f"dependency/{name}" for name in ("k3_mean", "share_above", "top_decile", "k1_mean")}


def batch_and_gradients(state: TrainState) -> tuple[ScoredBatch, dict[str, torch.Tensor]]:
    """The first micro-batch of a run's first step, and the gradients of its loss."""
    settings = state.settings
    experience = state.collector.collect(0, 1)
    step = make_step(state.models, experience, settings, state.ranks, 1)
    batch = state.updater.batch(step, [0, 1], state.updater.sides(step, [0, 1]), settings.losses, {})
    shares = token_shares(batch.mask_NT.sum(1).int().tolist(), settings.losses.average, 24)
    state.model.module.zero_grad()
    total_loss(token_losses(settings.losses, batch)[0], spread(shares, batch.mask_NT)).backward()
    return batch, {n: p.grad.clone() for n, p in state.model.module.named_parameters() if p.grad is not None}


@pytest.mark.parametrize("draw", ["per_prompt", "per_response"])
def test_a_gradient_through_both_views_takes_one_pass_and_is_that_of_two(small_run, draw):
    method = ["method=papo_g_both", "losses.perception_kl.coef=1", f"views.masked.draw={draw}"]
    state = make_state(compose(TrainSettings, [*small_run, *method]), Ranks())
    scorer, calls = state.model.scorer, []

    def counted(groups: list, **options: object) -> Scores:
        calls.append(torch.is_grad_enabled())
        return scorer(groups, **options)

    def in_two_passes(groups: list, against: Mapping[str, list] = MappingProxyType({}), **options: object) -> Scores:
        other = {name: AgainstScores(scorer(view, **options).logprobs_NT, None) for name, view in against.items()}
        return replace(scorer(groups, **options), views=other)

    state.model.scorer = counted
    batch, found = batch_and_gradients(state)
    assert sum(calls) == 1
    state.model.scorer = in_two_passes
    other, expected = batch_and_gradients(state)
    torch.testing.assert_close(batch.logp_NT, other.logp_NT, atol=1e-5, rtol=0)
    torch.testing.assert_close(batch.live["logp@masked"], other.live["logp@masked"], atol=1e-5, rtol=0)
    assert batch.live["logp@masked"].requires_grad
    assert_same_gradients(expected, found, 1e-4)


@dataclass(frozen=True)
class PpoWithEntropy(PpoSettings):
    """A term that reads a clean score which no update makes."""

    def fixed(self) -> set[str]:
        return super().fixed() | {"entropy"}


def test_a_clean_score_of_a_term_is_there_for_the_first_mini_batch_too(small_run):
    """The first update's own pass gives old log-probs alone; anything else is made of every row before."""
    settings = compose(TrainSettings, [*small_run, "method=grpo"])
    assert needs_of(settings).early == frozenset()
    settings = replace(settings, losses=replace(settings.losses, ppo=PpoWithEntropy()))
    assert {str(name) for name in needs_of(settings).early} == {"entropy"}
    state = make_state(settings, Ranks())
    experience = state.collector.collect(0, 1)
    step = make_step(state.models, experience, settings, state.ranks, 1)
    assert sorted(step.fixed["entropy"]) == list(range(len(experience.responses)))
    batch = state.updater.batch(step, [0, 1], state.updater.sides(step, [0, 1]), settings.losses, {})
    assert batch.scores["entropy"].shape[0] == 8


def test_dependency_metrics_are_sums_over_responses_that_have_tokens():
    half = log(0.5)
    logp_NT = torch.tensor([[0.0, half], [half, 0.0], [0.0, 0.0]], requires_grad=True)
    masked_NT = torch.tensor([[half, half], [0.0, 9.0], [9.0, 9.0]])
    mask_NT = torch.tensor([[1.0, 1.0], [1.0, 0.0], [0.0, 0.0]])
    scores = {"logp": logp_NT.detach(), "logp@masked": masked_NT}
    batch = ScoredBatch(logp_NT=logp_NT, mask_NT=mask_NT, advantages=(mask_NT,), scores=scores)
    found = dependency_metrics(batch)
    halved, doubled = log(2) - 0.5, 1 - log(2)
    assert not any(value.requires_grad for value in found.values())
    assert {name: value.item() for name, value in found.items()} == pytest.approx(
        {
            "dependency/k3_mean": halved / 2 + doubled,
            "dependency/share_above": 0.5 + 1,
            "dependency/top_decile": halved + doubled,
            "dependency/k1_mean": log(2) / 2 - log(2),
        },
        abs=1e-6,
    )
    assert dependency_metrics(replace(batch, scores={"logp": logp_NT.detach()})) == {}


@pytest.mark.slow
@pytest.mark.parametrize(
    ("options", "logged"),
    [
        (["method=grpo"], set()),
        (["method=papo_g", "losses.perception_kl.coef=0"], DEPENDENCY),
        (["method=papo_g_both"], DEPENDENCY),
    ],
    ids=["no second view", "measured only", "both learn"],
)
def test_methods_with_two_views_log_their_dependency_and_others_none(small_run, options, logged):
    settings = compose(TrainSettings, [*small_run, "steps=1", *options])
    train(settings)
    row = read_jsonl(run_folder(settings) / "metrics.jsonl")[0]
    by_word = {f"dependency/word/{kind}" for kind in KINDS} if logged else set()
    assert {name for name in row if name.startswith("dependency/")} == logged | by_word
    assert all(row[name] > 0 for name in (logged | by_word) - {"dependency/k1_mean"})


def test_forces_are_missing_where_the_policy_term_has_no_gradient():
    pulls = {"force/ppo": 2.0, "force/entropy": 0.5, "force/masked_entropy": 0.0, "loss/ppo": 0.1}
    assert relative(pulls) == pulls | {"force/ppo": 1.0, "force/entropy": 0.25}
    assert relative({**pulls, "force/ppo": 0.0}) == {"loss/ppo": 0.1}
    assert relative({"force/distill": 4.0, "force/entropy": 1.0})["force/entropy"] == 0.25  # no policy term at all
