"""The mini benchmark: the nine columns of the mini world's test split."""

from common import UserError
from data import Sample
from data.mini import world
from data.mini.columns import COLUMNS, VERSIONS

NAME, VERSION = "mini", f"mini/{world.WORLD_VERSION}"


def samples(items: int, split: str) -> list[Sample]:
    """`items` per column; the vision-centric column is a part of `versions` and needs no items of its own."""
    if items < 1 or items % len(VERSIONS):
        raise UserError(f"items={items} must be a positive multiple of {len(VERSIONS)}, the versions of a problem")
    return [world.sample(split, column, index) for column in COLUMNS for index in range(items)]


def cluster_of(sample: Sample) -> str:
    """Items that share a problem: the five versions of one, and small pictures that chance drew twice."""
    column = sample.tags["column"]
    if column == "versions":
        return f"{column}/{sample.tags['kind']}/{'/'.join(sample.facts.values())}"
    return f"{column}/{world.picture_key(sample)}"
