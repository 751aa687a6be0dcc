"""What the enabled pieces of a run need, united: the trainer computes these columns and no others."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, fields
from itertools import islice

from common import UserError, did_you_mean
from data.parts import PARTS, Finder
from data.sources import Samples
from models.divergence import Divergence
from train.losses.term import Term
from train.marks import COLUMN as MARKED
from train.marks import MARKS
from train.settings import TrainSettings
from train.table.columns import CLEAN, ENGINE, PAIRED, POLICY, REFERENCE, TEACHER, ScoreName, made_names, parse
from train.weights import Weight


@dataclass(frozen=True)
class Needs:
    """Scores by their canonical names (train/table/columns.py)."""

    fixed: frozenset[ScoreName]  # without gradient, before the first update
    early: frozenset[ScoreName]  # those among them that no first update can make: needed of every row
    live: frozenset[ScoreName]  # with gradient, in the update
    divergences: Mapping[str, Divergence] = field(default_factory=dict)  # of whole distributions, in the update
    marks: frozenset[str] = frozenset()  # spans of tokens (train/marks.py)
    finders: Mapping[str, Finder] = field(default_factory=dict)  # of those that weights find themselves
    token_ids: bool = False  # whether a weight reads them

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
    return Needs(
        fixed=frozenset(fixed),
        early=frozenset(early),
        live=frozenset(live),
        divergences=divergences,
        marks=frozenset(mark for piece in settings.weights.values() for mark in piece.marks()),
        finders=finders_of(settings),
        token_ids=any(piece.needs_token_ids() for piece in settings.weights.values()),
    )


def finders_of(settings: TrainSettings) -> dict[str, Finder]:
    """Return how weights find marks of their own."""
    found: dict[str, Finder] = {}
    for name, piece in settings.weights.items():
        for mark, find in piece.finds().items():
            if found.setdefault(mark, find) != find:
                raise UserError(
                    f"weights.{name} and another weight find the mark '{mark}' in two ways; give one another name"
                )
    return found


@dataclass(frozen=True)
class Read:
    """One score that one piece reads."""

    place: str  # the piece's settings
    piece: Weight | Term
    score: str  # as the piece names it
    live: bool = False  # with gradient

    def __str__(self) -> str:
        return f"{self.place} reads '{self.score}'"

    def made(self) -> list[ScoreName]:
        """Return the scores that a pass must make for it."""
        try:
            return sorted(made_names([self.score]))
        except UserError as error:
            raise UserError(f"{self.option}: {error}") from None

    @property
    def option(self) -> str:
        """Return the setting that names the score or its view, else the piece's own."""
        named = (self.score, self.score.partition("@")[2] or self.score)
        own = (one.name for one in fields(self.piece) if getattr(self.piece, one.name) in named)
        return ".".join([self.place, *islice(own, 1)])


def reads(settings: TrainSettings) -> Iterator[Read]:
    """Yield every score that a weight or an enabled term reads, of divergences the log-probs that they compare."""
    for name, weight in settings.weights.items():
        yield from (Read(f"weights.{name}", weight, score) for score in sorted(weight.needs()))
    for place, term in settings.losses.places().items():
        yield from (Read(place, term, score) for score in sorted(term.fixed()))
        sides = {ScoreName(s.model, "logp", s.view) for one in term.divergences().values() for s in one.sides}
        live = term.live() | {str(name) for name in sides if (name.model, name.view) != (POLICY, CLEAN)}
        yield from (Read(place, term, score, live=True) for score in sorted(live))


def check_pieces(settings: TrainSettings) -> None:
    """Refuse pieces that name a term, a view, a reward or a model that is not there, before anything is loaded."""
    for read in reads(settings):
        for score in read.made():
            check_score(score, read, settings)
            check_context(score, read, settings)
    needs_of(settings)
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
    check_marks(settings)
    check_plan(settings)
    if not emitted:
        raise UserError("losses has no term that is on; enable one, for example losses.ppo={}")


def check_marks(settings: TrainSettings) -> None:
    """Refuse marks that nothing finds, and a weight that finds anew what has a meaning."""
    known = (*MARKS, *PARTS)
    for name, piece in settings.weights.items():
        for mark in sorted(piece.finds().keys() & set(known)):
            raise UserError(
                f"weights.{name} finds the mark '{mark}' itself, which there is already; choose another name"
            )
    found = [*known, *finders_of(settings)]
    for name, piece in settings.weights.items():
        for mark in sorted(piece.marks() - set(found)):
            raise UserError(
                f"weights.{name} reads the mark '{mark}', which nothing finds; {did_you_mean(mark, found)}"
            )


def check_context(name: ScoreName, read: Read, settings: TrainSettings) -> None:
    """Refuse views that act inside the model or on the response where they cannot: such are scored alone, as data."""
    view = settings.views.get(name.view)
    if view is None or not view.in_model:
        return
    if read.live or name.model != POLICY or name.quantity != "logp":
        mend = f", or set {read.place}.gradient=clean" if hasattr(read.piece, "gradient") else ""
        raise UserError(
            f"{read}, but of views.{name.view} there is only the policy's logp without gradient; "
            f"name another view in {read.option}{mend}"
        )
    if view.leaves_out and isinstance(read.piece, Term):
        raise UserError(f"{read}, and only weights may: it lacks tokens of the response; change {read.option}")


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


def check_score(name: ScoreName, read: Read, settings: TrainSettings) -> None:
    """Refuse a score of a view or model that the run does not have."""
    if name.view != CLEAN and name.view not in settings.views:
        other = (
            f", or name another view in {read.option}: {did_you_mean(name.view, settings.views)}"
            if settings.views
            else ""
        )
        raise UserError(
            f"{read}, but `views` has no view '{name.view}'; add it, for example "
            f"views.{name.view}.kind=patch_black{other}"
        )
    if name.model == TEACHER and settings.teacher_model is None:
        raise UserError(
            f"{read}, but the run has no teacher; add teacher.name=<a file of configs/models>, or "
            "teacher_follows=0.05 for an average of the policy itself"
        )
    if name.model in (REFERENCE, ENGINE) and (name.quantity != "logp" or name.view != CLEAN):
        raise UserError(f"{read}, but of the {name.model} there is logp alone; name another score in {read.option}")
    if name.quantity in PAIRED and name.view == CLEAN and name.model == POLICY:
        raise UserError(
            f"{read}, which compares two views; name one in {read.option}, for example {name.quantity}@masked"
        )
