"""Log-probs that stay fixed during a step of updates: old policy, reference, corrupted views; only if asked for."""

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field

import torch
from torch import Tensor

from models.loader import VisionLanguageModel
from models.scoring import Group
from train.rollout import Experience
from train.settings import TrainSettings, scores_old
from train.world import World

Rows = dict[int, Tensor]  # number of the response -> its log-probs [T]


@dataclass(frozen=True)
class FixedScores:
    """Rows of this process's responses; None where nobody asks."""

    old: Rows | None = None
    reference: Rows | None = None
    views: dict[str, Rows] = field(default_factory=dict)


@dataclass(frozen=True)
class Reference:
    """The policy as it was at the beginning: a second model, or the same one with its adapters off."""

    model: VisionLanguageModel
    switched: Callable[[], AbstractContextManager] = nullcontext


def micro_batches(tokens: Sequence[Sequence[int]], budget: int, rank: int) -> list[list[int]]:
    """Positions of a process's groups that pass the model together: as many as fit the budget, at least one.

    `tokens` holds the groups' lengths of every process. All get the same number of micro-batches, because sharded
    models exchange weights and gradients in each; a process that needs fewer cuts its own further.
    """
    plans = [filled(lengths, budget) for lengths in tokens]
    wanted, own = max(map(len, plans)), plans[rank]
    while len(own) < wanted:
        largest = max(range(len(own)), key=lambda i: len(own[i]))
        part = own[largest]
        own[largest : largest + 1] = [part[: len(part) // 2], part[len(part) // 2 :]]
    return own


def filled(lengths: Sequence[int], budget: int) -> list[list[int]]:
    """Greedy filling in the given order."""
    batches: list[list[int]] = []
    used = 0
    for position, length in enumerate(lengths):
        if not batches or used + length > budget:
            batches.append([])
            used = 0
        batches[-1].append(position)
        used += length
    return batches


def plan(experience: Experience, chosen: Sequence[int], settings: TrainSettings, world: World) -> list[list[int]]:
    """This process's micro-batches of the chosen groups."""
    shares = [list(chosen[rank :: world.size]) for rank in range(world.size)]
    tokens = [[experience.tokens(g) for g in share] for share in shares]
    own = shares[world.rank]
    return [[own[i] for i in part] for part in micro_batches(tokens, settings.optimiser.micro_tokens, world.rank)]


def score_options(settings: TrainSettings, world: World) -> dict:
    """How every pass scores: at the rollout temperature, and with a picture in each batch where processes wait."""
    sharded = world.size > 1 or settings.parallel.backend == "deepspeed"
    return {"temperature": settings.rollouts.sampling.temperature or 1.0, "with_picture": sharded}


@torch.no_grad()
def scored_rows(
    model: VisionLanguageModel, experience: Experience, groups_of: Callable[[int], list[Group]],
    settings: TrainSettings, world: World,
) -> Rows:  # fmt: skip
    """Log-probs of this process's responses, unpadded, without gradient."""
    rows: Rows = {}
    for part in plan(experience, range(len(experience.samples)), settings, world):
        groups = [group for g in part for group in groups_of(g)]
        scores = model.score(groups, **score_options(settings, world))
        numbers = [row for g in part for row in experience.rows_of(g)]
        lengths = [len(ids) for group in groups for ids in group.responses]
        found = (row[:length].cpu() for row, length in zip(scores.logprobs_NT, lengths, strict=True))
        rows.update(zip(numbers, found, strict=True))
    return rows


def fixed_scores(
    model: VisionLanguageModel, reference: Reference | None, experience: Experience, settings: TrainSettings,
    step: int, world: World,
) -> FixedScores:  # fmt: skip
    """One pass for each kind that the method asks for."""

    def clean(by: VisionLanguageModel) -> Rows:
        return scored_rows(by, experience, lambda g: [experience.group(by, g)], settings, world)

    old = clean(model) if scores_old(settings) else None
    before = None
    if reference:
        with reference.switched():
            before = clean(reference.model)
    views = {}
    term = settings.losses.perception_kl
    if term and term.gradient == "clean":
        views[term.view] = scored_rows(
            model, experience, lambda g: experience.view_groups(model, g, term.view, settings, step), settings, world
        )
    return FixedScores(old, before, views)
