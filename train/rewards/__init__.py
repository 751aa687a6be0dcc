"""Rewards: numbers for all rows of a round. A new one is a file and a line here."""

from train.rewards.basic import Accuracy, Format
from train.rewards.checklist import ChecklistScore
from train.rewards.facts import Facts
from train.rewards.number import Closeness, Place
from train.rewards.overlong import OverlongSettings, overlong_penalty
from train.rewards.piece import Reward
from train.rewards.repetition import Repetition
from train.rewards.reread import Described, Reread

REWARDS: dict[str, type[Reward]] = {
    "accuracy": Accuracy,
    "format": Format,
    "facts": Facts,
    "repetition": Repetition,
    "reread": Reread,
    "described": Described,
    "checklist": ChecklistScore,
    "closeness": Closeness,
    "place": Place,
}

__all__ = ["REWARDS", "OverlongSettings", "Reward", "overlong_penalty"]
