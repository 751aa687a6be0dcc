"""How much a token leans on the picture: its log-prob on the picture minus its log-prob on a corrupted one."""

from collections.abc import Sequence
from dataclasses import dataclass

import torch

from data import Sample
from data.views import ViewSettings
from models.loader import VisionLanguageModel
from models.scoring import Group


@dataclass(frozen=True)
class TokenDependency:
    """One response under two views; the lists are as long as its tokens."""

    texts: list[str]
    logprobs: list[float]
    masked_logprobs: list[float]


@torch.no_grad()
def token_dependency(
    model: VisionLanguageModel, samples: Sequence[Sample], token_ids: Sequence[Sequence[int]], view: ViewSettings,
    seed: int = 0,
) -> list[TokenDependency]:  # fmt: skip
    """Scores of one response per sample on its picture and on the corrupted picture."""
    found = []
    for sample, ids in zip(samples, token_ids, strict=True):
        rows = []
        for encoded in (model.encoder.encode(sample), model.encoder.encode(sample, view, seed)):
            model.encoder.response_ids(sample.id, ids)  # refuses image tokens in rows read from files
            rows.append(model.score([Group(encoded, [list(ids)])]).logprobs_NT[0].tolist())
        found.append(TokenDependency(model.token_texts(ids), *rows))
    return found
