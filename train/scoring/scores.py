"""Scores that stay fixed during a step of updates: of the policy, its views, reference and teacher, if pieces ask."""

from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from models.loader import VisionLanguageModel
from train.distributed import Ranks
from train.experience import Experience, FixedScores, Rows
from train.needs import Needs
from train.prompts import Prompts
from train.settings import TrainSettings
from train.table.columns import CLEAN, ENGINE, PAIRED, POLICY, REFERENCE, STATES, TEACHER, ScoreName


@dataclass(frozen=True)
class FrozenModel:
    """A model that scores and does not learn: reference or teacher, or the policy with its adapters off."""

    model: VisionLanguageModel
    switched: Callable[[], AbstractContextManager] = nullcontext


@dataclass(frozen=True)
class Scoring:
    """How every pass of a step scores."""

    settings: TrainSettings
    ranks: Ranks

    @property
    def options(self) -> dict[str, Any]:
        """Return the rollout temperature, and whether every batch takes a picture because other ranks wait for it."""
        sharded = self.ranks.size > 1 or self.settings.parallel.backend == "deepspeed"
        return {"temperature": self.settings.rollouts.sampling.temperature or 1.0, "with_picture": sharded}

    @property
    def minibatch(self) -> int:
        return self.settings.optimiser.minibatch_prompts

    def micro_batches(self, tokens: Callable[[Any], int], items: Sequence[Sequence[Any]]) -> list[list[Any]]:
        """Return this rank's micro-batches of items, given every rank's items."""
        lengths = [[tokens(item) for item in share] for share in items]
        own = items[self.ranks.rank]
        parts = micro_batches(lengths, self.settings.optimiser.micro_tokens, self.ranks.rank)
        return [[own[i] for i in part] for part in parts]


def micro_batches(tokens: Sequence[Sequence[int]], budget: int, rank: int) -> list[list[int]]:
    """Return positions of a rank's items that pass the model together: as many as fit the budget, at least one.

    `tokens` holds the items' lengths of every rank. All get the same number of micro-batches, because sharded models
    exchange weights and gradients in each; a rank that needs fewer cuts its own further.
    """
    plans = [filled(lengths, budget) for lengths in tokens]
    wanted, own = max(map(len, plans)), plans[rank]
    while len(own) < wanted:
        largest = max(range(len(own)), key=lambda i: len(own[i]))
        part = own[largest]
        own[largest : largest + 1] = [part[: len(part) // 2], part[len(part) // 2 :]]
    return own


def filled(lengths: Sequence[int], budget: int) -> list[list[int]]:
    """Return a greedy filling in the given order."""
    batches: list[list[int]] = []
    used = 0
    for position, length in enumerate(lengths):
        if not batches or used + length > budget:
            batches.append([])
            used = 0
        batches[-1].append(position)
        used += length
    return batches


def dealt(tokens: Sequence[int], size: int) -> list[int]:
    """Return the rank of each problem of a mini-batch: as many for each rank, and about as many tokens.

    The longest first, each to the rank with the fewest tokens that still has room: the slowest rank decides how long
    an update takes.
    """
    room = [-(-len(tokens) // size)] * size
    load, rank_of = [0] * size, [0] * len(tokens)
    for g in sorted(range(len(tokens)), key=lambda g: -tokens[g]):
        rank = min((rank for rank in range(size) if room[rank]), key=lambda rank: load[rank])
        rank_of[g] = rank
        load[rank] += tokens[g]
        room[rank] -= 1
    return rank_of


def by_rank(experience: Experience, prompts: Sequence[int], ranks: Ranks, minibatch: int) -> list[list[int]]:
    """Return the blocks of problems for every rank; a problem's blocks stay together.

    Each mini-batch is dealt by itself, so that a rank scores what it will learn from.
    """
    shares: list[list[int]] = [[] for _ in range(ranks.size)]
    asked = set(prompts)
    for start in sorted({g // minibatch * minibatch for g in asked}):
        whole = range(start, min(start + minibatch, len(experience.samples)))
        lengths = [sum(experience.blocks[block].tokens for block in experience.blocks_of_prompt[g]) for g in whole]
        rank_of = dealt(lengths, ranks.size)
        for g in whole:
            if g in asked:
                shares[rank_of[g - start]] += experience.blocks_of_prompt[g]
    return shares


@torch.no_grad()
def separate_scores(
    model: VisionLanguageModel,
    prompts: Prompts,
    wanted: Mapping[str, tuple[Sequence[int], set[str]]],
    scoring: Scoring,
) -> dict[tuple[str, str], Rows]:
    """Return scores by (quantity, view), each view scored on its own; `wanted` maps a view to problems and quantities.

    Clean and corrupted prompts pass the model together.
    """
    experience, ranks = prompts.experience, scoring.ranks
    quantities = {quantity for _, asked in wanted.values() for quantity in asked}
    items: list[list[tuple[str, int]]] = [[] for _ in range(ranks.size)]
    for view, (problems, _) in wanted.items():
        for rank, blocks in enumerate(by_rank(experience, problems, ranks, scoring.minibatch)):
            items[rank] += [(view, block) for block in blocks]
    options: dict[str, Any] = {"entropy": "entropy" in quantities}
    if states := quantities & set(STATES):
        options["states"] = states
    found: dict[tuple[str, str], Rows] = {(q, view): {} for view, (_, asked) in wanted.items() for q in asked}
    parts = scoring.micro_batches(lambda item: experience.blocks[item[1]].tokens, items)
    for part, groups in prompts.ahead(prompts.groups, parts):
        scores = model.score([group for own in groups for group in own], **options, **scoring.options)
        rows = [(view, row) for view, block in part for row in experience.blocks[block].rows]
        columns = {"logp": scores.logprobs_NT, "entropy": scores.entropy_NT}
        columns |= {state: getattr(scores, f"{state}_NT") for state in states}
        store(found, columns, rows, experience)
    return found


@torch.no_grad()
def paired_scores(
    model: VisionLanguageModel, prompts: Prompts, views: Mapping[str, set[str]], scoring: Scoring
) -> dict[tuple[str, str], Rows]:
    """Return scores by (quantity, view) of views that are compared with the clean picture over the vocabulary."""
    experience, ranks = prompts.experience, scoring.ranks
    compare = {quantity for asked in views.values() for quantity in asked} & set(PAIRED)
    names = [(q, view) for view in views for q in ("logp", "entropy", *compare)]
    found: dict[tuple[str, str], Rows] = {name: {} for name in [("logp", CLEAN), ("entropy", CLEAN), *names]}
    items = by_rank(experience, range(len(experience.samples)), ranks, scoring.minibatch)
    parts = scoring.micro_batches(lambda block: experience.blocks[block].tokens, items)
    for part, sides in prompts.ahead(lambda part: prompts.sides((CLEAN, *views), part), parts):
        clean = sides.pop(CLEAN)
        scores = model.score(clean, against=sides, compare=compare, entropy=True, **scoring.options)
        rows = [row for block in part for row in experience.blocks[block].rows]
        store(
            found, {"logp": scores.logprobs_NT, "entropy": scores.entropy_NT}, [(CLEAN, n) for n in rows], experience
        )
        for view, other in scores.views.items():
            columns = {"logp": other.logprobs_NT, "entropy": other.entropy_NT, "js": other.js_NT, "kl": other.kl_NT}
            store(found, columns, [(view, n) for n in rows], experience)
    return found


def store(
    found: dict[tuple[str, str], Rows],
    columns: Mapping[str, Tensor | None],
    rows: Sequence[tuple[str, int]],
    experience: Experience,
) -> None:
    """Put padded columns into `found` without their padding."""
    for quantity, values_NT in columns.items():
        if values_NT is None:
            continue
        for (view, row), values_T in zip(rows, values_NT, strict=True):
            if (quantity, view) in found:
                found[quantity, view][row] = values_T[: len(experience.responses[row].token_ids)].cpu()


def model_scores(
    model: VisionLanguageModel, prompts: Prompts, names: Sequence[ScoreName], scoring: Scoring, first: int
) -> dict[tuple[str, str], Rows]:
    """Return all scores of one model; of the clean view those of the problems from `first` on."""
    problems = range(len(prompts.experience.samples))
    asked: dict[str, set[str]] = {CLEAN: {"logp"}} if first < len(problems) or first == 0 else {}
    for name in names:
        asked.setdefault(name.view, set()).add(name.quantity)
    paired = {view: quantities for view, quantities in asked.items() if quantities & set(PAIRED)}
    found: dict[tuple[str, str], Rows] = {}
    if paired:
        found = paired_scores(model, prompts, paired, scoring)
        asked = {view: quantities - {q for q, v in found if v == view} for view, quantities in asked.items()}
    states = {CLEAN: asked.get(CLEAN, set()) & set(STATES)}
    if states[CLEAN]:  # in a pass of their own: their rows are longer by a token
        found |= separate_scores(model, prompts, {CLEAN: (problems, {"logp", *asked[CLEAN]})}, scoring)
        asked[CLEAN] = set()
    order = [CLEAN, *(view for view in prompts.views if view in asked)]
    wanted = {
        view: (problems[first:] if view == CLEAN else problems, asked[view]) for view in order if asked.get(view)
    }
    inside = {view: wanted.pop(view) for view in list(wanted) if view != CLEAN and prompts.views[view].in_model}
    if wanted:
        found |= separate_scores(model, prompts, wanted, scoring)
    for view, own in inside.items():
        scores = separate_scores(model, prompts, {view: own}, scoring)
        if prompts.views[view].leaves_out:
            scores = {(q, view): restored(rows, found[q, CLEAN], view, prompts) for (q, _), rows in scores.items()}
        found |= scores
    return found


def restored(short: Rows, clean: Rows, view: str, prompts: Prompts) -> Rows:
    """Return scores of shortened responses at their tokens' places, the clean ones where a token was left out."""
    found: Rows = {}
    for number, block in enumerate(prompts.experience.blocks):
        if block.rows.start in short:
            for row, outs in zip(block.rows, prompts.left_out(view, number), strict=True):
                kept_T = ~torch.tensor(outs)
                found[row] = clean[row].clone()
                found[row][kept_T] = short[row][: int(kept_T.sum())]
    return found


def fixed_scores(
    models: Mapping[str, FrozenModel], prompts: Mapping[str, Prompts], needs: Needs, scoring: Scoring
) -> FixedScores:
    """Return what pieces ask for and no update makes by itself, by score name.

    The first mini-batch's own log-probs come from its update unless weights or advantages need them before.
    """
    settings = scoring.settings
    first = 0 if needs.old_of_all() else settings.optimiser.minibatch_prompts
    found: FixedScores = {}
    for name in (POLICY, REFERENCE, TEACHER):
        asked = needs.of(name)
        if name != POLICY and not asked:
            continue
        frozen = models[name]
        with frozen.switched():
            start = first if name == POLICY else 0
            scores = model_scores(frozen.model, prompts.get(name, prompts[POLICY]), asked, scoring, start)
        found |= {str(ScoreName(name, quantity, view)): rows for (quantity, view), rows in scores.items()}
    if ScoreName(ENGINE, "logp", CLEAN) in needs.fixed:
        responses = prompts[POLICY].experience.responses
        found["engine.logp"] = {n: torch.tensor(response.logprobs) for n, response in enumerate(responses)}
    found.setdefault("logp", {})
    return found
