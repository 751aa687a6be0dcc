"""Optimiser steps on one experience: scores of every view, loss terms, gradients.

Shapes: N responses, T tokens of the longest one. Micro-batches only bound the memory: each adds its share of a sum
whose denominator is the mini-batch's number of tokens, so their size does not change the result.
"""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from configs import UserError
from models.loader import VisionLanguageModel
from models.scoring import Group
from train.advantages import ADVANTAGES
from train.objective import ScoredBatch, token_losses, token_mean
from train.rollout import Experience, masked_groups
from train.settings import TrainSettings


@dataclass(frozen=True)
class NoGradScores:
    """Log-probs that stay fixed during a step's updates; rows of responses, None where nobody asks."""

    old: list[Tensor] | None
    reference: list[Tensor] | None
    views: dict[str, list[Tensor]]


def micro_batches(groups: Sequence[Group], budget: int) -> Iterator[list[int]]:
    """Indices of groups that pass the model together: as many as fit the token budget, at least one."""
    batch: list[int] = []
    used = 0
    for index, group in enumerate(groups):
        tokens = len(group.prompt.ids) + sum(map(len, group.responses))
        if batch and used + tokens > budget:
            yield batch
            batch, used = [], 0
        batch.append(index)
        used += tokens
    if batch:
        yield batch


@torch.no_grad()
def scored_rows(model: VisionLanguageModel, groups: Sequence[Group], settings: TrainSettings) -> list[Tensor]:
    """Log-probs of every response, unpadded, without gradient."""
    rows: list[Tensor] = []
    for chosen in micro_batches(groups, settings.optimiser.micro_tokens):
        part = [groups[i] for i in chosen]
        scores = model.score(part, temperature=settings.rollouts.sampling.temperature or 1.0)
        lengths = [len(ids) for group in part for ids in group.responses]
        rows += [row[:length] for row, length in zip(scores.logprobs_NT, lengths, strict=True)]
    return rows


def no_grad_scores(
    model: VisionLanguageModel, reference: VisionLanguageModel | None, experience: Experience,
    settings: TrainSettings, step: int,
) -> NoGradScores:  # fmt: skip
    """Only what the method asks for: old log-probs are the policy's own while it takes its first mini-batch."""
    one_update = settings.rollouts.prompts == settings.optimiser.minibatch_prompts
    old = None if one_update else scored_rows(model, experience.groups, settings)
    ref = scored_rows(reference, experience.groups, settings) if reference else None
    views = {}
    term = settings.losses.perception_kl
    if term and term.gradient == "clean":
        views[term.view] = scored_rows(model, masked_groups(model, experience, settings, term.view, step), settings)
    return NoGradScores(old, ref, views)


def padded(rows: Sequence[Tensor]) -> Tensor:
    return torch.nn.utils.rnn.pad_sequence(list(rows), batch_first=True)


class Updater:
    """The optimiser and everything an update needs."""

    def __init__(self, model: VisionLanguageModel, settings: TrainSettings):
        self.model, self.settings = model, settings
        self.parameters = [p for p in model.module.parameters() if p.requires_grad]
        self.optimizer = torch.optim.AdamW(
            self.parameters, lr=settings.optimiser.learning_rate, weight_decay=settings.optimiser.weight_decay
        )
        self.updates = 0

    def step(self, experience: Experience, fixed: NoGradScores, step: int) -> dict[str, float]:
        """All mini-batches of one experience; metrics are means over tokens and updates."""
        advantage_N = ADVANTAGES[self.settings.advantage.kind](experience.reward_N, experience.group_N)
        minibatch = self.settings.optimiser.minibatch_prompts
        totals: dict[str, float] = {}
        starts = range(0, len(experience.groups), minibatch)
        for start in starts:
            chosen = list(range(start, min(start + minibatch, len(experience.groups))))
            for name, value in self.update(experience, fixed, advantage_N, chosen, step).items():
                totals[name] = totals.get(name, 0.0) + value / len(starts)
        return totals

    def update(
        self, experience: Experience, fixed: NoGradScores, advantage_N: Tensor, chosen: list[int], step: int
    ) -> dict[str, float]:
        """One optimiser step on the chosen groups."""
        count = self.settings.rollouts.group
        tokens = sum(len(ids) for g in chosen for ids in experience.groups[g].responses)
        metrics: dict[str, float] = {}
        self.optimizer.zero_grad()
        for part in micro_batches([experience.groups[g] for g in chosen], self.settings.optimiser.micro_tokens):
            groups = [chosen[i] for i in part]
            rows = [g * count + k for g in groups for k in range(count)]
            batch = self.batch(experience, fixed, advantage_N, groups, rows, step)
            terms, logged = token_losses(self.settings.losses, batch)
            means = {name: token_mean(value, batch.mask_NT, tokens) for name, value in terms.items()}
            refuse_nan(means, step)
            sum(means.values(), torch.zeros(())).backward()
            for name, value in {f"loss/{n}": v for n, v in means.items()}.items():
                metrics[name] = metrics.get(name, 0.0) + value.item()
            for name, value in logged.items():
                metrics[name] = metrics.get(name, 0.0) + token_mean(value, batch.mask_NT, tokens).item()
        norm = torch.nn.utils.clip_grad_norm_(self.parameters, self.settings.optimiser.gradient_clip).item()
        if not math.isfinite(norm):
            raise UserError(f"the gradient is not finite at step {step}; the last checkpoint is kept, lower the rate")
        self.set_rate()
        self.optimizer.step()
        self.updates += 1
        return {**metrics, "actor/grad_norm": norm}

    def batch(
        self, experience: Experience, fixed: NoGradScores, advantage_N: Tensor, groups: list[int], rows: list[int],
        step: int,
    ) -> ScoredBatch:  # fmt: skip
        """The policy's log-probs with gradient beside everything that stays fixed."""
        temperature = self.settings.rollouts.sampling.temperature or 1.0
        scores = self.model.score([experience.groups[g] for g in groups], temperature=temperature)
        logp_NT = scores.logprobs_NT
        views = {name: padded([values[r] for r in rows]) for name, values in fixed.views.items()}
        term = self.settings.losses.perception_kl
        if term and term.gradient != "clean":
            masked = masked_groups(self.model, experience, self.settings, term.view, step)
            per_group = len(masked) // len(experience.groups)
            part = [masked[g * per_group + i] for g in groups for i in range(per_group)]
            views[term.view] = self.model.score(part, temperature=temperature).logprobs_NT
        return ScoredBatch(
            logp_NT, padded([fixed.old[r] for r in rows]) if fixed.old else logp_NT.detach(), scores.mask_NT,
            advantage_N[rows], torch.ones_like(logp_NT),
            padded([fixed.reference[r] for r in rows]) if fixed.reference else None, views,
        )  # fmt: skip

    def set_rate(self) -> None:
        warmup = self.settings.optimiser.warmup_steps
        share = min(1.0, (self.updates + 1) / warmup) if warmup else 1.0
        for group in self.optimizer.param_groups:
            group["lr"] = self.settings.optimiser.learning_rate * share


def refuse_nan(means: dict[str, Tensor], step: int) -> None:
    for name, value in means.items():
        if not torch.isfinite(value):
            raise UserError(
                f"loss term {name} is not finite at step {step}; the last checkpoint is kept, lower its coefficient "
                "or the learning rate and start again"
            )
