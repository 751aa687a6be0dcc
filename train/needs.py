"""What the enabled pieces of a run need, united: the trainer computes these columns and no others."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from common import UserError, did_you_mean
from data.sources import Samples
from models.divergence import Divergence
from train.marks import COLUMN as MARKED
from train.marks import MARKS
from train.settings import TrainSettings
from train.table.columns import CLEAN, ENGINE, PAIRED, POLICY, REFERENCE, TEACHER, ScoreName, made_names, parse


@dataclass(frozen=True)
class Needs:
    """Scores by their canonical names (train/table/columns.py)."""

    fixed: frozenset[ScoreName]  # without gradient, before the first update
    early: frozenset[ScoreName]  # those among them that no first update can make: needed of every row
    live: frozenset[ScoreName]  # with gradient, in the update
    divergences: Mapping[str, Divergence] = field(default_factory=dict)  # of whole distributions, in the update

    def of(self, model: str) -> list[ScoreName]:
        """Return the fixed scores that one model makes, in a stable order."""
        return sorted(name for name in self.fixed if name.model == model)

    def old_of_all(self) -> bool:
        """Return whether the policy scores every row before the first update, the first mini-batch's too."""
        return any(name.model == POLICY for name in self.early)

    def views_of(self, model: str) -> list[str]:
        """Return the views behind which a model is scored without gradient; the clean one with those it is paired."""
        names = self.of(model)
        return sorted({name.view for name in names} | {CLEAN for name in names if name.quantity in PAIRED})

    def live_views(self) -> list[str]:
        return sorted({name.view for name in self.live if name.model == POLICY and name.quantity == "logp"})

    def teacher_views(self) -> list[str]:
        """Return the views behind which updates ask the teacher."""
        return sorted({view for one in self.divergences.values() for view in one.views(TEACHER)})


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
    divergences: dict[str, Divergence] = {}
    for term in terms:
        for name, one in term.divergences().items():
            if divergences.setdefault(name, one) != one:
                raise UserError(f"two loss terms mean different things by {name}; give them the same options")
    views = {view for one in divergences.values() for view in one.views(POLICY)} - {CLEAN}
    live |= {ScoreName(POLICY, "logp", view) for view in views}
    return Needs(frozenset(fixed), frozenset(early), frozenset(live), divergences)


def check_pieces(settings: TrainSettings) -> None:
    """Refuse pieces that name a term, a view, a reward or a model that is not there, before anything is loaded."""
    needs = needs_of(settings)
    for score in sorted(needs.fixed | needs.live):
        check_score(score, settings)
    for view in needs.teacher_views():
        check_score(ScoreName(TEACHER, "logp", view), settings)
    check_contexts(settings, needs)
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


def check_contexts(settings: TrainSettings, needs: Needs) -> None:
    """Refuse views that act inside the model or on the response where they cannot: such are scored alone, as data."""
    inside = {name: view for name, view in settings.views.items() if view.in_model}
    for name in sorted(needs.fixed | needs.live):
        if name.view in inside and (name in needs.live or name.model != POLICY or name.quantity != "logp"):
            raise UserError(
                f"a piece reads '{name}', but of views.{name.view} there is only the policy's logp without gradient; "
                "name another view, and set gradient=clean where a term has it"
            )
    if behind := sorted(inside.keys() & set(needs.teacher_views())):
        raise UserError(f"the teacher cannot be asked behind views.{behind[0]}; name another view")
    for term in settings.losses.enabled():
        for score in made_names(term.fixed()):
            if score.view in inside and inside[score.view].leaves_out:
                raise UserError(f"a loss term reads '{score}', and only weights may: it lacks tokens of the response")


def check_plan(settings: TrainSettings) -> None:
    """Refuse views, roles and terms of the rollouts that are not there."""
    plan, rules = settings.rollouts.plan, settings.rollouts.filter
    for view in sorted(plan.views()):
        if view not in settings.views:
            raise UserError(
                f"rollouts.plan names the view '{view}', which `views` lacks; {did_you_mean(view, settings.views)}"
            )
        if settings.views[view].in_model:
            raise UserError(
                f"rollouts.plan samples behind views.{view}, which scores responses that are there; name another view"
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
        data.require({MARKED} if weight.marks() & set(MARKS) else set(), f"weights.{name}")
    for name, view in settings.views.items():
        data.require(view.columns(), f"views.{name}")


def check_score(name: ScoreName, settings: TrainSettings) -> None:
    """Refuse a score of a view or model that the run does not have."""
    if name.view != "clean" and name.view not in settings.views:
        raise UserError(
            f"a piece reads '{name}', but `views` has no view '{name.view}'; add it to the method, or "
            f"{did_you_mean(name.view, settings.views)}"
        )
    if name.model == TEACHER and settings.teacher_model is None:
        raise UserError(
            f"a piece reads '{name}', but the run has no teacher; add teacher.name=<a file of configs/models>, or "
            "teacher_follows=0.05 for an average of the policy itself"
        )
    if name.model in (REFERENCE, ENGINE) and (name.quantity != "logp" or name.view != "clean"):
        raise UserError(f"a piece reads '{name}', but of the {name.model} there is logp alone; name another score")
    if name.quantity in PAIRED and name.view == "clean" and name.model == POLICY:
        raise UserError(f"a piece reads '{name}', which compares two views; name one, for example {name}@masked")
