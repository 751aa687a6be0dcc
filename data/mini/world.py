"""The mini world as a data source: endless, seeded, in three splits that share no picture.

A sample's id is `mini/<world version>/<split>/<column>/<index>`, and the id alone brings back the sample with its
picture, so result files need not store pictures. A picture belongs to the split that its content hashes to.
"""

import hashlib
import random
from collections.abc import Iterator
from functools import lru_cache

from common import UserError
from data.mini.chains import work
from data.mini.columns import COLUMNS, VERSIONS, VISION_CENTRIC, Problem, rectangle_versions
from data.mini.known import Known
from data.mini.scene import Scene
from data.sample import IMAGE_PLACEHOLDER, Sample

WORLD_VERSION = 1
MAX_OBJECTS = 8
SPLITS = ("train", "validation", "test")
SUBSET_COLUMNS = {"vision_centric": "versions"}  # as in the paper, these items are a part of another column
ALL_COLUMNS = ("geometry", "chart", "word", "subject", "versions", "logic", "counting", "inpicture", "vision_centric")


def split_of(picture_key: str) -> str:
    """Return the split a picture belongs to: a tenth test, a tenth validation."""
    digest = hashlib.blake2b(picture_key.encode(), digest_size=2).digest()
    return {0: "test", 1: "validation"}.get(int.from_bytes(digest) % 10, "train")


def problem(split: str, column: str, index: int, size: int = MAX_OBJECTS) -> Problem:
    """Return problem number `index` of a column; the versions column numbers the five versions of a problem."""
    if split not in SPLITS:
        raise UserError(f"the mini world has no split {split!r}; use one of {', '.join(SPLITS)}")
    if column not in COLUMNS:
        raise UserError(f"the mini world has no column {column!r}; use one of {', '.join(COLUMNS)}")
    number, version = (index // len(VERSIONS), index % len(VERSIONS)) if column == "versions" else (index, 0)
    rng = random.Random(f"{WORLD_VERSION}/{split}/{column}/{number}/{size}")
    while True:
        if column == "versions":
            drawn = rectangle_versions(rng)
            found, key = drawn[list(VERSIONS)[version]], drawn["Text Dominant"].scene.key()
        else:
            found = COLUMNS[column](rng, size)
            key = found.scene.key()
        if split_of(key) == split:
            return found


def problem_key(found: Problem) -> str:
    """Return a key that the five versions of a problem share, and small pictures that chance draws twice."""
    return f"{found.kind}/{'/'.join(found.facts.values())}" if found.version else found.scene.key()


def as_sample(found: Problem, split: str, column: str, index: int) -> Sample:
    answer = work(found.solution, found.facts).answer
    assert answer is not None, found
    tags = {"column": column, "vision_need": found.vision_need, "kind": found.kind, "version": found.version}
    if found.version in VISION_CENTRIC:
        tags["subset"] = "vision_centric"
    tags["problem"] = f"{column}/{problem_key(found)}"
    return Sample(
        id=f"mini/{WORLD_VERSION}/{split}/{column}/{index}",
        source="mini",
        question=f"{IMAGE_PLACEHOLDER}{found.question}",
        images=(found.scene,),
        answer=answer,
        answer_type="number" if answer.isdigit() else "text",
        facts=found.facts,
        solution=found.solution,
        tags={name: value for name, value in tags.items() if value},
        columns=Known(found, f"{split}/{column}/{index}"),
    )


def sample(split: str, column: str, index: int) -> Sample:
    return as_sample(problem(split, column, index), split, column, index)


def picture_key(drawn: Sample) -> str:
    """Return a key that is equal for samples that show the same picture."""
    scene = drawn.images[0]
    assert isinstance(scene, Scene)
    return scene.key()


@lru_cache(maxsize=1 << 13)  # tables, reports and judges ask for the same samples again and again
def sample_by_id(sample_id: str) -> Sample:
    """Bring back a sample from its id alone."""
    parts = sample_id.split("/")
    if len(parts) != 5 or parts[0] != "mini" or not parts[4].isdigit():
        raise UserError(f"{sample_id!r} is not the id of a mini-world sample (mini/1/test/counting/17)")
    if parts[1] != str(WORLD_VERSION):
        raise UserError(f"{sample_id!r} comes from mini world {parts[1]}, this is version {WORLD_VERSION}; rerun it")
    return sample(parts[2], parts[3], int(parts[4]))


def stream(split: str, start: int = 0) -> Iterator[Sample]:
    """Return samples of all columns in turn, endless, from position `start`."""
    names = list(COLUMNS)
    position = start
    while True:
        yield sample(split, names[position % len(names)], position // len(names))
        position += 1
