"""One step between its rollouts and its updates: fixed scores, the table, advantages and W."""

from collections.abc import Mapping
from dataclasses import dataclass

from train.distributed import Ranks
from train.experience import Experience, FixedScores
from train.marks import marks_of
from train.needs import Needs, needs_of
from train.prompts import Prompts
from train.scoring.scores import FrozenModel, Scoring, fixed_scores
from train.scoring.weighing import Weighed, weighed
from train.settings import TrainSettings
from train.table.columns import POLICY, TEACHER


@dataclass(frozen=True, kw_only=True)
class Step:
    """Everything that one step's updates read."""

    number: int  # 1 = the first
    experience: Experience
    prompts: dict[str, Prompts]  # by model, see train/table/columns.py
    fixed: FixedScores
    weighed: Weighed
    needs: Needs
    teacher: FrozenModel | None = None


def make_step(
    models: Mapping[str, FrozenModel], experience: Experience, settings: TrainSettings, ranks: Ranks, number: int
) -> Step:
    """Score an experience as far as pieces ask for it, and weigh it; `models` holds the policy and frozen ones."""
    seed, progress = settings.step_seed(number), (number - 1) / settings.steps
    prompts = {name: Prompts(one.model, experience, settings.views, seed, progress) for name, one in models.items()}
    needs = needs_of(settings)
    fixed = fixed_scores(models, prompts, needs, Scoring(settings, ranks))
    marks = marks_of(experience, needs.marks, needs.finders, models[POLICY].model.token_texts)
    found = weighed(experience, fixed, needs, settings, ranks, progress=progress, seed=seed, marks=marks)
    return Step(
        number=number,
        experience=experience,
        prompts=prompts,
        fixed=fixed,
        weighed=found,
        needs=needs,
        teacher=models.get(TEACHER),
    )
