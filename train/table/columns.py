"""Names of token scores: `[teacher.|reference.|engine.]quantity[@view]`, and the scores derived from others.

Made by a pass of a model: logp, entropy, focus, prior; js and kl (of a view against the clean picture, whole
vocabulary). Derived from those, with l = logp of the clean view, m = logp of the other, d = clip(m - l, -20, 20):

    k1@v           l - m
    k3@v           min(exp(d) - d - 1, 10)
    drop@v         exp(l) - exp(m)
    entropy_gap@v  entropy@v - entropy

`logp` alone is the policy before the step's updates (the old log-prob).
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import NamedTuple

from common import UserError, did_you_mean
from common.lazy import Tensor
from models.divergence import CLEAN
from models.kl import k1, k3

POLICY, TEACHER, REFERENCE, ENGINE = "policy", "teacher", "reference", "engine"
STATES = ("focus", "prior")  # read from hidden states, see models/focus.py
MADE = ("logp", "entropy", *STATES, "js", "kl")
PAIRED = ("js", "kl")  # need the clean picture and the view in one call
DERIVED = {"k1": "logp", "k3": "logp", "drop": "logp", "entropy_gap": "entropy"}


class ScoreName(NamedTuple):
    """A parsed name."""

    model: str
    quantity: str
    view: str

    def __str__(self) -> str:
        model = "" if self.model == POLICY else f"{self.model}."
        return f"{model}{self.quantity}" + ("" if self.view == CLEAN else f"@{self.view}")


def parse(name: str) -> ScoreName:
    """Return the parts of a name; refuse a quantity or model that does not exist."""
    front, _, view = name.partition("@")
    model, dot, quantity = front.rpartition(".")
    known = (*MADE, *DERIVED)
    if dot and model not in (TEACHER, REFERENCE, ENGINE):
        raise UserError(f"no model '{model}' in score '{name}'; use teacher, reference or engine, or none")
    if quantity not in known:
        raise UserError(f"no score '{quantity}' in '{name}'; {did_you_mean(quantity, known)}")
    if quantity in DERIVED and not view:
        raise UserError(f"score '{name}' compares two views; name one, for example {quantity}@masked")
    return ScoreName(model or POLICY, quantity, view or CLEAN)


def made_names(names: Iterable[str]) -> set[ScoreName]:
    """Return the scores that passes must make so that all of `names` can be had."""
    found = set()
    for name in map(parse, names):
        if name.quantity in DERIVED:
            base = DERIVED[name.quantity]
            found |= {ScoreName(name.model, base, CLEAN), ScoreName(name.model, base, name.view)}
        else:
            found.add(name)
    return found


def views_of(names: Iterable[str]) -> set[str]:
    """Return the views that occur in names."""
    return {parse(name).view for name in names} - {CLEAN}


def summed(channels: Sequence["Tensor"]) -> "Tensor":
    """Return the sum over reward channels."""
    return sum(channels[1:], start=channels[0])


def score_of(scores: Mapping[str, "Tensor"], name: str) -> "Tensor":
    """Return a score by name: one that is there, or one derived from two that are."""
    if name in scores:
        return scores[name]
    parsed = parse(name)
    base = DERIVED[parsed.quantity]
    clean, other = (scores[str(ScoreName(parsed.model, base, view))] for view in (CLEAN, parsed.view))
    return FORMULAS[parsed.quantity](clean, other)


FORMULAS: dict[str, Callable[["Tensor", "Tensor"], "Tensor"]] = {
    "k1": k1,
    "k3": k3,
    "drop": lambda clean, other: clean.exp() - other.exp(),
    "entropy_gap": lambda clean, other: other - clean,
}
