"""What the enabled pieces of a run need, united: the trainer computes these columns and no others."""

from __future__ import annotations

from dataclasses import dataclass

from common import UserError, did_you_mean
from data.sources import Samples
from train.columns import CLEAN, ENGINE, PAIRED, POLICY, REFERENCE, TEACHER, ScoreName, made_names, parse
from train.marks import COLUMN as MARKED
from train.settings import TrainSettings


@dataclass(frozen=True)
class Needs:
    """Scores by their canonical names (train/columns.py)."""

    fixed: frozenset[ScoreName]  # without gradient, before the first update
    early: frozenset[ScoreName]  # those among them that no first update can make: needed of every row
    live: frozenset[ScoreName]  # with gradient, in the update

    def of(self, model: str) -> list[ScoreName]:
        """Return the fixed scores that one model makes, in a stable order."""
        return sorted(name for name in self.fixed if name.model == model)

    def live_views(self) -> list[str]:
        return sorted({name.view for name in self.live if name.model == POLICY and name.quantity == "logp"})


def needs_of(settings: TrainSettings) -> Needs:
    """Return the union over all enabled terms and weights."""
    terms = list(settings.losses.enabled())
    early = made_names(name for piece in settings.weights.values() for name in piece.needs())
    if settings.losses.reward_kl:
        early |= made_names(["logp", "reference.logp"])
    fixed = early | made_names(name for term in terms for name in term.fixed())
    # The first update makes its own old log-probs and nothing else, so other clean scores need a pass over every row.
    early |= {name for name in fixed if (name.model, name.view) == (POLICY, CLEAN) and name.quantity != "logp"}
    live = {parse(name) for term in terms for name in term.live()}
    return Needs(frozenset(fixed), frozenset(early), frozenset(live))


def check_pieces(settings: TrainSettings) -> None:
    """Refuse pieces that name a term, a view, a reward or a model that is not there, before anything is loaded."""
    needs = needs_of(settings)
    for score in sorted(needs.fixed | needs.live):
        check_score(score, settings)
    emitted = [name for term in settings.losses.enabled() for name in term.emits]
    for name, piece in settings.weights.items():
        if piece.on not in emitted:
            raise UserError(
                f"weights.{name}.on is '{piece.on}', which no enabled term gives; {did_you_mean(piece.on, emitted)}"
            )
        for term in piece.terms() - settings.rewards.keys():
            raise UserError(
                f"weights.{name} reads the reward '{term}', which is not among `rewards`; "
                f"{did_you_mean(term, settings.rewards)}"
            )
    check_plan(settings)
    if not emitted:
        raise UserError("losses has no term that is on; enable one, for example losses.ppo={}")


def check_plan(settings: TrainSettings) -> None:
    """Refuse views, roles and terms of the rollouts that are not there."""
    plan, rules = settings.rollouts.plan, settings.rollouts.filter
    for view in sorted(plan.views()):
        if view not in settings.views:
            raise UserError(
                f"rollouts.plan names the view '{view}', which `views` lacks; {did_you_mean(view, settings.views)}"
            )
        if settings.views[view].draw != "per_prompt":
            raise UserError(
                f"rollouts.plan samples behind views.{view}, a picture per prompt; set its draw=per_prompt"
            )
    for name, piece in settings.rewards.items():
        if piece.role not in plan.coefs():
            raise UserError(
                f"rewards.{name}.role is '{piece.role}', which the plan does not ask; "
                f"{did_you_mean(piece.role, plan.coefs())}"
            )
    for name in rules.by if rules else ():
        if name not in settings.rewards and name != "accuracy":
            raise UserError(
                f"rollouts.filter.by names '{name}', which is not among `rewards`; "
                f"{did_you_mean(name, settings.rewards)}"
            )


def check_columns(settings: TrainSettings, data: Samples) -> None:
    """Refuse data that lack a column which a piece reads, before a model is loaded."""
    data.require(settings.rollouts.plan.columns(), "rollouts.plan")
    for name, piece in settings.rewards.items():
        data.require(piece.columns(), f"rewards.{name}")
    for name, weight in settings.weights.items():
        data.require({MARKED} if weight.marks() else set(), f"weights.{name}")
    for name, view in settings.views.items():
        data.require(view.columns(), f"views.{name}")


def check_score(name: ScoreName, settings: TrainSettings) -> None:
    """Refuse a score of a view or model that the run does not have."""
    if name.view != "clean" and name.view not in settings.views:
        raise UserError(
            f"a piece reads '{name}', but `views` has no view '{name.view}'; add it to the method, or "
            f"{did_you_mean(name.view, settings.views)}"
        )
    if name.model == TEACHER and settings.teacher is None:
        raise UserError(
            f"a piece reads '{name}', but the run has no teacher; add teacher.name=<a file of configs/models>"
        )
    if name.model in (REFERENCE, ENGINE) and (name.quantity != "logp" or name.view != "clean"):
        raise UserError(f"a piece reads '{name}', but of the {name.model} there is logp alone; name another score")
    if name.quantity in PAIRED and name.view == "clean" and name.model == POLICY:
        raise UserError(f"a piece reads '{name}', which compares two views; name one, for example {name}@masked")
