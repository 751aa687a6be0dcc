"""Lessons for the base model: many short questions about one picture, with pictures that grow fuller."""

import random
from collections.abc import Sequence
from dataclasses import dataclass

from data.mini.columns import COLUMNS
from data.mini.counts import counted_as, counting_wording, plural
from data.mini.demonstrations import CLEAN, Noise, demonstrate
from data.mini.forms import Pair, ask
from data.mini.problem import Draft, Facts, Painting, Problem, numbers, painted
from data.mini.scene import COLOURS, SHAPES, Scene
from data.mini.signs import BAR
from data.mini.variants import draw_hint
from data.mini.world import MAX_OBJECTS, allowed

RELATED = 2  # further problems about the same picture
WORDS = 0.08  # share of the lessons that state the facts in words and show no picture
FORM_WEIGHTS = {"cell": 8, "yes_no": 2, "choice": 1, "describe": 2, "where": 2, "wrong": 1}


@dataclass(frozen=True)
class Lesson:
    """One picture, or none, and (question, answer) pairs about it; the first ones are problems with chains."""

    scene: Scene | None
    pairs: list[Pair]


def no_other_picture(facts: Facts, layout: random.Random) -> Painting:
    """Refuse to paint: the question was made for a picture that is there already."""
    raise NotImplementedError("a further question about a picture has no picture of its own")


def question_about(scene: Scene, name: str, value: int, question: str, wording: str, least: int) -> Problem:
    """Return a further problem about a picture: one number that is read off it."""
    draft = Draft(
        question=question,
        facts={name: str(value)},
        solution="read",
        vision_need="high",
        paint=no_other_picture,
        wording=wording,
        fact_pool={name: numbers(least, 8)},
        kind="related",
    )
    return Problem(draft=draft, scene=scene, evidence={}, facts=draft.facts)


def related(rng: random.Random, found: Problem, count: int) -> list[Problem]:
    """More problems about the same picture, where it holds things to count or bars to read."""
    scene, cells = found.scene, [cell for cell in found.scene.cells if cell]
    shapes = [cell for cell in cells if cell[0] == "shape"]
    if shapes:
        names = rng.sample([*COLOURS, *(f"{shape}s" for shape in SHAPES)], count)
        names[0] = rng.choice([shapes[0][2], f"{shapes[0][1]}s"])
        counts = {name: sum(counted_as(name, cell) for cell in shapes) for name in names}
        return [
            question_about(scene, name, n, f"How many {plural(name)} are there ?", counting_wording(name), 0)
            for name, n in counts.items()
            if n <= 8
        ]
    bars = sorted({cell[1] for cell in cells if cell[0] == "bar"})
    heights = {c: sum((2 if cell[2] == "full" else 1) for cell in cells if cell[:2] == ("bar", c)) for c in bars}
    return [
        question_about(scene, colour, heights[colour], f"How tall is the {colour} bar ?", BAR, 1)
        for colour in rng.sample(bars, min(count, len(bars)))
    ]


def in_words(problem: Problem) -> str:
    """Return a question whose facts all stand in words before it."""
    told = " ".join(problem.sentences())
    goal = f"Find the {problem.draft.kind} . " if problem.draft.version == "Vision Only" else ""
    return f"{told} {goal}{problem.question}"


def lesson(
    rng: random.Random,
    size: int,
    noise: Noise,
    probe_count: int = 4,
    often: Sequence[str] = (),
    hints: float = 0.5,
) -> Lesson:
    """Return one training picture of a random column with up to `size` objects; columns in `often` come up more.

    A share `hints` of the problems comes with a suggestion, right half of the time, so text alone tells nothing.
    """
    draw = rng.choice([*COLUMNS.values(), *(COLUMNS[name] for name in often)])
    while True:
        draft = draw(rng, rng.randint(max(1, size - 2), min(size, MAX_OBJECTS)))
        found = painted(draft, rng.getrandbits(48))
        if allowed("train", found.scene):
            break
    if rng.random() < WORDS:
        return Lesson(None, [(in_words(found), demonstrate(rng, found, CLEAN))])
    problems = [found, *related(rng, found, RELATED)]
    if rng.random() < hints:
        problems = [one.hinted(draw_hint(rng, one, 0.5)) for one in problems]
    pairs = [(one.question, demonstrate(rng, one, noise)) for one in problems]
    asked = rng.choices(list(FORM_WEIGHTS), list(FORM_WEIGHTS.values()), k=probe_count)
    return Lesson(found.scene, [*pairs, *(ask(rng, found, name) for name in asked)])
