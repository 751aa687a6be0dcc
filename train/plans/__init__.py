"""Plans: who is asked what, on which picture, how often. A new one is a file and a line here."""

from train.plans.checklist import Checklist
from train.plans.noisy import Noisy
from train.plans.piece import Plan
from train.plans.plain import Plain
from train.plans.reread import Rereading
from train.plans.triplet import Triplet

PLANS: dict[str, type[Plan]] = {
    "plain": Plain,
    "noisy": Noisy,
    "triplet": Triplet,
    "reread": Rereading,
    "checklist": Checklist,
}
