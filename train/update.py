"""Optimiser steps on one experience: scores of every view, loss terms, gradients.

Shapes: N responses, T tokens of the longest one. Micro-batches and processes only bound the memory: each token
carries its share of the whole mini-batch's mean, so how the mini-batch is cut does not change the result.
"""

import math
from collections.abc import Sequence

import torch
from torch import Tensor

from common import UserError
from models.dependency import response_scores
from models.kl import k1
from models.loader import VisionLanguageModel
from train.advantages import advantages
from train.audit import audit
from train.backend import Backend
from train.distributed import Ranks
from train.losses.averages import spread, token_shares, weighted_sum
from train.objective import ScoredBatch, losses_at, token_losses, token_mean, total_loss
from train.rollout import CLEAN, Experience
from train.scores import FixedScores, Rows, plan, score_options
from train.settings import LossSettings, TrainSettings


def padded(rows: Sequence[Tensor], device: torch.device) -> Tensor:
    return torch.nn.utils.rnn.pad_sequence(list(rows), batch_first=True).to(device)


def step_advantages(experience: Experience, fixed: FixedScores, settings: TrainSettings, ranks: Ranks) -> list[Tensor]:
    """One advantage per token of every response of the step, the same on every process."""
    lengths_N = torch.tensor([len(response.token_ids) for response in experience.responses])
    kl_rows, coef = None, settings.losses.reward_kl
    if coef:
        assert fixed.reference is not None
        own = [(n, k1(fixed.old[n], fixed.reference[n]).tolist()) for n in fixed.old]
        kl_rows = [torch.tensor(row) for _, row in sorted(ranks.gather(own))]
    return advantages(settings.advantage.kind, experience.reward_N, experience.group_N, lengths_N, kl_rows, coef)


def dependency_metrics(losses: LossSettings, batch: ScoredBatch) -> dict[str, Tensor]:
    """Sums over responses of how much each leans on the picture; none where a method has no second view.

    The pair of log-probs is the loss's own: the policy that learns, and the corrupted view as the term takes it.
    """
    if not losses.perception_kl:
        return {}
    pair = batch.logp_NT.detach(), batch.view_logp_NT[losses.perception_kl.view].detach()
    answered = (batch.mask_NT > 0).any(1)  # a response without tokens has no mean
    found = response_scores(*pair, batch.mask_NT)
    return {f"dependency/{name}": value_N[answered].sum() for name, value_N in found.items()}


class Updater:
    """The policy with its optimiser, and what a step of learning needs besides."""

    def __init__(self, model: VisionLanguageModel, backend: Backend, settings: TrainSettings, ranks: Ranks):
        self.model, self.backend, self.settings, self.ranks = model, backend, settings, ranks
        self.updates = 0

    def step(self, experience: Experience, fixed: FixedScores, step: int) -> dict[str, float]:
        """All mini-batches of one experience; metrics are means over tokens and updates."""
        losses = losses_at(self.settings.losses, step - 1, self.settings.steps)
        advantage_rows = step_advantages(experience, fixed, self.settings, self.ranks)
        size = self.settings.optimiser.minibatch_prompts
        totals: dict[str, float] = {}
        starts = range(0, len(experience.samples), size)
        for start in starts:
            chosen = range(start, start + size)
            for name, value in self.update(experience, fixed, advantage_rows, chosen, losses, step).items():
                totals[name] = totals.get(name, 0.0) + value / len(starts)
        return totals

    def update(
        self,
        experience: Experience,
        fixed: FixedScores,
        advantage_rows: list[Tensor],
        chosen: Sequence[int],
        losses: LossSettings,
        step: int,
    ) -> dict[str, float]:
        """One optimiser step on the chosen groups."""
        rows = [row for g in chosen for row in experience.rows_of(g)]
        lengths = [len(experience.responses[row].token_ids) for row in rows]
        limit = self.settings.rollouts.sampling.max_new_tokens
        share = dict(zip(rows, token_shares(lengths, losses.average, limit), strict=True))
        answers = max(1, sum(length > 0 for length in lengths))
        metrics: dict[str, float] = {}
        parts = plan(experience, {CLEAN: chosen}, self.settings, self.ranks)
        for number, part in enumerate(parts):
            groups = [g for _, g in part]
            batch = self.batch(experience, fixed, advantage_rows, groups, step)
            own = [row for g in groups for row in experience.rows_of(g)]
            shares_NT = spread([share[row] for row in own], batch.mask_NT)
            if self.updates == 0 and number == 0:
                audit(losses, batch)
            terms, logged = token_losses(losses, batch)
            loss = total_loss(terms, shares_NT)
            found = {f"loss/{name}": weighted_sum(value.detach(), shares_NT) for name, value in terms.items()}
            found |= {name: token_mean(value, batch.mask_NT, sum(lengths)) for name, value in logged.items()}
            found |= {name: total / answers for name, total in dependency_metrics(losses, batch).items()}
            for name, value in found.items():
                metrics[name] = metrics.get(name, 0.0) + value.item()
            refuse_nan(metrics, step)
            self.backend.backward(loss, last=number == len(parts) - 1)
        norm = self.backend.step(self.rate())
        if not math.isfinite(norm):
            raise UserError(f"the gradient is not finite at step {step}; the last checkpoint is kept, lower the rate")
        self.updates += 1
        return {**self.ranks.sum(metrics), "actor/grad_norm": norm}

    def batch(
        self, experience: Experience, fixed: FixedScores, advantage_rows: list[Tensor], groups: list[int], step: int
    ) -> ScoredBatch:
        """The policy's log-probs with gradient beside everything that stays fixed."""
        term, entropy = self.settings.losses.perception_kl, self.settings.losses.entropy
        against = {}
        if term and term.gradient != "clean":
            wanted = [(term.view, g) for g in groups]
            seen = experience.groups(self.model, wanted, self.settings, step)
            against[term.view] = [masked for own in seen for masked in own]
        scores = self.model.score(
            [experience.group(self.model, g) for g in groups],
            against=against,
            entropy=entropy is not None and entropy.kind == "full",
            **score_options(self.settings, self.ranks),
        )
        logp_NT = scores.logprobs_NT
        rows = [row for g in groups for row in experience.rows_of(g)]
        if groups[0] < self.settings.optimiser.minibatch_prompts:
            # Nothing has changed the policy before a step's first update: these log-probs are the old ones.
            for row, values in zip(rows, logp_NT.detach().cpu(), strict=True):
                fixed.old.setdefault(row, values[: len(experience.responses[row].token_ids)])

        def given(values: Rows | list[Tensor] | None) -> Tensor | None:
            return padded([values[row] for row in rows], logp_NT.device) if values is not None else None

        views = {name: given(values) for name, values in fixed.views.items()}
        views |= {name: view.logprobs_NT for name, view in scores.views.items()}
        engine_rows = [torch.tensor(experience.responses[row].logprobs) for row in rows]
        return ScoredBatch(
            logp_NT=logp_NT,
            old_logp_NT=given(fixed.old),
            mask_NT=scores.mask_NT,
            advantage_NT=given(advantage_rows),
            weights_NT=torch.ones_like(logp_NT),
            ref_logp_NT=given(fixed.reference),
            view_logp_NT=views,
            engine_logp_NT=padded(engine_rows, logp_NT.device),
            entropy_NT=scores.entropy_NT,
            accuracy_N=experience.accuracy_N[rows].to(logp_NT.device),
        )

    def rate(self) -> float:
        """Learning rate of the coming update."""
        warmup = self.settings.optimiser.warmup_steps
        share = min(1.0, (self.updates + 1) / warmup) if warmup else 1.0
        return self.settings.optimiser.learning_rate * share


def refuse_nan(metrics: dict[str, float], step: int) -> None:
    for name, value in metrics.items():
        if name.startswith("loss/") and not math.isfinite(value):
            raise UserError(
                f"loss term {name.removeprefix('loss/')} is not finite at step {step}; the last checkpoint is kept, "
                "lower its coefficient or the learning rate and start again"
            )
