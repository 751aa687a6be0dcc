"""What a plan is: a generator that yields a list of asks and gets their graded rows back, until it asks no more."""

import random
from collections.abc import Generator
from dataclasses import dataclass

from data import Sample
from train.asks.ask import ANSWER, Ask, Row

Asking = Generator[list[Ask], list[Row], str | None]  # it may return why the problem is discarded


def on_two_pictures(group: int, share: float, view: str, trained: str) -> list[Ask]:
    """Return asks for a group of which a share is sampled behind a view and learns behind `trained` (Ask.trained)."""
    others = round(group * share)
    both = [Ask(count=group - others), Ask(count=others, view=view, trained=trained)]
    return [ask for ask in both if ask.count]


@dataclass(frozen=True)
class Plan:
    """The base of all plans."""

    def views(self) -> set[str]:
        """Return the views that its asks name."""
        return set()

    def columns(self) -> set[str]:
        """Return the columns of samples that it reads."""
        return set()

    def coefs(self) -> dict[str, float]:
        """Return the coefficient of each role's branch of the loss, the answer first."""
        return {ANSWER: 1.0}

    def reads(self) -> str:
        """Return who answers asks that are `by` the reader: a kind of train/asks/tools.py, or empty."""
        return ""

    def asks(self, sample: Sample, group: int, progress: float, chance: random.Random) -> Asking:
        """Ask about one problem; `group` is rollouts.group, `chance` is seeded by run, step, round and sample."""
        raise NotImplementedError
