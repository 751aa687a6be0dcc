"""One number for a token's visual dependency: in the loss, on the dashboard, in ViewScores, in the viewer."""

import pandas as pd
import pytest
import torch

from analysis.dependency.profile import token_frame
from analysis.report.scores import tokens_of
from common import read_jsonl
from configs import compose
from data.mini.world import sample, sample_by_id
from data.views import PatchBlack
from models.dependency import ViewScores, response_scores, score_two_views
from models.kl import K3_BOUND, k3
from models.loader import VisionLanguageModel, load
from models.parts import Group
from train.loop import run_folder, train
from train.losses.batch import ScoredBatch
from train.losses.perception import perception_kl
from train.objective import token_losses
from train.settings import LossSettings, PerceptionKlSettings, TrainSettings
from train.update import dependency_metrics

MASK, SEED, COEF = PatchBlack(), 7, 0.02
LOSSES = LossSettings(perception_kl=PerceptionKlSettings(coef=COEF))
SAMPLES = [sample("train", "chart", 3), sample("train", "chart", 3), sample("train", "counting", 1)]
TOKENS = [[40, 41, 42, 43, 2], [50, 51], [60, 61, 62, 63, 64, 65, 2]]


def training_batch(model: VisionLanguageModel) -> ScoredBatch:
    """The responses as training scores them: the clean view with gradient, the corrupted one before and without."""
    clean, masked = [], []
    for drawn, ids in zip(SAMPLES, TOKENS, strict=True):
        encoded = model.encoder.encode(drawn)
        clean.append(Group(encoded, [ids]))
        masked.append(Group(model.encoder.see_all([(drawn, encoded, 0)], MASK, SEED)[0], [ids]))
    with torch.no_grad():
        masked_NT = model.score(masked).logprobs_NT
    scores = model.score(clean)
    return ScoredBatch(
        logp_NT=scores.logprobs_NT,
        mask_NT=scores.mask_NT,
        advantages=(torch.ones_like(masked_NT),),
        scores={"logp": scores.logprobs_NT.detach(), "logp@masked": masked_NT},
    )


def shown(model: VisionLanguageModel, scores: list[ViewScores]) -> list[torch.Tensor]:
    """k3 of all tokens in a row, as the report's page colours them and as the profiles have them."""
    texts = [model.token_texts(ids) for ids in TOKENS]
    page = [token for one, words in zip(scores, texts, strict=True) for token in tokens_of(one, words)]
    responses = pd.DataFrame({"sample_id": [one.id for one in SAMPLES], "text": "", "correct": True})
    frame = token_frame(responses, {one.id: one for one in SAMPLES}, scores, texts)
    return [torch.tensor([token.scores["k3"] for token in page]), torch.tensor(frame.k3.to_numpy())]


def test_k3_is_the_perception_loss_before_its_coefficient_bounds_included():
    torch.manual_seed(0)
    logp_NT, masked_NT = -3 * torch.rand(4, 50), -3 * torch.rand(4, 50)
    masked_NT[0, :6] = logp_NT[0, :6] + torch.tensor([-60.0, -20.0, -19.9, -11.0, 2.61, 2.62])
    logp_NT[1, :3] = torch.tensor([-25.0, -20.0, -3.0]) + masked_NT[1, :3]
    value_NT, bounded_NT = perception_kl(logp_NT, masked_NT, PerceptionKlSettings())
    found_NT = k3(logp_NT, masked_NT)
    assert torch.equal(found_NT, value_NT) and 0 < bounded_NT.sum() == (found_NT == K3_BOUND).sum()


def test_from_the_same_log_probs_all_four_are_equal_to_the_bit(random_tiny):
    batch = training_batch(random_tiny)
    logp_NT, masked_NT = batch.logp_NT.detach(), batch.scores["logp@masked"]
    scores = [
        ViewScores(drawn.id, tuple(ids), logp_NT[n, : len(ids)], masked_NT[n, : len(ids)])
        for n, (drawn, ids) in enumerate(zip(SAMPLES, TOKENS, strict=True))
    ]
    rows = [one.token_scores()["k3"] for one in scores]
    assert all((value_T > 0).any() for value_T in rows)
    loss_NT, _ = perception_kl(batch.logp_NT, masked_NT, LOSSES.perception_kl)
    logged_NT = token_losses(LOSSES, batch)[1]["actor/kl_prcp_loss"]
    valid_NT, whole_K = batch.mask_NT > 0, torch.cat(rows)
    for value_K in (loss_NT[valid_NT].detach(), -logged_NT[valid_NT], *shown(random_tiny, scores)):
        assert torch.equal(value_K, whole_K)
    dashboard = dependency_metrics(batch)["dependency/k3_mean"].item()
    assert dashboard == pytest.approx(sum(value_T.mean().item() for value_T in rows), rel=1e-6)


def test_scored_anew_they_are_the_same_number(random_tiny):
    """Training scores the views one after the other, the analysis together and without gradient."""
    batch = training_batch(random_tiny)
    terms, _ = token_losses(LOSSES, batch)
    scores = score_two_views(random_tiny, SAMPLES, TOKENS, MASK, SEED)
    loss_K = (-terms["perception_kl"].detach() / COEF)[batch.mask_NT > 0]
    for value_K in (torch.cat([one.token_scores()["k3"] for one in scores]), *shown(random_tiny, scores)):
        torch.testing.assert_close(value_K, loss_K, atol=1e-6, rtol=0)


@pytest.mark.slow
@pytest.mark.parametrize("draw", ["per_prompt", "per_response"])
def test_a_runs_first_step_can_be_scored_again_from_what_it_left(small_run, draw):
    """Base weights, stored rollouts and the step's seed give back the dashboard's numbers."""
    one_update = ["method=papo_g", "steps=1", "optimiser.minibatch_prompts=4", f"views.masked.draw={draw}"]
    settings = compose(TrainSettings, [*small_run, *one_update])
    train(settings)
    row = read_jsonl(run_folder(settings) / "metrics.jsonl")[0]
    rollouts = pd.read_parquet(run_folder(settings) / "rollouts" / "step_000001.parquet").to_dict("records")
    found = rescored(load(settings.model), rollouts, settings)
    logged = {name for name in row if name.startswith("dependency/") and not name.startswith("dependency/word/")}
    assert logged == found.keys()
    for name, value in found.items():
        assert row[name] == pytest.approx(value, abs=1e-6), name
    assert row["dependency/k3_mean"] > 1e-3


def rescored(model: VisionLanguageModel, rollouts: list[dict], settings: TrainSettings) -> dict[str, float]:
    """Means over the responses of a stored first step."""
    samples = [sample_by_id(line["sample_id"]) for line in rollouts]
    tokens = [line["token_ids"].tolist() for line in rollouts]
    view, temperature = settings.views["masked"], settings.rollouts.sampling.temperature
    scores = score_two_views(model, samples, tokens, view, settings.step_seed(1), batch=5, temperature=temperature)
    found: dict[str, float] = {}
    for one in scores:
        pair = one.logprobs_T[None], one.masked_logprobs_T[None]
        for name, value_N in response_scores(*pair, torch.ones_like(pair[0])).items():
            found[f"dependency/{name}"] = found.get(f"dependency/{name}", 0.0) + value_N.item() / len(scores)
    return found
