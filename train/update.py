"""The update: k optimiser steps over the mini-batches of one experience."""

import math
from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from common import UserError
from models.dependency import response_scores
from models.kl import k3
from models.loader import VisionLanguageModel
from models.parts import Group
from models.teacher import TeacherPass
from train.audit.force import forces, relative
from train.audit.gradient import audit, audit_weights
from train.backend import Backend
from train.distributed import Ranks
from train.experience import Rows
from train.losses.averages import spread
from train.losses.batch import ScoredBatch
from train.objective import Measure, losses_at, measured, row_shares, token_losses, token_mean, total_loss
from train.scoring.scores import Scoring, by_rank
from train.scoring.step import Step
from train.settings import LossSettings, TrainSettings
from train.table.columns import CLEAN, POLICY, TEACHER, parse
from train.table.step_table import padded
from train.words import KINDS, WordKinds

Sides = dict[str, dict[str, list[Group]]]  # by model and view


def dependency_metrics(batch: ScoredBatch) -> dict[str, Tensor]:
    """Return sums over responses of how much each depends on the picture, for every view that is scored.

    The pair of log-probs is the loss's own: the policy that learns, and the corrupted view as terms take it. The first
    view is `dependency/...`, others are `dependency_<view>/...`.
    """
    found: dict[str, Tensor] = {}
    answered = (batch.mask_NT > 0).any(1)  # a response without tokens has no mean
    names = [name for name in {**batch.scores, **batch.live} if name.startswith("logp@")]
    for number, name in enumerate(names):
        pair = batch.logp_NT.detach(), batch.score(name).detach()
        front = "dependency" if number == 0 else f"dependency_{parse(name).view}"
        values = response_scores(*pair, batch.mask_NT)
        found |= {f"{front}/{quantity}": value_N[answered].sum() for quantity, value_N in values.items()}
    return found


def word_metrics(batch: ScoredBatch, kinds_NT: Tensor, counts: Sequence[int]) -> dict[str, Tensor]:
    """Return this micro-batch's part of the mean k3 by kind of word, under the first view that is scored.

    `counts` has the tokens of each kind in the whole mini-batch; a kind that does not occur has no part.
    """
    names = [name for name in {**batch.scores, **batch.live} if name.startswith("logp@")]
    if not names:
        return {}
    k3_NT = k3(batch.logp_NT.detach(), batch.score(names[0]).detach()) * (batch.mask_NT > 0)
    return {
        f"dependency/word/{kind}": k3_NT[kinds_NT == number].sum() / counts[number]
        for number, kind in enumerate(KINDS)
        if counts[number]
    }


class Updater:
    """The policy with its optimiser, and what a step of learning needs besides."""

    def __init__(self, model: VisionLanguageModel, backend: Backend, settings: TrainSettings, ranks: Ranks):
        self.model, self.backend, self.settings, self.ranks = model, backend, settings, ranks
        self.scoring = Scoring(settings, ranks)
        self.words = WordKinds(model.token_texts)
        self.updates = 0

    def step(self, step: Step) -> tuple[dict[str, float], Rows]:
        """Return metrics, means over tokens and updates, and the old log-probs of this rank's rows.

        Those of the first mini-batch are the update's own where no pass made them before.
        """
        losses = losses_at(self.settings.losses, step.number - 1, self.settings.steps)
        size = self.settings.optimiser.minibatch_prompts
        old = dict(step.fixed["logp"])
        totals: dict[str, float] = {}
        starts = range(0, len(step.experience.samples), size)
        for start in starts:
            chosen = range(start, start + size)
            for name, value in self.update(step, chosen, losses, old).items():
                totals[name] = totals.get(name, 0.0) + value / len(starts)
        return relative(totals), old

    def update(self, step: Step, chosen: Sequence[int], losses: LossSettings, old: Rows) -> dict[str, float]:
        """Take one optimiser step on the chosen problems."""
        experience = step.experience
        rows = [row for g in chosen for row in experience.rows_of_prompt(g)]
        place = {row: n for n, row in enumerate(rows)}
        measure = self.measure(step, rows, losses)
        lengths = [len(experience.responses[row].token_ids) for row in rows]
        answers = max(1, sum(length > 0 for length in lengths))
        kinds = {row: self.words.of(experience.responses[row].token_ids) for row in rows}
        counts = torch.cat(list(kinds.values())).bincount(minlength=len(KINDS)).tolist()
        metrics: dict[str, float] = {}
        if self.updates == 0:
            acting = {name: W for name, W in step.weighed.by_piece.items() if self.settings.weights[name].turn}
            audit_weights(losses, acting, step.weighed.table.mask_NT)
        shares = by_rank(experience, chosen, self.ranks, self.scoring.minibatch)
        parts = self.scoring.micro_batches(lambda block: experience.blocks[block].tokens, shares)
        made = step.prompts[POLICY].ahead(lambda blocks: self.sides(step, blocks), parts)
        for number, (blocks, sides) in enumerate(made):
            own = [row for block in blocks for row in experience.blocks[block].rows]
            batch = self.batch(step, blocks, sides, losses, old)
            width = batch.mask_NT.shape[1]
            part = measure.rows([place[row] for row in own], width, batch.logp_NT.device)
            if self.updates == 0 and number == 0:
                audit(losses, batch)
            batch = batch.with_weights(part.weights)
            terms, logged = token_losses(losses, batch)
            found = self.metrics(terms, logged, batch, part, sum(lengths), answers)
            kinds_NT = padded([kinds[row] for row in own], width).to(batch.logp_NT.device)
            found |= word_metrics(batch, kinds_NT, counts)
            for name, value in found.items():
                metrics[name] = metrics.get(name, 0.0) + value.item()
            refuse_nan(metrics, step.number)
            loss = total_loss(terms, part.shares) if terms else 0 * batch.logp_NT.sum()  # all coefficients are 0
            self.backend.backward(loss, last=number == len(parts) - 1)
        norm = self.backend.step(self.rate())
        if not math.isfinite(norm):
            raise UserError(
                f"the gradient is not finite at step {step.number}; the last checkpoint is kept, lower the rate"
            )
        self.updates += 1
        return {**self.ranks.sum(metrics), "actor/grad_norm": norm}

    def measure(self, step: Step, rows: Sequence[int], losses: LossSettings) -> Measure:
        """Return share and W of every token of a mini-batch, all ranks' rows included."""
        experience, table = step.experience, step.weighed.table
        lengths = [len(experience.responses[row].token_ids) for row in rows]
        roles = experience.role_N[rows]
        coefs = [experience.role_coef[role] for role in experience.roles]
        limit = self.settings.rollouts.sampling.max_new_tokens
        shares = row_shares(lengths, roles.tolist(), coefs, losses.average, limit)
        weights = {name: value[rows] for name, value in step.weighed.by_term.items()}
        shares_NT = spread(shares, table.mask_NT[rows])
        return measured(losses, shares_NT, weights, roles, experience.prompt_N[rows])

    def metrics(
        self, terms: dict, logged: dict, batch: ScoredBatch, measure: Measure, tokens: int, answers: int
    ) -> dict[str, Tensor]:
        """Return one micro-batch's part of every metric."""
        found = {f"loss/{name}": total_loss({name: value.detach()}, measure.shares) for name, value in terms.items()}
        found |= {name: token_mean(value, batch.mask_NT, tokens) for name, value in logged.items()}
        found |= {name: total / answers for name, total in dependency_metrics(batch).items()}
        return found | forces(terms, measure.shares, batch)

    def sides(self, step: Step, blocks: Sequence[int]) -> Sides:
        """Return the groups of a micro-batch by model and view: the policy's and, where divergences want, the
        teacher's.
        """
        views = {POLICY: (CLEAN, *step.needs.live_views())}
        if step.needs.divergences:
            views[TEACHER] = tuple(step.needs.teacher_views())
        return {name: step.prompts[name].sides(own, blocks) for name, own in views.items()}

    def batch(self, step: Step, blocks: Sequence[int], sides: Sides, losses: LossSettings, old: Rows) -> ScoredBatch:
        """Return the policy's log-probs with gradient beside everything that stays fixed."""
        experience, needs = step.experience, step.needs
        options: dict[str, Any] = {"entropy": True} if any(str(name) == "entropy" for name in needs.live) else {}
        if TEACHER in sides:
            assert step.teacher is not None
            options["teacher"] = TeacherPass(
                model=step.teacher.model, groups=sides[TEACHER], divergences=needs.divergences
            )
        flat = dict(sides[POLICY])
        clean = flat.pop(CLEAN)
        scores = self.model.score(clean, against=flat, **options, **self.scoring.options)
        rows = [row for block in blocks for row in experience.blocks[block].rows]
        lengths = [len(experience.responses[row].token_ids) for row in rows]
        logp_NT, width = scores.logprobs_NT, scores.logprobs_NT.shape[1]
        for row, values, length in zip(rows, logp_NT.detach().cpu(), lengths, strict=True):
            # Rows without an old log-prob are those of the step's first update, before which no weight has changed.
            old.setdefault(row, values[:length])

        def fixed(values: Rows) -> Tensor:
            return padded([values[row] for row in rows], width).to(logp_NT.device)

        live = {f"logp@{view}": other.logprobs_NT for view, other in scores.views.items()}
        if scores.entropy_NT is not None:
            live["entropy"] = scores.entropy_NT
        given = {name: fixed(values) for name, values in step.fixed.items() if name != "logp" and values}
        return ScoredBatch(
            logp_NT=logp_NT,
            mask_NT=scores.mask_NT,
            advantages=tuple(one[rows][:, :width].to(logp_NT.device) for one in step.weighed.advantages),
            scores={"logp": fixed(old), **given},
            live=live,
            divergences=scores.divergences,
            accuracy_N=experience.accuracy_N[rows].to(logp_NT.device),
            progress=step.weighed.table.progress,
            losses=losses,
        )

    def rate(self) -> float:
        """Return the learning rate of the coming update."""
        warmup = self.settings.optimiser.warmup_steps
        share = min(1.0, (self.updates + 1) / warmup) if warmup else 1.0
        return self.settings.optimiser.learning_rate * share


def refuse_nan(metrics: dict[str, float], step: int) -> None:
    """Stop a run whose loss is not a number, naming the term."""
    for name, value in metrics.items():
        if name.startswith("loss/") and not math.isfinite(value):
            raise UserError(
                f"loss term {name.removeprefix('loss/')} is not finite at step {step}; the last checkpoint is kept, "
                "lower its coefficient or the learning rate and start again"
            )
