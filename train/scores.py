"""Log-probs that stay fixed during a step of updates: old policy, reference, corrupted views; only if asked for."""

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field

import torch
from torch import Tensor

from models.loader import VisionLanguageModel
from train.distributed import Ranks
from train.rollout import CLEAN, Experience, Wanted
from train.settings import TrainSettings

Rows = dict[int, Tensor]  # number of the response -> its log-probs [T]


@dataclass(frozen=True)
class FixedScores:
    """Rows of this process's responses; None where nobody asks."""

    old: Rows = field(default_factory=dict)  # the first mini-batch's come from its update, and are put in there
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


def score_options(settings: TrainSettings, ranks: Ranks) -> dict:
    """How every pass scores: at the rollout temperature, and with a picture in each batch where processes wait."""
    sharded = ranks.size > 1 or settings.parallel.backend == "deepspeed"
    return {"temperature": settings.rollouts.sampling.temperature or 1.0, "with_picture": sharded}


def plan(
    experience: Experience, kinds: dict[str, Sequence[int]], settings: TrainSettings, ranks: Ranks
) -> list[list[Wanted]]:
    """This process's micro-batches over all kinds, so that clean and corrupted prompts pass the model together."""
    shares = [
        [(kind, g) for kind, groups in kinds.items() for g in groups[rank :: ranks.size]] for rank in range(ranks.size)
    ]
    tokens = [[experience.tokens(g) for _, g in share] for share in shares]
    own = shares[ranks.rank]
    return [[own[i] for i in part] for part in micro_batches(tokens, settings.optimiser.micro_tokens, ranks.rank)]


@torch.no_grad()
def scored_rows(
    model: VisionLanguageModel,
    experience: Experience,
    kinds: dict[str, Sequence[int]],
    settings: TrainSettings,
    step: int,
    ranks: Ranks,
) -> dict[str, Rows]:
    """Log-probs of this process's responses by kind, unpadded, without gradient."""
    found: dict[str, Rows] = {kind: {} for kind in kinds}
    for part in plan(experience, kinds, settings, ranks):
        groups = [group for own in experience.groups(model, part, settings, step) for group in own]
        places = [(kind, row) for kind, g in part for row in experience.rows_of(g)]
        scores = model.score(groups, **score_options(settings, ranks))
        for (kind, row), logprobs_T in zip(places, scores.logprobs_NT, strict=True):
            found[kind][row] = logprobs_T[: len(experience.responses[row].token_ids)].cpu()
    return found


def fixed_scores(
    model: VisionLanguageModel,
    reference: Reference | None,
    experience: Experience,
    settings: TrainSettings,
    step: int,
    ranks: Ranks,
) -> FixedScores:
    """What the method asks for and no update makes by itself: one pass of the policy, one of the reference."""
    everybody = range(len(experience.samples))
    # A KL in the reward is needed before the first update, and then of all.
    first = 0 if settings.losses.reward_kl else settings.optimiser.minibatch_prompts
    kinds: dict[str, Sequence[int]] = {CLEAN: everybody[first:]}
    term = settings.losses.perception_kl
    if term and term.gradient == "clean":
        kinds[term.view] = everybody
    found = scored_rows(model, experience, kinds, settings, step, ranks)
    before = None
    if reference:
        with reference.switched():
            before = scored_rows(reference.model, experience, {CLEAN: everybody}, settings, step, ranks)[CLEAN]
    return FixedScores(found.pop(CLEAN), before, found)
