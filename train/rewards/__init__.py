"""Rewards: numbers for all rows of a round. A new one is a file and a line here."""

from train.rewards.basic import Accuracy, Format
from train.rewards.overlong import OverlongSettings, overlong_penalty
from train.rewards.piece import Reward

REWARDS: dict[str, type[Reward]] = {"accuracy": Accuracy, "format": Format}

__all__ = ["REWARDS", "OverlongSettings", "Reward", "overlong_penalty"]
