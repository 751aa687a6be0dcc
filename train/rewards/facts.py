"""Perception-R1 (arXiv 2506.07218): the share of a problem's visual facts that a response states.

    r = (1/m) sum_j tick_j,  m = number of facts in the data

The public code divides by the number of ticks that the judge returned, so that a judge that stops early inflates the
score; here m comes from the data, and a judge that fails gives None (resampled), never 0.
"""

import random
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from configs import setting
from data.mini.chains import read_chain
from train.asks.ask import Row
from train.asks.tools import Tools
from train.rewards.piece import Reward


def share(ticks: Sequence[float], facts: int) -> float:
    """Return the ticked share of so many facts, each tick within [0, 1]; missing ticks are 0, no facts give 0."""
    return sum(min(max(tick, 0.0), 1.0) for tick in ticks[:facts]) / facts if facts else 0.0


def stated(text: str, facts: Sequence[str]) -> list[float]:
    """Return which facts `name is value` a chain of the mini world states once and does not contradict."""
    chain = read_chain(text)
    said = [f"{name} is {value}" for name, value in chain.facts] if chain else []
    names = [name for name, _ in chain.facts] if chain else []
    return [float(fact in said and names.count(fact.rpartition(" is ")[0]) == 1) for fact in facts]


@dataclass(frozen=True)
class Facts(Reward):
    """Share of the visual facts that a response states."""

    kind: Literal["facts"] = "facts"
    by: Literal["judge", "rule", "simulated"] = setting(
        "judge", "who ticks: the judge of the run, the mini world's rule, or the rule with errors"
    )
    wrong: float = setting(0.1, "simulated: share of ticks that are turned over", bounds="[0, 1]")

    def columns(self) -> set[str]:
        return {"visual_facts"}

    def asks_judge(self) -> bool:
        return self.by == "judge"

    def simulated(self, row: Row, ticks: list[float]) -> list[float]:
        """Return ticks of a weak judge: each turned over with probability `wrong`, the same for equal responses."""
        chance = random.Random(f"{row.sample.id}/{row.response.text}")
        return [1 - tick if chance.random() < self.wrong else tick for tick in ticks]

    def score(self, rows: Sequence[Row], tools: Tools) -> list[float | None]:
        """Return the ticked share of every response."""
        own = self.own(rows)
        facts = [list(row.sample.columns["visual_facts"]) for row in own]
        found: list[list[float] | None] = [row.given.get("ticks") for row in own]
        asked = [n for n, ticks in enumerate(found) if ticks is None and facts[n]]
        if self.by == "judge" and asked:
            assert tools.judge is not None
            ticked = tools.judge.ticks([own[n] for n in asked], [facts[n] for n in asked])
        else:
            ticked = [stated(own[n].response.text, facts[n]) for n in asked]
        if self.by == "simulated":
            ticked = [self.simulated(own[n], ticks or []) for n, ticks in zip(asked, ticked, strict=True)]
        answered = dict(zip(asked, ticked, strict=True))
        ticks = [answered.get(n, given or ([] if not facts[n] else None)) for n, given in enumerate(found)]
        return [None if one is None else share(one, len(facts[n])) for n, one in enumerate(ticks)]
