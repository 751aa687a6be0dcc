"""The mini world: small generated problems in which everything visible is known, nine columns and the relay.

Nothing is downloaded. Errors have their classes by construction, and a sample comes back from its id alone.
"""

from collections.abc import Sequence

from common import UserError
from data import Sample
from data.known import Cells
from data.mini import world
from data.mini.columns import COLUMNS
from data.mini.diagnosis import diagnose
from data.mini.figures import VERSIONS
from data.mini.scene import GRID
from data.mini.words import in_words
from eval.benchmark import Benchmark
from verify import Verdict, grade


def check(items: int, split: str) -> None:
    """Refuse a number of items that cuts a problem's versions apart, and an unknown split."""
    if items < 1 or items % len(VERSIONS):
        raise UserError(f"items={items} must be a positive multiple of {len(VERSIONS)}, the versions of a problem")
    world.split_and_tau(split)


def generate(items: int, split: str) -> Sequence[Sample]:
    """Return `items` samples per column; the vision-centric column is a part of `versions` and has none of its own.

    In split `near` those without a near miss are left out.
    """
    check(items, split)
    return [sample for column in COLUMNS for sample in world.samples(split, column, items)]


def official(sample: Sample, text: str, k: int) -> Verdict:
    return grade(text, sample.answer, choices=sample.choices or None, task_type=sample.answer_type, grader="robust")


def cells(sample: Sample) -> Cells:
    evidence = sample.columns["evidence_by_fact"]
    return Cells(
        GRID, GRID, {name: tuple((row, column) for row, column in places) for name, places in evidence.items()}
    )


BENCHMARK = Benchmark(
    name="mini",
    title="Mini world",
    version=f"mini/{world.WORLD_VERSION}",
    licence="that of this repository",
    official=official,
    breakdowns=("hint", "vision_need", "version", "kind"),
    cluster="problem",
    column="column",
    source="data/mini; the robust grader",
    generate=generate,
    check=check,
    sample=world.sample_by_id,
    diagnose=diagnose,
    cells=cells,
    in_words=in_words,
    speakers=("tiny",),
    preset="mini",
)
