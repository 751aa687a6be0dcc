"""Logic (LogicVista) and the relay: the odd one out, the next in a row, and a path of numbers.

The relay asks for two to four looks with a sum between them: every number says in which column of the next row the
next one stands, so where to look is known only after the last look.
"""

import random

from data.mini.problem import Draft, Facts, Painting, glyph, listed, loose_shapes, numbers, with_clutter
from data.mini.scene import COLOURS, GRID, SHAPES, Cell, Place

PATH = ("first", "second", "third", "fourth")


def odd_shape(rng: random.Random, size: int) -> Draft:
    """Return four things under letters of which one differs."""
    by_colour = rng.random() < 0.5
    pool = tuple(COLOURS) if by_colour else SHAPES
    (usual, other), same = rng.sample(pool, 2), rng.choice(SHAPES if by_colour else tuple(COLOURS))
    odd = rng.choice("ABCD")
    clutter = loose_shapes(rng, rng.randint(0, max(0, size - 4)))

    def paint(facts: Facts, layout: random.Random) -> Painting:
        row = layout.randrange(GRID - 1)
        placed: dict[Place, Cell] = {(row, i): glyph("ABCD"[i]) for i in range(GRID)}
        for i, letter in enumerate("ABCD"):
            value = facts[letter]
            placed[(row + 1, i)] = ("shape", same, value) if by_colour else ("shape", value, same)
        with_clutter(layout, placed, set(), clutter)
        return Painting(placed, {letter: ((row + 1, i),) for i, letter in enumerate("ABCD")})

    return Draft(
        question=f"Which {'colour' if by_colour else 'shape'} is the odd one out ?",
        facts={letter: other if letter == odd else usual for letter in "ABCD"},
        solution="odd",
        vision_need="high",
        paint=paint,
        wording="{name} is {value}",
        fact_pool=dict.fromkeys("ABCD", pool),
        kind="odd",
    )


def next_colour(rng: random.Random, size: int) -> Draft:
    """Return a row of one shape whose colours repeat after two or three; what comes next is one of four options."""
    period, shape = rng.choice((2, 3)), rng.choice(SHAPES)
    cycle = rng.sample(list(COLOURS), period)
    spare = rng.sample([colour for colour in COLOURS if colour not in cycle], 4 - period)
    choices = tuple(rng.sample(cycle + spare, 4))
    clutter = loose_shapes(rng, rng.randint(0, max(0, size - 4)))
    facts = {str(i + 1): cycle[i % period] for i in range(GRID)}

    def paint(facts: Facts, layout: random.Random) -> Painting:
        row = layout.randrange(GRID)
        gap = (row + layout.randint(1, GRID - 1)) % GRID
        placed: dict[Place, Cell] = {(row, i): ("shape", shape, facts[str(i + 1)]) for i in range(GRID)}
        # One column stays free elsewhere, so that the row is the only full one.
        free = {(other, gap) for other in range(GRID) if other != row}
        with_clutter(layout, placed, free, clutter)
        return Painting(placed, {str(i + 1): ((row, i),) for i in range(GRID)})

    return Draft(
        question=f"Which colour comes next in the full row ? {listed(choices)}",
        facts=facts,
        solution="next",
        vision_need="high",
        paint=paint,
        wording="{name} is {value}",
        fact_pool={name: tuple(COLOURS) for name in facts},
        choices=choices,
        kind="next",
    )


def logic(rng: random.Random, size: int) -> Draft:
    """LogicVista: the odd one out, or the next in a row."""
    return (odd_shape if rng.random() < 0.5 else next_colour)(rng, size)


def relay_solution(rounds: int) -> str:
    """Return the steps of a relay: two looks, a sum, and a look and a sum for every further round."""
    steps = ["look first", "look second", "first + second"]
    for name in PATH[2:rounds]:
        steps += [f"look {name}", f"it + {name}"]
    return " ; ".join(steps)


def relay(rng: random.Random, size: int) -> Draft:
    """Return a path through rows of numbers; no column of the paper, it asks for looks late in the chain."""
    rounds = rng.randint(2, min(4, max(2, size // 2)))
    start = rng.randint(1, GRID)
    facts = {name: str(rng.randint(1, GRID)) for name in PATH[:rounds]}

    def paint(facts: Facts, layout: random.Random) -> Painting:
        placed = {(row, column): glyph(layout.randint(1, GRID)) for row in range(rounds) for column in range(GRID)}
        evidence: dict[str, tuple[Place, ...]] = {}
        column = start
        for row, (name, value) in enumerate(facts.items()):
            evidence[name] = ((row, column - 1),)
            placed[(row, column - 1)] = glyph(value)
            column = int(value)
        return Painting(placed, evidence)

    return Draft(
        question=f"Start in row 1 at column {start} . Each number is the column in the next row . "
        f"Add the numbers of {rounds} rows .",
        facts=facts,
        solution=relay_solution(rounds),
        vision_need="high",
        paint=paint,
        wording="the {name} is {value}",
        fact_pool={name: numbers(1, GRID) for name in facts},
        kind=f"{rounds} rounds",
        follows=True,
    )
