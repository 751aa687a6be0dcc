"""Groups of all awkward shapes, and gradients of a score, for tests that compare two ways to the same numbers."""

import torch

from data import Sample
from data.mini.world import sample
from models.loader import VisionLanguageModel
from models.parts import Group
from models.scoring import Scores

RAGGED = [[[40, 41, 2], [50], [60, 61, 62, 63, 64, 2]], [[70, 71]], [[80, 81, 82, 2], [90, 2]]]


def text_only() -> Sample:
    return Sample("text", "test", "What is 2 + 2 ?", (), "4")


def two_pictures() -> Sample:
    pictures = (*sample("train", "counting", 1).images, *sample("train", "logic", 2).images)
    return Sample("two", "test", "<image><image>Which is it ?", pictures, "A")


def ragged_groups(model: VisionLanguageModel) -> list[Group]:
    """Groups of three, one and two responses; one prompt has no picture, one has two."""
    samples = (sample("train", "counting", 1), text_only(), two_pictures())
    return [Group(model.encode([s])[0], r) for s, r in zip(samples, RAGGED, strict=True)]


def relative_gap(first: torch.Tensor, second: torch.Tensor) -> float:
    return ((first - second).norm() / first.norm().clamp_min(1e-12)).item()


def gradients(model: VisionLanguageModel, scores: Scores) -> dict[str, torch.Tensor]:
    """Of a sum in which every token has a weight of its own."""
    weights = torch.linspace(0.5, 1.5, scores.logprobs_NT.numel()).view_as(scores.logprobs_NT)
    model.module.zero_grad()
    (scores.logprobs_NT * scores.mask_NT * weights).sum().backward()
    return {name: p.grad.clone() for name, p in model.module.named_parameters() if p.grad is not None}


def assert_same_gradients(first: dict[str, torch.Tensor], second: dict[str, torch.Tensor], bound: float) -> None:
    assert first.keys() == second.keys()
    for name, value in first.items():
        assert relative_gap(value, second[name]) < bound or value.norm() < 1e-6, name


def one_update(model: VisionLanguageModel, rate: float = 1e-2) -> None:
    """AdamW on what learns, away from the scores of today."""
    learning = [p for p in model.module.parameters() if p.requires_grad]
    optimizer = torch.optim.AdamW(learning, lr=rate)
    gradients(model, model.score(ragged_groups(model)))
    optimizer.step()
    optimizer.zero_grad()
