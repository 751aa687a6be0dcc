"""From the problems that a step kept to its experience: blocks, groups, rewards, and rows for the record."""

from collections.abc import Sequence
from dataclasses import replace
from itertools import groupby

import torch
from torch import Tensor

from data import Sample
from models.encode import Encoded
from train.asks.ask import ANSWER, asked_sample
from train.experience import Block, Discarded, Experience
from train.rewards import overlong_penalty
from train.rollout.judging import Answer, Answered
from train.settings import TrainSettings


def blocks_of(kept: Sequence[tuple[Sample, Answered]]) -> tuple[list[Block], list[Answer]]:
    """Return blocks and their rows: neighbours with one trained prompt, view and role make up a block."""
    blocks: list[Block] = []
    rows: list[Answer] = []
    for number, (sample, found) in enumerate(kept):
        trained = [one for one in found.answers if one.ask.trained]
        for (name, view, role), part in groupby(trained, lambda one: (one.name, one.ask.trained_view, one.ask.role)):
            own = list(part)
            blocks.append(
                Block(
                    sample=replace(asked_sample(sample, own[0].ask), id=name),
                    prompt=number,
                    rows=range(len(rows), len(rows) + len(own)),
                    prompt_tokens=own[0].prompt_tokens,
                    role=role,
                    view=view,
                    responses=tuple(one.response for one in own),
                )
            )
            rows += own
    return blocks, rows


def rewards_of(rows: Sequence[Answer], settings: TrainSettings) -> tuple[dict[str, Tensor], Tensor]:
    """Return reward terms [N], 0 where one does not act on a row's role, and their weighted sum [N]."""
    terms = {name: torch.tensor([float(row.terms.get(name) or 0.0) for row in rows]) for name in settings.rewards}
    parts = (settings.rewards[name].weight * value for name, value in terms.items())
    reward_N = sum(parts, torch.zeros(len(rows)))
    if rules := settings.rollouts.overlong:
        limit = settings.rollouts.sampling.max_new_tokens
        lengths = [len(row.response.token_ids) if row.ask.role == ANSWER else 0 for row in rows]
        terms["overlong"] = torch.tensor([overlong_penalty(length, limit, rules) for length in lengths])
        reward_N = reward_N + terms["overlong"]
    return terms, reward_N


def groups_of(blocks: Sequence[Block], rows: Sequence[Answer]) -> Tensor:
    """Return the number of each row's group [N]: rows of one problem that are compared with each other."""
    numbers: dict[tuple[int, str], int] = {}
    prompts = [block.prompt for block in blocks for _ in block.rows]
    keys = [(prompt, row.ask.group or row.ask.role) for prompt, row in zip(prompts, rows, strict=True)]
    return torch.tensor([numbers.setdefault(key, len(numbers)) for key in keys])


def extra_rows(kept: Sequence[tuple[Sample, Answered]]) -> list[dict]:
    """Return what was sampled and is not trained on, as plain data."""
    return [
        {**sample.record(), **one.response.record(), "role": one.ask.role, "parent": one.ask.parent}
        | {"verdict": vars(one.verdict), "terms": one.terms}
        for sample, found in kept
        for one in found.answers
        if not one.ask.trained
    ]


def experience_of(
    kept: Sequence[tuple[Sample, Answered]],
    discarded: list[Discarded],
    settings: TrainSettings,
    encoded: dict[str, Encoded],
    *,
    generated: int,
    rounds: int,
    position: int,
) -> Experience:
    """Return the kept problems as blocks of rows with their rewards."""
    blocks, rows = blocks_of(kept)
    terms, reward_N = rewards_of(rows, settings)
    used = {block.sample.id for block in blocks}
    return Experience(
        samples=[sample for sample, _ in kept],
        blocks=blocks,
        verdicts=[row.verdict for row in rows],
        reward_terms=terms,
        reward_N=reward_N,
        accuracy_N=torch.tensor([float(row.verdict.correct) for row in rows]),
        group_N=groups_of(blocks, rows),
        role_coef={ANSWER: 1.0, **settings.rollouts.plan.coefs()},
        discarded=discarded,
        generated=generated,
        rounds=rounds,
        position=position,
        extra_rows=extra_rows(kept),
        encoded={name: prompt for name, prompt in encoded.items() if name in used},
    )
