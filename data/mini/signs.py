"""Physics (MMK12), charts (MathVista) and the sum that stands in the picture (MMMU-Pro vision)."""

import random

from data.mini.figures import PICTURE_QUESTION
from data.mini.problem import (
    Draft,
    Facts,
    Painting,
    digit,
    glyph,
    loose_shapes,
    numbers,
    stated_in_text,
    with_clutter,
)
from data.mini.scene import COLOURS, GRID, PLACES, Cell, Place

HEIGHT_WEIGHTS = (8, 14, 18, 17, 14, 12, 9, 8)  # of bars from 1 to 8 half-cells
BAR = "the {name} bar is {value}"


def physics(rng: random.Random, size: int) -> Draft:
    """Return a drive at the speed on a coloured sign, among signs of other colours."""
    signs = rng.sample(list(COLOURS), rng.randint(1, 4) if size > 2 else 1)
    facts, hours = {"speed": digit(rng)}, rng.randint(2, 5)
    clutter: list[Cell] = [("glyph", digit(rng), colour) for colour in signs[1:]]
    clutter += loose_shapes(rng, rng.randint(0, max(1, size // 2)))
    told, given = stated_in_text(rng, facts, rng.choice(("low", "high")), "the {name} is {value}")

    def paint(facts: Facts, layout: random.Random) -> Painting:
        spot = layout.choice(PLACES)
        placed: dict[Place, Cell] = {spot: ("glyph", facts["speed"], signs[0])}
        with_clutter(layout, placed, set(), clutter)
        return Painting(placed, {"speed": (spot,)})

    return Draft(
        question=f"{told} A car drives {hours} hours at the {signs[0]} speed . How far ?".strip(),
        facts=facts,
        solution=f"speed * {hours}",
        vision_need="low" if given else "medium",
        paint=paint,
        wording="the {name} is {value}",
        fact_pool={"speed": numbers(2, 9)},
        kind="physics",
        given=given,
    )


def paint_bars(heights: dict[str, int], layout: random.Random) -> Painting:
    """Return bars that stand on the ground; a bar of odd height ends with a half cell."""
    placed: dict[Place, Cell] = {}
    evidence: dict[str, tuple[Place, ...]] = {}
    for (colour, height), column in zip(heights.items(), layout.sample(range(GRID), len(heights)), strict=True):
        parts = range((height + 1) // 2)
        evidence[colour] = tuple((GRID - 1 - above, column) for above in parts)
        for above, place in zip(parts, evidence[colour], strict=True):
            placed[place] = ("bar", colour, "half" if above == height // 2 else "full")
    return Painting(placed, evidence)


def chart(rng: random.Random, size: int) -> Draft:
    """MathVista: bars from 1 to 8 half-cells high."""
    colours = rng.sample(list(COLOURS), rng.randint(2, min(4, max(2, size // 2))))
    heights = {colour: rng.choices(range(1, 9), HEIGHT_WEIGHTS)[0] for colour in colours}
    first, second = sorted(colours[:2], key=lambda colour: -heights[colour])
    kind = rng.choice(("one", "sum", "difference"))
    facts = {name: str(heights[name]) for name in ([first] if kind == "one" else [first, second])}
    question, solution = {
        "one": (f"How tall is the {first} bar ?", "read"),
        "sum": (f"How tall are the {first} bar and the {second} bar together ?", f"{first} + {second}"),
        "difference": (f"How much taller is the {first} bar than the {second} bar ?", f"{first} - {second}"),
    }[kind]
    level = "high" if kind == "one" else rng.choice(("low", "medium", "high"))
    told, given = stated_in_text(rng, facts, level, BAR)
    return Draft(
        question=f"{told} {question}".strip(),
        facts=facts,
        solution=solution,
        vision_need=level,
        paint=lambda facts, layout: paint_bars({**heights, **{c: int(h) for c, h in facts.items()}}, layout),
        wording=BAR,
        fact_pool=dict.fromkeys(facts, numbers(1, 8)),
        kind=kind,
        given=given,
    )


def paint_sum(facts: Facts, layout: random.Random, options: list[str], clutter: list[Cell]) -> Painting:
    """Return a sum in the first row and its four options in two of the other rows."""
    shown = (facts["first"], facts["sign"], facts["second"], "?")
    placed: dict[Place, Cell] = {(0, column): glyph(character) for column, character in enumerate(shown)}
    top = layout.choice((1, 2))
    for number, option in enumerate(options):
        spot = (top + number // 2, 2 * (number % 2))
        placed[spot] = glyph("ABCD"[number])
        placed[(spot[0], spot[1] + 1)] = glyph(option)
    with_clutter(layout, placed, set(), clutter)
    return Painting(placed, {"first": ((0, 0),), "sign": ((0, 1),), "second": ((0, 2),)})


def inpicture(rng: random.Random, size: int) -> Draft:
    """MMMU-Pro vision: the sum and its options stand in the picture only; the answer is the option's number."""
    first, second = rng.randint(2, 8), rng.randint(1, 7)
    sign = "+" if first + second <= 9 and (rng.random() < 0.5 or first <= second) else "-"
    if sign == "-" and first <= second:
        first, second = second + 1, first
    answer = first + second if sign == "+" else first - second
    options = [*rng.sample([n for n in range(1, 10) if n != answer], 3), answer]
    rng.shuffle(options)
    clutter = loose_shapes(rng, rng.randint(0, max(0, size // 2)))
    facts = {"first": str(first), "sign": sign, "second": str(second)}
    return Draft(
        question=PICTURE_QUESTION,
        facts=facts,
        solution="seen",
        vision_need="high",
        paint=lambda facts, layout: paint_sum(facts, layout, [str(n) for n in options], clutter),
        wording="the {name} is {value}",
        fact_pool={name: ("+", "-") if name == "sign" else numbers(1, 9) for name in facts},
        kind="sum",
    )
