"""Asks and rows: what a plan asks of whom, and what comes back."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from data import Sample
from models.response import Response
from train.columns import ANSWER, CLEAN
from verify import Verdict


@dataclass(frozen=True, kw_only=True)
class Ask:
    """A request for `count` responses; plain data, so that any rank can make its prompt again from the sample."""

    count: int
    role: str = ANSWER  # its reward terms and its branch of the loss
    coef: float = 1.0  # of the branch; each role is averaged over its own tokens
    question: str | None = None  # None: the sample's own
    pictures: str = "own"  # own, none, or a column that holds pictures
    view: str = CLEAN  # what the sampler sees
    trained: str = "own"  # what the policy is scored behind: own (as sampled), clean, or "" = not trained on
    group: str = ""  # rows of one group are compared; empty = the role
    answer: str | None = None  # gold of this ask; None: the sample's own
    by: Literal["policy", "reader"] = "policy"
    parent: int | None = None  # the row of this prompt that it was made from


@dataclass(frozen=True, kw_only=True)
class Row:
    """One response to one ask, graded."""

    sample: Sample  # as asked: its question and gold are those of the ask
    ask: Ask
    response: Response
    verdict: Verdict
    parent: int | None = None  # position among the rows of the same prompt
