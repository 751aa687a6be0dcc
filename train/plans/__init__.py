"""Plans: who is asked what, on which picture, how often. A new one is a file and a line here."""

from train.plans.piece import Plan
from train.plans.plain import Plain

PLANS: dict[str, type[Plan]] = {"plain": Plain}
