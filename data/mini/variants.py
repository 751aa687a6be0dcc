"""Problems beside a problem: a suggestion that may be false, the same facts in another layout, one changed cell."""

import random
from collections.abc import Iterator
from itertools import count

from data.mini.chains import work
from data.mini.counts import COUNT_WEIGHTS, MOST
from data.mini.problem import DIGIT_WEIGHTS, Facts, Problem, numbers, painted
from data.mini.scene import GRID
from data.mini.signs import HEIGHT_WEIGHTS

# How often each value of a pool is the true one; a false suggestion is drawn alike, so that text cannot tell it.
PRIORS = {numbers(2, 9): DIGIT_WEIGHTS, numbers(0, MOST): COUNT_WEIGHTS, numbers(1, 8): HEIGHT_WEIGHTS}


def changed(problem: Problem, name: str, value: str) -> Facts:
    """Return the facts of someone who takes one for another value and reads on from there."""
    facts = {**problem.facts, name: value}
    if problem.draft.follows:
        names = list(facts)
        for row in range(names.index(name) + 1, len(names)):
            column = int(facts[names[row - 1]]) - 1
            facts[names[row]] = problem.scene.cells[row * GRID + column][1]
    return facts


def flips(problem: Problem, facts: Facts) -> bool:
    """Return whether other facts lead to an answer, another one, and one of the options where there are some."""
    draft, answer = problem.draft, work(problem.draft.solution, facts).answer
    if answer is None or answer == work(draft.solution, problem.facts).answer:
        return False
    return not draft.choices or answer in draft.choices


def lures(problem: Problem) -> list[tuple[str, str, float]]:
    """Return every hidden fact with a wrong value that changes the answer, and how usual the value is."""
    found = []
    for name in problem.draft.hidden():
        pool = problem.draft.fact_pool[name]
        for value, weight in zip(pool, PRIORS.get(pool, (1,) * len(pool)), strict=True):
            if value != problem.facts[name] and flips(problem, changed(problem, name, value)):
                found.append((name, value, float(weight)))
    return found


def draw_hint(rng: random.Random, problem: Problem, aligned: float) -> tuple[str, str] | None:
    """Return a fact to suggest, true with probability `aligned`; None where the text states every fact."""
    candidates = lures(problem)
    if not candidates:
        return None
    name = rng.choice(sorted({name for name, _, _ in candidates}))
    values = [(value, weight) for other, value, weight in candidates if other == name]
    lure = rng.choices([value for value, _ in values], [weight for _, weight in values])[0]
    return (name, problem.facts[name] if rng.random() < aligned else lure)


def twins(problem: Problem) -> Iterator[Problem]:
    """Yield the same facts in other layouts, endless."""
    for number in count():
        yield painted(problem.draft, f"twin/{problem.layout_seed}" + (f"/{number}" if number else ""))


def changed_cells(one: Problem, other: Problem) -> int:
    return sum(a != b for a, b in zip(one.scene.cells, other.scene.cells, strict=True))


def near_miss(problem: Problem) -> Problem | None:
    """Return the problem with one cell changed so that the answer flips; None where no cell does that."""
    draft = problem.draft
    candidates = [(name, value) for name in draft.hidden() for value in draft.fact_pool[name]]
    for name, value in random.Random(f"near/{problem.layout_seed}").sample(candidates, len(candidates)):
        facts = {**problem.facts, name: value}
        if value == problem.facts[name] or not flips(problem, facts):
            continue
        missed = painted(draft, problem.layout_seed, facts)
        if changed_cells(missed, problem) == 1:
            return missed
    return None


def look_alikes(problem: Problem) -> Iterator[Problem]:
    """Yield other pictures in the problem's layout: the near miss, then those of one other fact, if they change the
    answer before those that do not, those of few changed cells first.
    """
    if missed := near_miss(problem):
        yield missed
    draft, ranked = problem.draft, list[tuple[bool, int, int, Problem]]()
    pairs = [(name, value) for name in problem.facts for value in draft.fact_pool[name]]
    for name, value in random.Random(f"alike/{problem.layout_seed}").sample(pairs, len(pairs)):
        facts = {**problem.facts, name: value}
        other = painted(draft, problem.layout_seed, facts)
        if cells := changed_cells(other, problem):
            same = work(draft.solution, facts).answer == work(draft.solution, problem.facts).answer
            ranked.append((same, cells, len(ranked), other))
    yield from (other for *_, other in sorted(ranked, key=lambda one: one[:3]))
