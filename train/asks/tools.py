"""What rewards and plans may ask beside the policy: a judge that ticks facts, a reader that answers from text alone.

Both are one client with retries (verify/llm_judge.py). A request that came to nothing is None, never a 0; 16 in a row
stop the run.
"""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Protocol

from data import Sample
from data.mini.chains import work
from train.asks.ask import Row
from verify.judge_prompts import Case, Judgement, Template, json_value
from verify.llm_judge import LlmJudge

TICK = (
    "The reference is a numbered list of facts that a picture shows. Find out which of them the response clearly "
    "expresses, in whatever words. Judge only whether a fact is expressed: not whether the response is right, and not "
    "whether the fact matters. A fact that the response also contradicts is not expressed.\n"
    'Reply with {"expressed": [1, 3]}, with the numbers of the expressed facts, and nothing else.'
)
STATED = re.compile(r"(\S+) = (\S+)")  # a fact in the mini world's language


def read_ticks(reply: str) -> Judgement | None:
    """Return the numbers of a reply as JSON, or None where it holds none."""
    value = json_value(reply, "expressed")
    if not isinstance(value, list) or not all(type(number) is int for number in value):
        return None
    return Judgement(None, "answer", reply, json.dumps(value))


FACTS = Template("facts/1", TICK, read_ticks)
READER = Template(
    "reader/1",
    "Follow the instruction in the question. Put the final answer into \\boxed{}.",
    lambda reply: Judgement(None, "answer", reply, reply),
    has_gold=False,
    frame="You answer questions about pictures that you do not see, from a description.",
)


class Judge(Protocol):
    """Says which facts a response expresses."""

    def ticks(self, rows: Sequence[Row], facts: Sequence[Sequence[str]]) -> list[list[float] | None]:
        """Return 1 or 0 for every fact of every row; None for a row that could not be judged."""
        ...


class Reader(Protocol):
    """Answers without pictures."""

    def read(self, samples: Sequence[Sample]) -> list[str | None]:
        """Return a response to every question, which holds the description; None where there is none."""
        ...


class ServerJudge:
    """A language model ticks facts."""

    def __init__(self, judge: LlmJudge) -> None:
        self.judge = judge

    def ticks(self, rows: Sequence[Row], facts: Sequence[Sequence[str]]) -> list[list[float] | None]:
        """Ask once per row; a reply that names a fact which does not exist is no judgement."""
        lists = ["\n".join(f"{number}. {fact}" for number, fact in enumerate(own, 1)) for own in facts]
        cases = [
            Case(FACTS, row.sample.question, row.response.text, gold) for row, gold in zip(rows, lists, strict=True)
        ]
        found: list[list[float] | None] = []
        for judgement, own in zip(self.judge.ask(cases), facts, strict=True):
            numbers = None if judgement.answer is None else set(json.loads(judgement.answer))
            known = numbers is not None and numbers <= set(range(1, len(own) + 1))
            found.append(
                [float(n in numbers) for n in range(1, len(own) + 1)] if known and numbers is not None else None
            )
        return found


class ServerReader:
    """A frozen language model reads; a reply that its limit cut is read as far as it goes."""

    def __init__(self, client: LlmJudge) -> None:
        self.client = client

    def read(self, samples: Sequence[Sample]) -> list[str | None]:
        """Ask once per question."""
        replies = self.client.ask([Case(READER, sample.question, "") for sample in samples])
        return [reply.raw if reply.reason in ("answer", "unparsed", "cut") else None for reply in replies]


class RuleReader:
    """The mini world's own arithmetic on the facts that a description states."""

    def read(self, samples: Sequence[Sample]) -> list[str | None]:
        """Return what the problem's solution makes of the stated facts; no box where they allow no answer."""
        texts: list[str | None] = []
        for sample in samples:
            stated = dict(STATED.findall(sample.question))
            facts = {name: stated[name] for name in sample.facts if name in stated}
            answer = work(sample.solution, facts).answer
            texts.append("no answer" if answer is None else f"\\boxed{{{answer}}}")
        return texts


@dataclass(frozen=True)
class Tools:
    """What is there to be asked, and how far the training has come."""

    judge: Judge | None = None
    reader: Reader | None = None
    progress: float = 0.0

    def at(self, progress: float) -> Tools:
        return replace(self, progress=progress)
