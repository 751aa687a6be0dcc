"""Geometry (Geo3K) and the five versions of one problem (MathVerse): labelled rectangles and triangles.

A label is the number beside its side; loose numbers stand elsewhere, so a number has to be found before it is read.
"""

import random
from collections.abc import Callable

from data.mini.problem import Draft, Facts, Painting, digit, glyph, loose_shapes, numbers, stated_in_text, with_clutter
from data.mini.scene import Cell, Place

PICTURE_QUESTION = "Answer the question in the picture ."
RECTANGLE = {"area": "width * height", "perimeter": "width + height ; it * 2"}
SIDE = "the {name} is {value}"
VERSIONS = {
    "Text Dominant": "low",
    "Text Lite": "medium",
    "Vision Intensive": "medium",
    "Vision Dominant": "high",
    "Vision Only": "high",
}
VISION_CENTRIC = ("Vision Intensive", "Vision Dominant", "Vision Only")


def loose(rng: random.Random, size: int) -> list[Cell]:
    """Return loose numbers and shapes, more in fuller pictures."""
    digits: list[Cell] = [glyph(digit(rng)) for _ in range(rng.randint(0, 3) if size > 4 else 0)]
    return digits + loose_shapes(rng, rng.randint(0, max(0, size // 2 - 1)))


def paint_rectangle(facts: Facts, layout: random.Random, clutter: list[Cell], goal: str = "") -> Painting:
    """Return a rectangle of 2 x 2 cells, its width above and its height on the left; `goal` stands in the corner."""
    row, column = layout.choice(((1, 1), (1, 2), (2, 1), (2, 2)))
    above, beside = [(row - 1, column), (row - 1, column + 1)], [(row, column - 1), (row + 1, column - 1)]
    width, height = layout.choice(above), layout.choice(beside)
    placed: dict[Place, Cell] = {
        (row, column): ("line", "nw"),
        (row, column + 1): ("line", "ne"),
        (row + 1, column): ("line", "sw"),
        (row + 1, column + 1): ("line", "se"),
        width: glyph(facts["width"]),
        height: glyph(facts["height"]),
    }
    with_clutter(layout, placed, {(0, 0), *above, *beside}, clutter)
    if goal:
        placed[(0, 0)] = glyph(goal)
    return Painting(placed, {"width": (width,), "height": (height,)})


def paint_triangle(facts: Facts, layout: random.Random, clutter: list[Cell]) -> Painting:
    """Return a triangle of 1 x 2 cells with the length of each side beside it."""
    row, column = layout.choice(((0, 1), (1, 1), (2, 1)))
    left, right, below = [(row, column - 1)], [(row, column + 2)], [(row + 1, column), (row + 1, column + 1)]
    spots = {"left": left[0], "right": right[0], "bottom": layout.choice(below)}
    placed: dict[Place, Cell] = {
        (row, column): ("line", "us"),
        (row, column + 1): ("line", "ds"),
        **{spot: glyph(facts[name]) for name, spot in spots.items()},
    }
    with_clutter(layout, placed, {*left, *right, *below}, clutter)
    return Painting(placed, {name: (spot,) for name, spot in spots.items()})


def triangle_sides(rng: random.Random) -> Facts:
    """Return three sides of a triangle that exists."""
    while True:
        sides = [digit(rng) for _ in range(3)]
        if 2 * max(map(int, sides)) < sum(map(int, sides)):
            return dict(zip(("left", "right", "bottom"), sides, strict=True))


def geometry(rng: random.Random, size: int) -> Draft:
    """Geo3K: a labelled rectangle or triangle; the text gives some of the lengths."""
    level, clutter = rng.choice(("low", "medium")), loose(rng, size)
    if rng.random() < 0.6:
        facts, goal, figure = {"width": digit(rng), "height": digit(rng)}, rng.choice(list(RECTANGLE)), "rectangle"
        solution = RECTANGLE[goal]
    else:
        facts, goal, figure = triangle_sides(rng), "perimeter", "triangle"
        solution = "left + right ; it + bottom"
    told, given = stated_in_text(rng, facts, level, SIDE)
    return Draft(
        question=f"{told} Find the {goal} of the {figure} .",
        facts=facts,
        solution=solution,
        vision_need=level,
        paint=lambda facts, layout: (
            paint_rectangle(facts, layout, clutter)
            if figure == "rectangle"
            else paint_triangle(facts, layout, clutter)
        ),
        wording=SIDE,
        fact_pool=dict.fromkeys(facts, numbers(2, 9)),
        kind=figure,
        given=given,
    )


def rectangle_versions(rng: random.Random, size: int) -> dict[str, Draft]:
    """Return the five versions of one problem, from all in the text to all in the picture."""
    facts, clutter = {"width": digit(rng), "height": digit(rng)}, loose(rng, size)
    goal = rng.choice(list(RECTANGLE))
    width, height = f"The width is {facts['width']} .", f"The height is {facts['height']} ."
    ask = f"Find the {goal} of the rectangle ."
    told = {
        "Text Dominant": (f"A rectangle is shown . {width} {height} {ask}", {"width", "height"}),
        "Text Lite": (f"{width} {ask}", {"width"}),
        "Vision Intensive": (f"{height} Find the {goal} .", {"height"}),
        "Vision Dominant": (f"Find the {goal} .", set()),
        "Vision Only": (PICTURE_QUESTION, set()),
    }
    letter = "A" if goal == "area" else "P"

    def painter(shown: str) -> Callable[[Facts, random.Random], Painting]:
        return lambda facts, layout: paint_rectangle(facts, layout, clutter, shown)

    return {
        version: Draft(
            question=question,
            facts=facts,
            solution=RECTANGLE[goal],
            vision_need=VERSIONS[version],
            paint=painter(letter if version == "Vision Only" else ""),
            wording=SIDE,
            fact_pool=dict.fromkeys(facts, numbers(2, 9)),
            kind=goal,
            given=frozenset(given),
            version=version,
        )
        for version, (question, given) in told.items()
    }


def versions(rng: random.Random, size: int) -> Draft:
    """MathVerse: one of five versions of a rectangle problem; `world.py` can ask for all five of the same problem."""
    return rectangle_versions(rng, size)[rng.choice(list(VERSIONS))]
