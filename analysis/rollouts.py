"""A training step opened like an evaluation: its settings, samples and weights come from the run folder around it."""

from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING

from common import UserError
from configs import load_resolved
from data import Sample
from data.sources import Samples
from eval.settings import EvalSettings

if TYPE_CHECKING:
    from train.settings import TrainSettings

FOLDER = "rollouts"


def run_of(rollouts: Path) -> Path:
    """Return the run folder of a file of rollouts."""
    return rollouts.resolve().parent.parent


def step_of(rollouts: Path) -> int:
    number = rollouts.stem.removeprefix("step_")
    if not number.isdigit():
        raise UserError(f"{rollouts} is no file of rollouts (step_000010.parquet)")
    return int(number)


def training_of(rollouts: Path) -> "TrainSettings":
    from train.settings import TrainSettings

    return load_resolved(TrainSettings, run_of(rollouts) / "config.yaml")


def as_evaluation(rollouts: Path) -> EvalSettings:
    """Return how a step's responses were asked for, in the words of an evaluation."""
    training = training_of(rollouts)
    return EvalSettings(
        model=training.model,
        bench=training.data.source,
        data=training.data.source,
        split=training.data.split,
        k=training.rollouts.group,
        prompt=training.model.prompt,
        sampling=training.rollouts.sampling,
        grader=training.grader,
        seed=training.seed,
    )


def training_samples(rollouts: Path, wanted: Iterable[str]) -> dict[str, Sample]:
    """Return samples of a step, read again from the training data."""
    training, ids = training_of(rollouts), set(wanted)
    data = Samples(training.data, training.seed)
    return {sample.id: sample for sample in map(data.sample, range(len(data))) if sample.id in ids}


def check_weights(rollouts: Path) -> None:
    """Refuse steps after the first: the policy that answered them is not kept."""
    if step_of(rollouts) > 1:
        raise UserError(f"the weights that answered in step {step_of(rollouts)} are not kept, only those of step 1")
