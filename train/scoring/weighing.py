"""From a step's scores to its table, advantages and W, the same on every rank."""

from collections.abc import Mapping
from dataclasses import dataclass

import torch
from torch import Tensor

from models.kl import k1
from train.advantages import advantages
from train.distributed import Ranks
from train.experience import Experience, FixedScores, Rows
from train.needs import Needs
from train.settings import TrainSettings
from train.table.columns import ScoreName, summed
from train.table.step_table import Table, mask_of, padded
from train.weights import Weight


@dataclass(frozen=True, kw_only=True)
class Weighed:
    """A step's table, its advantages per reward channel, and W by piece and by term."""

    table: Table
    advantages: tuple[Tensor, ...]  # [N, T] each
    by_piece: dict[str, Tensor]  # [N, T]
    by_term: dict[str, Tensor]


def gathered(rows: Rows, ranks: Ranks) -> list[Tensor]:
    """Return every rank's rows in their order."""
    pairs = ranks.gather([(n, row.tolist()) for n, row in rows.items()])
    return [torch.tensor(row) for _, row in sorted(pairs, key=lambda pair: pair[0])]


def token_ids(experience: Experience, width: int) -> Tensor:
    """Return the sampled ids of all rows, 0 at padding."""
    return padded([torch.tensor(response.token_ids, dtype=torch.long) for response in experience.responses], width)


def turned(weight_NT: Tensor, mask_NT: Tensor, turn: float) -> Tensor:
    """Return W moved around its mean over the step's tokens, see train/weights/piece.py."""
    if turn == 1:
        return weight_NT
    mean = weight_NT[mask_NT > 0].mean()
    return (mean + turn * (weight_NT - mean)).clamp(min=0) * (mask_NT > 0)


def weigh(weights: Mapping[str, Weight], table: Table) -> tuple[dict[str, Tensor], dict[str, Tensor]]:
    """Return W by piece and, multiplied, by the term that the pieces name."""
    by_piece: dict[str, Tensor] = {}
    by_term: dict[str, Tensor] = {}
    for name, piece in weights.items():
        weight_NT = piece.weigh(table).detach().expand_as(table.mask_NT) * (table.mask_NT > 0)
        assert bool((weight_NT >= 0).all()), f"weights.{name} gave a negative or undefined weight"
        weight_NT = turned(weight_NT, table.mask_NT, piece.turn)
        by_piece[name] = weight_NT
        by_term[piece.on] = by_term[piece.on] * weight_NT if piece.on in by_term else weight_NT
    return by_piece, by_term


def weight_metrics(weights: Mapping[str, Weight], found: Weighed) -> dict[str, float]:
    """Return means over the step's tokens: of each W, of where it is 0, and of every score that weights read."""
    valid_NT = found.table.mask_NT > 0
    metrics: dict[str, float] = {}
    for name, weight_NT in found.by_piece.items():
        weight_M = weight_NT[valid_NT]
        metrics |= {f"weights/{name}/mean": weight_M.mean().item()}
        metrics |= {f"weights/{name}/zero": (weight_M == 0).float().mean().item()}
    for score in {score for piece in weights.values() for score in piece.needs()}:
        metrics[f"scores/{score}"] = found.table.score(score)[valid_NT].mean().item()
    return dict(sorted(metrics.items()))


def channels(settings: TrainSettings, reward_N: Tensor, terms: Mapping[str, Tensor]) -> list[Tensor]:
    """Return the rewards that are standardised apart: their sum, or one per reward term that has a weight."""
    if settings.advantage.channels == "sum":
        return [reward_N]
    return [piece.weight * terms[name] for name, piece in settings.rewards.items() if piece.weight]


def step_advantages(
    settings: TrainSettings, experience: Experience, scores: Mapping[str, list[Tensor]]
) -> list[list[Tensor]]:
    """Return, per channel, one advantage per token of every response of the step."""
    lengths = [len(response.token_ids) for response in experience.responses]
    coef = settings.losses.reward_kl
    kl_rows = (
        [k1(old, ref) for old, ref in zip(scores["logp"], scores["reference.logp"], strict=True)] if coef else None
    )
    rewards = channels(settings, experience.reward_N, experience.reward_terms)
    kind, epsilon = settings.advantage.kind, settings.advantage.epsilon
    return [advantages(kind, reward_N, experience.group_N, lengths, kl_rows, coef, epsilon) for reward_N in rewards]


def weighed(
    experience: Experience,
    fixed: FixedScores,
    needs: Needs,
    settings: TrainSettings,
    ranks: Ranks,
    *,
    progress: float,
    seed: int,
    marks: Mapping[str, Tensor] | None = None,
) -> Weighed:
    """Return the step's table with everything that pieces read, and what they make of it."""
    lengths = [len(response.token_ids) for response in experience.responses]
    width = max(lengths)
    early = {str(name): gathered(fixed[str(name)], ranks) for name in sorted(needs.early, key=ScoreName.__str__)}
    found = [padded(rows, width) for rows in step_advantages(settings, experience, early)]
    table = Table(
        mask_NT=mask_of(lengths),
        prompt_N=experience.prompt_N,
        group_N=experience.group_N,
        role_N=experience.role_N,
        reward_N=experience.reward_N,
        accuracy_N=experience.accuracy_N,
        terms=experience.reward_terms,
        advantage_NT=summed(found),
        scores={name: padded(rows, width) for name, rows in early.items()},
        marks=marks or {},
        token_ids_NT=token_ids(experience, width) if needs.token_ids else None,
        progress=progress,
        seed=seed,
    )
    by_piece, by_term = weigh(settings.weights, table)
    return Weighed(table=table, advantages=tuple(found), by_piece=by_piece, by_term=by_term)
