"""Counting (Super-CLEVR), word problems (We-Math) and subjects (MMK12): how many of a kind, and one coloured number.

A picture holds things of the counted kind in the first places of a random order and others in the last, so one more or
one fewer changes one cell.
"""

import random

from data.mini.problem import Draft, Facts, Painting, listed, loose_shapes, numbers, sentence
from data.mini.scene import COLOURS, PLACES, SHAPES, Cell, Place

MOST = 8  # things of the counted kind
COUNT_WEIGHTS = (4, 10, 16, 17, 15, 12, 10, 8, 8)  # of 0 to 8: text alone gives a limited but measurable score


def counted_as(name: str, cell: Cell) -> bool:
    """Return whether a cell holds what a name counts: a colour, or a shape in the plural."""
    return bool(cell) and cell[0] == "shape" and name in (cell[2], f"{cell[1]}s")


def kind_to_count(rng: random.Random) -> str:
    """Return a colour or a shape in the plural."""
    return rng.choice(list(COLOURS)) if rng.random() < 0.6 else f"{rng.choice(SHAPES)}s"


def thing(rng: random.Random, name: str) -> Cell:
    """Return a thing that the name counts."""
    if name in COLOURS:
        return ("shape", rng.choice(SHAPES), name)
    return ("shape", name[:-1], rng.choice(list(COLOURS)))


def others(rng: random.Random, names: list[str], count: int) -> list[Cell]:
    """Return things that none of the names counts, alike in the rest: few shapes and colours."""
    pool = [cell for cell in loose_shapes(rng, 40) if not any(counted_as(name, cell) for name in names)]
    few = pool[: rng.randint(2, 4)]
    return [rng.choice(few) for _ in range(count)]


def draw_count(rng: random.Random, size: int) -> int:
    return rng.choices(range(size + 1), COUNT_WEIGHTS[: size + 1])[0]


def paint_counts(facts: Facts, layout: random.Random, stock: dict[str, list[Cell]], rest: list[Cell]) -> Painting:
    """Return a picture with so many things of each name as the facts say, and the rest."""
    order = layout.sample(PLACES, len(PLACES))
    share = len(order) // 2 // len(stock)
    placed: dict[Place, Cell] = {}
    evidence: dict[str, tuple[Place, ...]] = {}
    for number, (name, things) in enumerate(stock.items()):
        evidence[name] = tuple(order[number * share : number * share + int(facts[name])])
        placed |= dict(zip(evidence[name], things, strict=False))
    placed |= dict(zip(reversed(order), rest, strict=False))
    return Painting(placed, evidence)


def plural(name: str) -> str:
    return f"{name} objects" if name in COLOURS else name


def counting_wording(name: str) -> str:
    return "there are {value} {name} objects" if name in COLOURS else "there are {value} {name}"


def one_count(rng: random.Random, size: int, name: str, count: int) -> dict:
    """Return what the drafts about one count share: facts, painter, wording, pool."""
    stock = {name: [thing(rng, name) for _ in range(MOST)]}
    rest = others(rng, [name], rng.randint(min(2, size), max(2, size - count // 2)))
    return {
        "facts": {name: str(count)},
        "paint": lambda facts, layout: paint_counts(facts, layout, stock, rest),
        "wording": counting_wording(name),
        "fact_pool": {name: numbers(0, MOST)},
    }


def counting(rng: random.Random, size: int) -> Draft:
    """Counting (Super-CLEVR in the paper): how many of a kind."""
    name = kind_to_count(rng)
    return Draft(
        question=f"How many {plural(name)} are there ?",
        solution="read",
        vision_need="high",
        kind="count",
        **one_count(rng, size, name, draw_count(rng, size)),
    )


def word(rng: random.Random, size: int) -> Draft:
    """We-Math: a word problem with a picture and four options.

    The options follow from four counts of which one is drawn as the true one, so alone they tell nothing.
    """
    name, more, low = kind_to_count(rng), rng.random() < 0.5, rng.random() < 0.4
    counts = rng.sample(range(max(size, 3) + 1), 4)
    start = rng.randint(1, 5) if more else rng.randint(MOST, MOST + 4)
    shared = one_count(rng, size, name, counts[0])
    rng.shuffle(counts)
    choices = tuple(str(start + count if more else start - count) for count in counts)
    told = sentence(shared["wording"].format(name=name, value=shared["facts"][name])) + " " if low else ""
    asked = f"Ann has {start} coins and {'gets' if more else 'gives'} one for each of the {plural(name)} ."
    return Draft(
        question=f"{told}{asked} How many coins now ? {listed(choices)}",
        solution=f"{start} {'+' if more else '-'} {name}",
        vision_need="low" if low else "medium",
        choices=choices,
        given=frozenset([name] if low else []),
        kind="gets" if more else "gives",
        **shared,
    )


def chemistry(rng: random.Random, size: int) -> Draft:
    heavy, light = rng.sample(list(COLOURS), 2)
    most = max(1, size // 2)
    facts = {heavy: str(rng.randint(0, most)), light: str(rng.randint(0, most))}
    stock: dict[str, list[Cell]] = {name: [("shape", "circle", name)] * 4 for name in facts}
    rest = others(rng, list(facts), rng.randint(0, most))
    return Draft(
        question=f"A {heavy} atom weighs 2 and a {light} atom weighs 1 . How heavy are they all ?",
        facts=facts,
        solution=f"{heavy} * 2 ; it + {light}",
        vision_need="high",
        paint=lambda facts, layout: paint_counts(facts, layout, stock, rest),
        wording="there are {value} {name} objects",
        fact_pool=dict.fromkeys(facts, numbers(0, 4)),
        kind="chemistry",
    )


def biology(rng: random.Random, size: int) -> Draft:
    name = rng.choice(list(COLOURS))
    return Draft(
        question=f"Each of the {name} cells splits in two . How many cells then ?",
        solution=f"{name} * 2",
        vision_need="high",
        kind="biology",
        **one_count(rng, size, name, draw_count(rng, size)),
    )
