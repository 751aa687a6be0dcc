"""The problems of the mini world: one function per column of the paper's Table 1.

Each draws a picture whose every fact is known, asks about it, and says how the answer follows. Numbers and counts are
drawn from skewed distributions, so that text alone gives a limited but measurable score (a shortcut worth measuring).
"""

import random
from collections.abc import Callable
from dataclasses import dataclass, field

from data.mini.scene import COLOURS, GRID, SHAPES, Cell, Scene, scene_from

Place = tuple[int, int]
DIGITS, DIGIT_WEIGHTS = range(2, 10), (10, 24, 20, 14, 11, 8, 7, 6)
PICTURE_QUESTION = "Answer the question in the picture ."


@dataclass(frozen=True)
class Problem:
    """What a column function returns; `world.py` turns it into a `Sample`."""

    scene: Scene
    question: str
    facts: dict[str, str]
    solution: str
    vision_need: str  # how much of the picture the text leaves out: low, medium, high
    choices: tuple[str, ...] = ()
    given: frozenset[str] = frozenset()  # facts that the text states too
    version: str = ""
    kind: str = ""  # the template inside the column
    fact_pool: dict[str, tuple[str, ...]] = field(default_factory=dict)  # values each fact could take


def digit(rng: random.Random) -> int:
    """Return a digit from 2 to 9, small ones more often."""
    return rng.choices(DIGITS, DIGIT_WEIGHTS)[0]


def numbers(low: int, high: int) -> tuple[str, ...]:
    return tuple(str(n) for n in range(low, high + 1))


def number_choices(rng: random.Random, answer: int) -> tuple[str, ...]:
    """Four different numbers in random order, the answer among them."""
    offsets = [d for d in (-4, -3, -2, -1, 1, 2, 3, 4) if answer + d >= 0]
    options = [answer, *(answer + d for d in rng.sample(offsets, 3))]
    rng.shuffle(options)
    return tuple(str(option) for option in options)


def listed(choices: tuple[str, ...]) -> str:
    return " ".join(f"( {letter} ) {text}" for letter, text in zip("ABCD", choices, strict=False))


def glyph(character: object) -> Cell:
    return ("glyph", str(character))


def scatter(rng: random.Random, cells: list[Cell]) -> Scene:
    """Return the given things in different random cells."""
    places = rng.sample([(row, column) for row in range(GRID) for column in range(GRID)], len(cells))
    return scene_from(dict(zip(places, cells, strict=True)))


def objects(rng: random.Random, size: int) -> list[Cell]:
    """Up to `size` shapes in few colours, so that equal ones occur often."""
    colours = rng.sample(list(COLOURS), rng.choice((2, 3)))
    shapes = rng.sample(SHAPES, 2)
    count = rng.randint(min(2, size), size)
    return [("shape", rng.choice(shapes), rng.choice(colours)) for _ in range(count)]


def count_of(rng: random.Random, things: list[Cell]) -> tuple[str, int]:
    """Something to count in the picture (a colour or a shape, mostly present) and how many there are."""
    shape, colour = rng.choice(SHAPES), rng.choice(list(COLOURS))
    if rng.random() < 0.9:
        _, shape, colour = rng.choice(things)
    if rng.random() < 0.6:
        return colour, sum(thing[2] == colour for thing in things)
    return f"{shape}s", sum(thing[1] == shape for thing in things)


def plural(name: str) -> str:
    return f"{name} objects" if name in COLOURS else name


def counting(rng: random.Random, size: int) -> Problem:
    """Counting (Super-CLEVR in the paper): how many of a kind."""
    things = objects(rng, size)
    name, count = count_of(rng, things)
    return Problem(
        scatter(rng, things),
        f"How many {plural(name)} are there ?",
        {name: str(count)},
        "read",
        "high",
        kind="count",
        fact_pool={name: numbers(0, 8)},
    )


def box_scene(rng: random.Random, width: int, height: int, extra: Cell = ()) -> Scene:
    """Return a rectangle of 2 x 2 cells with its width above and its height on the left."""
    row, column = rng.choice(((1, 1), (1, 2), (2, 1), (2, 2)))
    placed: dict[Place, Cell] = {
        (row, column): ("line", "nw"),
        (row, column + 1): ("line", "ne"),
        (row + 1, column): ("line", "sw"),
        (row + 1, column + 1): ("line", "se"),
        (row - 1, column + rng.randint(0, 1)): glyph(width),
        (row + rng.randint(0, 1), column - 1): glyph(height),
    }
    if extra:
        placed[(0, 0)] = extra
    return scene_from(placed)


def corner_scene(rng: random.Random, left: int, bottom: int, slope: int) -> Scene:
    """Return a right triangle of 2 x 2 cells with a number at each side."""
    row, column = rng.choice(((0, 1), (1, 1), (0, 2), (1, 2)))
    return scene_from(
        {
            (row, column): ("line", "wd"),
            (row + 1, column): ("line", "ws"),
            (row + 1, column + 1): ("line", "sd"),
            (row, column + 1): glyph(slope),
            (row + rng.randint(0, 1), column - 1): glyph(left),
            (row + 2, column + rng.randint(0, 1)): glyph(bottom),
        }
    )


def stated_in_text(
    rng: random.Random, facts: dict[str, str], level: str, noun: str = ""
) -> tuple[str, frozenset[str]]:
    """Say all (low), some (medium) or none (high) of the facts in words."""
    names = list(facts)
    told = {"low": names, "medium": rng.sample(names, len(names) - 1), "high": []}[level]
    told = [name for name in names if name in told]
    return " ".join(f"The {name}{noun} is {facts[name]} ." for name in told), frozenset(told)


RECTANGLE = {"area": "width * height", "perimeter": "width + height ; it * 2"}


def geometry(rng: random.Random, size: int) -> Problem:
    """Geo3K: a labelled rectangle or triangle; the text gives some of the lengths."""
    level = rng.choice(("low", "medium"))
    if rng.random() < 0.6:
        facts = {"width": str(digit(rng)), "height": str(digit(rng))}
        goal = rng.choice(list(RECTANGLE))
        scene = box_scene(rng, int(facts["width"]), int(facts["height"]))
        figure, solution = "rectangle", RECTANGLE[goal]
    else:
        facts = {"left": str(digit(rng)), "bottom": str(digit(rng)), "slope": str(digit(rng))}
        goal, figure, solution = "perimeter", "triangle", "left + bottom ; it + slope"
        scene = corner_scene(rng, *(int(value) for value in facts.values()))
    told, given = stated_in_text(rng, facts, level)
    return Problem(
        scene,
        f"{told} Find the {goal} of the {figure} .",
        facts,
        solution,
        level,
        given=given,
        kind=figure,
        fact_pool=dict.fromkeys(facts, numbers(2, 9)),
    )


def chart(rng: random.Random, size: int) -> Problem:
    """MathVista: bars from 1 to 8 half-cells high."""
    count = rng.randint(2, min(4, max(2, size // 2)))
    colours, columns = rng.sample(list(COLOURS), count), rng.sample(range(GRID), count)
    heights = {colour: rng.choices(range(1, 9), (8, 14, 18, 17, 14, 12, 9, 8))[0] for colour in colours}
    placed: dict[Place, Cell] = {}
    for colour, column in zip(colours, columns, strict=True):
        for above in range((heights[colour] + 1) // 2):
            half = above == heights[colour] // 2
            placed[(GRID - 1 - above, column)] = ("bar", colour, "half" if half else "full")
    first, second = sorted(rng.sample(colours, 2), key=lambda colour: -heights[colour])
    kind = rng.choice(("one", "sum", "difference"))
    names = [first] if kind == "one" else [first, second]
    facts = {name: str(heights[name]) for name in names}
    question, solution = {
        "one": (f"How tall is the {first} bar ?", "read"),
        "sum": (f"How tall are the {first} bar and the {second} bar together ?", f"{first} + {second}"),
        "difference": (f"How much taller is the {first} bar than the {second} bar ?", f"{first} - {second}"),
    }[kind]
    level = "high" if kind == "one" else rng.choice(("low", "medium", "high"))
    told, given = stated_in_text(rng, facts, level, " bar")
    return Problem(
        scene_from(placed),
        f"{told} {question}".strip(),
        facts,
        solution,
        level,
        given=given,
        kind=kind,
        fact_pool=dict.fromkeys(facts, numbers(1, 8)),
    )


def word(rng: random.Random, size: int) -> Problem:
    """We-Math: a word problem with a picture and four options."""
    things = objects(rng, size)
    name, count = count_of(rng, things)
    start = rng.randint(1, 5)
    low = rng.random() < 0.4
    more = rng.random() < 0.6 or count > start
    sentence = f"Ann has {start} coins and {'gets' if more else 'gives'} one for each of the {plural(name)} ."
    told = f"There are {count} {plural(name)} . " if low else ""
    choices = number_choices(rng, start + count if more else start - count)
    return Problem(
        scatter(rng, things),
        f"{told}{sentence} How many coins now ? {listed(choices)}",
        {name: str(count)},
        f"{start} {'+' if more else '-'} {name}",
        "low" if low else "medium",
        choices=choices,
        given=frozenset([name] if low else []),
        kind="gets" if more else "gives",
        fact_pool={name: numbers(0, 8)},
    )


def physics(rng: random.Random, size: int) -> Problem:
    facts, hours = {"speed": str(digit(rng))}, rng.randint(2, 5)
    told, given = stated_in_text(rng, facts, rng.choice(("low", "high")))
    scene = scatter(rng, [glyph(facts["speed"]), *objects(rng, max(1, size // 2))])
    return Problem(
        scene,
        f"{told} A car drives {hours} hours at the speed shown . How far ?".strip(),
        facts,
        f"speed * {hours}",
        "low" if given else "medium",
        given=given,
        kind="physics",
        fact_pool={"speed": numbers(2, 9)},
    )


def chemistry(rng: random.Random, size: int) -> Problem:
    heavy, light = rng.sample(list(COLOURS), 2)
    count, other = rng.randint(1, max(1, size // 2)), rng.randint(1, max(1, size // 2))
    things: list[Cell] = [("shape", "circle", colour) for colour in (heavy,) * count + (light,) * other]
    facts = {heavy: str(count), light: str(other)}
    return Problem(
        scatter(rng, things),
        f"A {heavy} atom weighs 2 and a {light} atom weighs 1 . How heavy is it all ?",
        facts,
        f"{heavy} * 2 ; it + {light}",
        "high",
        kind="chemistry",
        fact_pool=dict.fromkeys(facts, numbers(0, 8)),
    )


def biology(rng: random.Random, size: int) -> Problem:
    colour = rng.choice(list(COLOURS))
    count = rng.choices(range(1, 9), (8, 16, 18, 16, 13, 11, 10, 8))[0]
    facts = {colour: str(min(count, size))}
    things: list[Cell] = [("shape", rng.choice(("circle", "square")), colour)] * int(facts[colour])
    return Problem(
        scatter(rng, things),
        f"Each of the {colour} cells splits in two . How many cells then ?",
        facts,
        f"{colour} * 2",
        "high",
        kind="biology",
        fact_pool={colour: numbers(0, 8)},
    )


def subject(rng: random.Random, size: int) -> Problem:
    """MMK12: physics, chemistry, biology."""
    return rng.choice((physics, chemistry, biology))(rng, size)


VERSIONS = {
    "Text Dominant": "low",
    "Text Lite": "medium",
    "Vision Intensive": "medium",
    "Vision Dominant": "high",
    "Vision Only": "high",
}
VISION_CENTRIC = ("Vision Intensive", "Vision Dominant", "Vision Only")


def versions(rng: random.Random, size: int) -> Problem:
    """MathVerse: one of five versions of a rectangle problem, from all in the text to all in the picture.

    The version is drawn last, so `world.py` can ask for all five of the same problem.
    """
    return rectangle_versions(rng)[rng.choice(list(VERSIONS))]


def rectangle_versions(rng: random.Random) -> dict[str, Problem]:
    facts = {"width": str(digit(rng)), "height": str(digit(rng))}
    goal = rng.choice(list(RECTANGLE))
    place = rng.getstate()
    scene = box_scene(rng, int(facts["width"]), int(facts["height"]))
    rng.setstate(place)
    with_goal = box_scene(rng, int(facts["width"]), int(facts["height"]), glyph("A" if goal == "area" else "P"))
    width, height = f"The width is {facts['width']} .", f"The height is {facts['height']} ."
    ask = f"Find the {goal} of the rectangle ."
    told = {
        "Text Dominant": (f"A rectangle is shown . {width} {height} {ask}", {"width", "height"}),
        "Text Lite": (f"{width} {ask}", {"width"}),
        "Vision Intensive": (f"{height} Find the {goal} .", {"height"}),
        "Vision Dominant": (f"Find the {goal} .", set()),
        "Vision Only": (PICTURE_QUESTION, set()),
    }
    return {
        version: Problem(
            with_goal if version == "Vision Only" else scene,
            question,
            facts,
            RECTANGLE[goal],
            VERSIONS[version],
            given=frozenset(given),
            version=version,
            kind=goal,
            fact_pool=dict.fromkeys(facts, numbers(2, 9)),
        )
        for version, (question, given) in told.items()
    }


def odd_shape(rng: random.Random) -> Problem:
    colours, shapes = rng.sample(list(COLOURS), 2), rng.sample(SHAPES, 2)
    by_colour = rng.random() < 0.5
    usual = ("shape", shapes[0], colours[0])
    other = ("shape", shapes[0], colours[1]) if by_colour else ("shape", shapes[1], colours[0])
    answer, row = rng.randrange(4), rng.randrange(3)
    cells = [other if i == answer else usual for i in range(4)]
    placed: dict[Place, Cell] = {(row, i): glyph("ABCD"[i]) for i in range(4)}
    placed |= {(row + 1, i): cell for i, cell in enumerate(cells)}
    value = {cell: cell[2] if by_colour else cell[1] for cell in (usual, other)}
    facts = {"ABCD"[i]: value[cell] for i, cell in enumerate(cells)}
    return Problem(
        scene_from(placed),
        f"Which {'colour' if by_colour else 'shape'} is the odd one out ?",
        facts,
        "odd",
        "high",
        kind="odd",
        fact_pool=dict.fromkeys(facts, tuple(COLOURS) if by_colour else SHAPES),
    )


def next_colour(rng: random.Random) -> Problem:
    period = rng.choice((2, 3))
    cycle = rng.sample(list(COLOURS), period)
    shape, row = rng.choice(SHAPES), rng.randrange(4)
    colours = [cycle[i % period] for i in range(4)]
    options = cycle + [c for c in rng.sample(list(COLOURS), 5) if c not in cycle]
    choices = rng.sample(options[:4], 4)
    scene = scene_from({(row, i): ("shape", shape, colour) for i, colour in enumerate(colours)})
    return Problem(
        scene,
        f"Which colour comes next ? {listed(tuple(choices))}",
        {str(i + 1): c for i, c in enumerate(colours)},
        "next",
        "high",
        choices=tuple(choices),
        kind="next",
        fact_pool={str(i + 1): tuple(COLOURS) for i in range(4)},
    )


def logic(rng: random.Random, size: int) -> Problem:
    """LogicVista: the odd one out, or the next in a row."""
    return (odd_shape if rng.random() < 0.5 else next_colour)(rng)


def inpicture(rng: random.Random, size: int) -> Problem:
    """MMMU-Pro vision: the sum and its options stand in the picture only; the answer is the option's number."""
    first, second = rng.randint(2, 8), rng.randint(1, 7)
    sign = "+" if first + second <= 9 and (rng.random() < 0.5 or first <= second) else "-"
    if sign == "-" and first <= second:
        first, second = second + 1, first
    answer = first + second if sign == "+" else first - second
    others = rng.sample([n for n in range(1, 10) if n != answer], 3)
    options = rng.sample([answer, *others], 4)
    top = rng.choice((1, 2))
    placed: dict[Place, Cell] = {(0, i): glyph(c) for i, c in enumerate((first, sign, second, "?"))}
    for i, option in enumerate(options):
        spot = (top + i // 2, 2 * (i % 2))
        placed[spot] = glyph("ABCD"[i])
        placed[(spot[0], spot[1] + 1)] = glyph(option)
    facts = {"first": str(first), "sign": sign, "second": str(second)}
    pool = {name: ("+", "-") if name == "sign" else numbers(1, 9) for name in facts}
    return Problem(scene_from(placed), PICTURE_QUESTION, facts, "seen", "high", kind="sum", fact_pool=pool)


COLUMNS: dict[str, Callable[[random.Random, int], Problem]] = {
    "geometry": geometry,
    "chart": chart,
    "word": word,
    "subject": subject,
    "versions": versions,
    "logic": logic,
    "counting": counting,
    "inpicture": inpicture,
}
