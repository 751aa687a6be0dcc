"""Lessons for the base model: many short questions about one picture, with pictures that grow fuller."""

import random
from collections.abc import Sequence
from dataclasses import dataclass

from data.mini.columns import COLUMNS, Problem, numbers, plural
from data.mini.demonstrations import Noise, demonstrate
from data.mini.scene import COLOURS, GRID, SHAPES, Scene, describe_cell
from data.mini.world import MAX_OBJECTS, split_of

RELATED = 2  # further problems about the same picture


@dataclass(frozen=True)
class Lesson:
    """One picture and (question, answer) pairs about it; the first `columns` pairs are problems with chains."""

    scene: Scene
    pairs: list[tuple[str, str]]


def probes(rng: random.Random, scene: Scene, count: int) -> list[tuple[str, str]]:
    """Return what stands in a cell: asked twice as often where something stands."""
    weights = [2.0 if cell else 1.0 for cell in scene.cells]
    places = rng.choices(range(GRID * GRID), weights, k=count)
    return [(f"What is at row {p // GRID + 1} column {p % GRID + 1} ?", describe_cell(scene.cells[p])) for p in places]


def related(rng: random.Random, found: Problem, count: int) -> list[Problem]:
    """More problems about the same picture, where it holds things to count or bars to read."""
    cells = [cell for cell in found.scene.cells if cell]
    shapes = [cell for cell in cells if cell[0] == "shape"]
    if shapes:
        names = rng.sample([*COLOURS, *(f"{shape}s" for shape in SHAPES)], count)
        names[0] = rng.choice([shapes[0][2], f"{shapes[0][1]}s"])
        counts = {n: sum(n in (cell[2], f"{cell[1]}s") for cell in shapes) for n in names}
        return [
            Problem(
                found.scene,
                f"How many {plural(name)} are there ?",
                {name: str(number)},
                "read",
                "high",
                fact_pool={name: numbers(0, 8)},
            )
            for name, number in counts.items()
        ]
    bars = sorted({cell[1] for cell in cells if cell[0] == "bar"})
    heights = {c: sum((2 if k[2] == "full" else 1) for k in cells if k[:2] == ("bar", c)) for c in bars}
    return [
        Problem(
            found.scene,
            f"How tall is the {colour} bar ?",
            {colour: str(heights[colour])},
            "read",
            "high",
            fact_pool={colour: numbers(1, 8)},
        )
        for colour in rng.sample(bars, min(count, len(bars)))
    ]


def lesson(rng: random.Random, size: int, noise: Noise, probe_count: int = 4, often: Sequence[str] = ()) -> Lesson:
    """Return one training picture of a random column with up to `size` objects; columns in `often` come up more."""
    draw = rng.choice([*COLUMNS.values(), *(COLUMNS[name] for name in often)])
    while True:
        found = draw(rng, rng.randint(max(1, size - 2), min(size, MAX_OBJECTS)))
        if split_of(found.scene.key()) == "train":
            break
    problems = [found, *related(rng, found, RELATED)]
    pairs = [(problem.question, demonstrate(rng, problem, noise)) for problem in problems]
    return Lesson(found.scene, pairs + probes(rng, found.scene, probe_count))
