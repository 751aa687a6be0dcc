"""Other questions about a problem's picture, each with its answer: what reward and plan methods ask a policy for.

`describe` states the facts that a question needs, `read` answers from facts in words without a picture, `cell` is one
line of a checklist, `yes_no` and `choice` ask the same with options, `where` asks for the cell of a fact, and `wrong`
asks which of some stated facts is false. A claim after a cut needs no form: it is the rest of a chain.
"""

import random
from collections.abc import Callable

from common import UserError
from data.mini.chains import stated
from data.mini.demonstrations import misread
from data.mini.problem import Problem, listed
from data.mini.scene import COLOURS, GRID, SHAPES, Cell, describe_cell

Pair = tuple[str, str]  # question, answer


def drawn_place(rng: random.Random, problem: Problem) -> int:
    """Return a cell, twice as often one where something stands."""
    return rng.choices(range(GRID * GRID), [2.0 if cell else 1.0 for cell in problem.scene.cells])[0]


def at(place: int) -> str:
    return f"row {place // GRID + 1} column {place % GRID + 1}"


def other_cell(rng: random.Random, cell: Cell) -> str:
    """Return what could stand there instead, alike in one respect where the cell holds a shape."""
    if cell and cell[0] == "shape" and rng.random() < 0.8:
        if rng.random() < 0.5:
            return f"{rng.choice([c for c in COLOURS if c != cell[2]])} {cell[1]}"
        return f"{cell[2]} {rng.choice([s for s in SHAPES if s != cell[1]])}"
    words = [*(f"{colour} {shape}" for colour in COLOURS for shape in SHAPES), *"23456789", "nothing"]
    return rng.choice([word for word in words if word != describe_cell(cell)])


def cell(rng: random.Random, problem: Problem) -> Pair:
    place = drawn_place(rng, problem)
    return f"What is at {at(place)} ?", describe_cell(problem.scene.cells[place])


def yes_no(rng: random.Random, problem: Problem) -> Pair:
    """Ask whether a cell holds something, or whether a fact is true."""
    true = rng.random() < 0.5
    answer = "yes" if true else "no"
    if rng.random() < 0.5:
        name = rng.choice(list(problem.facts))
        value = problem.facts[name]
        value = value if true else misread(rng, value, problem.draft.fact_pool[name])
        return f"Is it true that {problem.draft.said(name, value)} ?", answer
    place = drawn_place(rng, problem)
    thing = problem.scene.cells[place]
    return f"Is it true that {at(place)} is {describe_cell(thing) if true else other_cell(rng, thing)} ?", answer


def choice(rng: random.Random, problem: Problem) -> Pair:
    place = drawn_place(rng, problem)
    truth = describe_cell(problem.scene.cells[place])
    options = {truth}
    while len(options) < 4:
        options.add(other_cell(rng, problem.scene.cells[place]))
    return f"What is at {at(place)} ? {listed(rng.sample(sorted(options), 4))}", truth


def describe(rng: random.Random, problem: Problem) -> Pair:
    return f"Say what the picture shows for this : {problem.question}", stated(problem.facts)


def where(rng: random.Random, problem: Problem) -> Pair | None:
    """Ask for the cell of a fact that is read off one cell."""
    names = [name for name, places in problem.evidence.items() if len(places) == 1]
    if not names:
        return None
    name = rng.choice(names)
    ((row, column),) = problem.evidence[name]
    return f"Where is it seen that {problem.draft.said(name, problem.facts[name])} ?", at(row * GRID + column)


def wrong(rng: random.Random, problem: Problem) -> Pair | None:
    """Ask which of several stated facts is false."""
    if len(problem.facts) < 2:
        return None
    name = rng.choice(list(problem.facts))
    facts = problem.facts | {name: misread(rng, problem.facts[name], problem.draft.fact_pool[name])}
    return f"One of these is wrong : {stated(facts)} . Which ?", name


FORMS: dict[str, Callable[[random.Random, Problem], Pair | None]] = {
    "cell": cell,
    "yes_no": yes_no,
    "choice": choice,
    "describe": describe,
    "where": where,
    "wrong": wrong,
}


def ask(rng: random.Random, problem: Problem, form: str) -> Pair:
    """Return a question in a form, about a cell where the problem has nothing for this form."""
    if form not in FORMS:
        raise UserError(f"the mini world has no form {form!r}; use one of {', '.join(FORMS)}")
    return FORMS[form](rng, problem) or cell(rng, problem)
