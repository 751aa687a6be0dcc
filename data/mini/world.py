"""The mini world as a data source: endless training problems, and test and validation sets that they stay away from.

A sample's id is `mini/<world version>/<split>/<column>/<index>`, and the id alone brings back the sample with its
picture, so result files need not store pictures. Test and validation have `HELD_OUT` problems a column; no training
picture is equal to one of theirs or differs from it in one cell only.

Where a question leaves facts to the picture, a sentence suggests one of them. In training it is right with probability
tau (`train` is tau 0.8, `train~0.5` another); of test and validation one half is aligned, the other broken.
"""

import random
from collections.abc import Iterator
from functools import lru_cache, partial

from common import UserError
from data.mini.chains import work
from data.mini.columns import COLUMNS
from data.mini.figures import VERSIONS, VISION_CENTRIC, rectangle_versions
from data.mini.known import Known
from data.mini.problem import Draft, Problem, painted
from data.mini.scene import Cells, Scene
from data.mini.variants import draw_hint, near_miss, twins
from data.sample import IMAGE_PLACEHOLDER, Sample

WORLD_VERSION = 2
MAX_OBJECTS = 8
HELD_OUT = 400  # problems of a column in test and in validation
TAU = 0.8  # share of the suggestions in training that are right
SPLITS = ("train", "validation", "test", "twin", "near")  # twin and near go with the test problem of the same number


def split_and_tau(split: str) -> tuple[str, float | None]:
    """Return a split's name and, for training, the share of right suggestions."""
    name, dial, value = split.partition("~")
    if name not in SPLITS:
        raise UserError(f"the mini world has no split {split!r}; use one of {', '.join(SPLITS)}, or train~0.5 for tau")
    if not dial:
        return name, TAU if name == "train" else None
    try:
        tau = float(value)
    except ValueError:
        tau = -1.0
    if name != "train" or not 0 <= tau <= 1:
        raise UserError(f"split {split!r} is no dial of the mini world; write train~0.5, with tau from 0 to 1")
    return name, tau


def drawn_from(name: str) -> str:
    """Return the split whose problems a split's are made from."""
    return "test" if name in ("twin", "near") else name


def without_one_cell(cells: Cells) -> list[int]:
    """Return a number for every way to leave out one cell; pictures that differ in one cell at most share one."""
    return [hash((place, cells[:place], cells[place + 1 :])) for place in range(len(cells))]


@lru_cache(maxsize=2)
def held_out(split: str) -> frozenset[int]:
    """Return the numbers of `without_one_cell` of all pictures of a split."""
    keys: set[int] = set()
    for column in COLUMNS:
        step = len(VERSIONS) if column == "versions" else 1
        for index in range(0, HELD_OUT, step):
            keys.update(without_one_cell(unhinted(split, column, index, MAX_OBJECTS).scene.cells))
    return frozenset(keys)


def allowed(split: str, scene: Scene) -> bool:
    """Return whether a picture is far enough from those of the splits that are drawn before."""
    earlier = {"train": ("test", "validation"), "validation": ("test",), "test": ()}[split]
    return not any(key in held_out(other) for other in earlier for key in without_one_cell(scene.cells))


def draft_of(rng: random.Random, column: str, version: int, size: int) -> tuple[Draft, Draft]:
    """Return a draft, and the one whose picture decides about its split: the five versions go together."""
    if column != "versions":
        draft = COLUMNS[column](rng, size)
        return draft, draft
    drafts = rectangle_versions(rng, size)
    return drafts[list(VERSIONS)[version]], drafts["Text Dominant"]


def unhinted(split: str, column: str, index: int, size: int) -> Problem:
    """Return problem number `index` without a suggestion."""
    number, version = divmod(index, len(VERSIONS)) if column == "versions" else (index, 0)
    rng = random.Random(f"{WORLD_VERSION}/{split}/{column}/{number}/{size}")
    while True:
        draft, decides = draft_of(rng, column, version, size)
        layout_seed = rng.getrandbits(48)
        found = painted(decides, layout_seed)
        if allowed(split, found.scene):
            return found if draft is decides else painted(draft, layout_seed)


def find_problem(split: str, column: str, index: int, size: int = MAX_OBJECTS) -> Problem | None:
    """Return a problem, None where a test problem has no near miss; `versions` counts the five of each problem."""
    name, tau = split_and_tau(split)
    if column not in COLUMNS:
        raise UserError(f"the mini world has no column {column!r}; use one of {', '.join(COLUMNS)}")
    if tau is None and not 0 <= index < HELD_OUT:
        raise UserError(f"split {split!r} has {HELD_OUT} problems a column; there is no number {index}")
    drawn = drawn_from(name)
    found = unhinted(drawn, column, index, size)
    number = index // len(VERSIONS) if column == "versions" else index
    aligned = (number + 1) % 2 if tau is None else tau
    hint = draw_hint(random.Random(f"hint/{drawn}/{column}/{index}"), found, aligned)
    if name == "near":
        missed = near_miss(found)
        return missed and missed.hinted(hint)
    return (next(twins(found)) if name == "twin" else found).hinted(hint)


def problem(split: str, column: str, index: int, size: int = MAX_OBJECTS) -> Problem:
    found = find_problem(split, column, index, size)
    if found is None:
        raise UserError(f"test problem {index} of {column} has no near miss; ask for another number")
    return found


def problem_key(found: Problem) -> str:
    """Return a key that the five versions of a problem share, and pictures that chance draws twice."""
    return f"{found.draft.kind}/{'/'.join(found.facts.values())}" if found.draft.version else found.scene.key()


def as_sample(found: Problem, split: str, column: str, index: int) -> Sample:
    draft = found.draft
    answer = work(draft.solution, found.facts).answer
    assert answer is not None, found
    tags = {"column": column, "vision_need": draft.vision_need, "kind": draft.kind, "version": draft.version}
    tags |= {"hint": found.hint_state, "problem": f"{column}/{problem_key(found)}"}
    if draft.version in VISION_CENTRIC:
        tags["subset"] = "vision_centric"
    return Sample(
        id=f"mini/{WORLD_VERSION}/{split}/{column}/{index}",
        source="mini",
        question=f"{IMAGE_PLACEHOLDER}{found.question}",
        images=(found.scene,),
        answer=answer,
        answer_type="number" if answer.isdigit() else "text",
        facts=found.facts,
        solution=draft.solution,
        tags={name: value for name, value in tags.items() if value},
        columns=Known(found, f"{split}/{column}/{index}", partial(allowed, drawn_from(split_and_tau(split)[0]))),
    )


def sample(split: str, column: str, index: int) -> Sample:
    return as_sample(problem(split, column, index), split, column, index)


def samples(split: str, column: str, count: int) -> list[Sample]:
    """Return the first `count` samples of a column, those that have no near miss left out."""
    found = ((index, find_problem(split, column, index)) for index in range(count))
    return [as_sample(one, split, column, index) for index, one in found if one is not None]


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
        raise UserError(f"{sample_id!r} is not the id of a mini-world sample (mini/{WORLD_VERSION}/test/counting/17)")
    if parts[1] != str(WORLD_VERSION):
        raise UserError(f"{sample_id!r} comes from mini world {parts[1]}, this is version {WORLD_VERSION}; rerun it")
    return sample(parts[2], parts[3], int(parts[4]))


def stream(split: str, start: int = 0) -> Iterator[Sample]:
    """Return samples of all columns in turn, endless, from position `start`; the held-out splits start over."""
    names = list(COLUMNS)
    position = start
    finite = split_and_tau(split)[1] is None
    while True:
        index, place = divmod(position, len(names))
        index = index % HELD_OUT if finite else index
        found = find_problem(split, names[place], index)
        if found is not None:
            yield as_sample(found, split, names[place], index)
        position += 1
