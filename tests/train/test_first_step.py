"""A run leaves what its first step learnt from: an outsider recomputes scores, advantages, W and the gradient."""

import json

import pytest
import torch
from safetensors import safe_open

from common import read_jsonl
from configs import compose
from data.sources import Samples
from models.loader import load
from models.parts import Group
from train.loop import run_folder, train
from train.settings import TrainSettings

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def settings(tmp_path_factory: pytest.TempPathFactory) -> TrainSettings:
    """One step of VPPO in one update, on problems of which some are answered both ways."""
    options = [
        "scale=mini",
        "method=vppo",
        "rollouts.prompts=4",
        "rollouts.group=4",
        "rollouts.filter=null",
        "rollouts.sampling.max_new_tokens=24",
        "optimiser.minibatch_prompts=4",
        "keep.wandb=disabled",
        "keep.rollouts_every=0",
        "steps=1",
        f"run={tmp_path_factory.mktemp('first') / 'run'}",
    ]
    settings = compose(TrainSettings, options)
    train(settings)
    return settings


@pytest.fixture(scope="module")
def left(settings: TrainSettings) -> tuple[dict[str, torch.Tensor], list[dict]]:
    with safe_open(run_folder(settings) / "first_step.safetensors", "pt") as file:
        return {name: file.get_tensor(name) for name in file.keys()}, json.loads(file.metadata()["blocks"])  # noqa: SIM118


def groups(settings, model, tensors, blocks, masked: bool) -> list[Group]:
    """Every response behind its prompt, or behind its own draw of the masked picture."""
    samples = {sample.id: sample for sample in Samples(settings.data, settings.seed).take(0, 40)}
    seed = settings.seed * 1_000_003 + 1
    found = []
    for block in blocks:
        sample = samples[block["sample"]]
        prompt = model.encoder.encode(sample)
        for draw, row in enumerate(range(*block["rows"])):
            ids = tensors["token_ids"][row][tensors["mask"][row] > 0].tolist()
            seen = model.encoder.see_all([(sample, prompt, draw)], settings.views["masked"], seed)[0]
            found.append(Group(seen if masked else prompt, [ids]))
    return found


def test_scores_are_those_of_the_start_weights(settings, left):
    tensors, blocks = left
    model = load(settings.model)
    for name, masked in (("score/logp", False), ("score/logp@masked", True)):
        with torch.no_grad():
            found_NT = model.score(groups(settings, model, tensors, blocks, masked)).logprobs_NT
        torch.testing.assert_close(found_NT, tensors[name], atol=1e-4, rtol=0)


def test_advantages_and_weights_follow_from_the_file_alone(left):
    t, _ = left
    mask, lengths = t["mask"], t["mask"].sum(1)
    for group in t["group"].unique():
        reward = t["reward"][t["group"] == group]
        wanted = (reward - reward.mean()) / (reward.std() + 1e-6)
        torch.testing.assert_close(t["advantage/0"][t["group"] == group][:, 0], wanted)
    d = (t["score/logp@masked"] - t["score/logp"]).clamp(-20, 20)
    k3 = (d.exp() - d - 1).clamp(max=10) * mask
    mean = k3.sum(1) / lengths
    place = (mean - mean.min()) / (mean.max() - mean.min())
    torch.testing.assert_close(t["weights/trajectory"][:, 0], 0.9 + place * 0.1 / (place.mean() + 1e-8))
    for row, length in enumerate(lengths.int().tolist()):
        kept = k3[row, :length].argsort(descending=True, stable=True)[: -(-length * 4 // 10)]
        wanted = torch.zeros(length).index_fill(0, kept, 1.0)
        assert torch.equal(t["weights/tokens"][row, :length], wanted)


def test_the_gradients_norm_is_that_of_the_formula(settings, left):
    t, blocks = left
    model = load(settings.model)
    logp = model.score(groups(settings, model, t, blocks, masked=False)).logprobs_NT
    weight = t["weights/trajectory"] * t["weights/tokens"]
    # At the first update every ratio is 1, and the surrogate's gradient is that of -A W log p.
    loss = ((-t["advantage/0"] * weight - 0.06) * logp * t["mask"]).sum() / t["mask"].sum()
    loss.backward()
    parameters = [p.grad for p in model.module.parameters() if p.grad is not None]
    norm = torch.stack([gradient.norm() for gradient in parameters]).norm().item()
    row = read_jsonl(run_folder(settings) / "metrics.jsonl")[0]
    assert row["actor/grad_norm"] == pytest.approx(norm, rel=1e-4)
    assert row["force/ppo"] == 1.0 and row["force/entropy"] > 0
