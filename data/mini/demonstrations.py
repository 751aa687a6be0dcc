"""Derivation answers of the mini world, with errors at known rates: what the base model learns from.

A base that has only seen perfect answers leaves reinforcement learning nothing to choose. So some of these believe the
question's suggestion without checking it, some are guessed (the chain begins with `guess`), and the others go wrong in
every way that the error analysis names: a misread fact, a wrong operation, a slip in arithmetic, an answer unlike the
chain, no form.
"""

import random
import re
from dataclasses import dataclass

from data.mini.chains import OPERATIONS, STEP, Derivation, work, write_chain
from data.mini.problem import Facts, Problem
from data.mini.variants import changed


@dataclass(frozen=True, kw_only=True)
class Noise:
    """How often a demonstration errs; `guess` does not look, the others happen to answers that looked."""

    guess: float = 0.15
    believe: float = 0.4  # the suggested fact is stated as the question has it
    misread: float = 0.2  # one of the facts that only the picture shows is stated wrongly
    wrong_operation: float = 0.04
    wrong_arithmetic: float = 0.04
    wrong_answer: float = 0.02
    no_form: float = 0.02


CLEAN = Noise(guess=0, believe=0, misread=0, wrong_operation=0, wrong_arithmetic=0, wrong_answer=0, no_form=0)


def guessed_value(rng: random.Random, pool: tuple[str, ...]) -> str:
    """Return a value one would expect without looking: small numbers first, words evenly."""
    if pool[0].isdigit():
        return rng.choices(pool, [1.0 / (1 + abs(int(value) - 3)) for value in pool])[0]
    return rng.choice(pool)


def misread(rng: random.Random, value: str, pool: tuple[str, ...]) -> str:
    """Return a wrong value; numbers are missed by one or two."""
    others = [other for other in pool if other != value]
    if value.isdigit():
        near = [other for other in others if abs(int(other) - int(value)) <= 2]
        others = near or others
    return rng.choice(others)


def guessed_facts(rng: random.Random, found: Problem) -> Facts:
    """Facts without looking that still lead to an answer; what the text states or suggests is copied."""
    told = {name: found.facts[name] for name in found.draft.given} | dict([found.hint] if found.hint else [])
    for _ in range(300):
        facts = {name: told.get(name) or guessed_value(rng, found.draft.fact_pool[name]) for name in found.facts}
        if work(found.draft.solution, facts).answer is not None:
            return facts
    return dict(found.facts)


def seen_facts(rng: random.Random, found: Problem, noise: Noise) -> Facts:
    """Facts of an answer that looks: the suggestion believed, or one misread, or all right."""
    if found.hint and rng.random() < noise.believe:
        return changed(found, *found.hint)
    hidden = found.draft.hidden()
    if hidden and rng.random() < noise.misread:
        name = rng.choice(hidden)
        return changed(found, name, misread(rng, found.facts[name], found.draft.fact_pool[name]))
    return dict(found.facts)


def slipped(rng: random.Random, steps: list[str], noise: Noise) -> list[str]:
    """Return the steps with a wrong operation or a wrong result in one of them; what follows is left as it was."""
    places = [i for i, step in enumerate(steps) if re.fullmatch(rf"{STEP.pattern} = \d+", step)]
    steps = list(steps)
    if not places:
        return steps
    place = rng.choice(places)
    left, sign, right, _, result = steps[place].split()
    if rng.random() < noise.wrong_operation:
        sign = rng.choice(
            [other for other in "+-*" if other != sign and not (other == "-" and int(left) < int(right))]
        )
        result = str(OPERATIONS[sign](int(left), int(right)))
    elif rng.random() < noise.wrong_arithmetic:
        result = str(max(0, int(result) + rng.choice((-2, -1, 1, 2))))
    steps[place] = f"{left} {sign} {right} = {result}"
    return steps


def demonstrate(rng: random.Random, found: Problem, noise: Noise) -> str:
    """Return one response to a problem, right or wrong as the noise has it."""
    guess = rng.random() < noise.guess
    facts = guessed_facts(rng, found) if guess else seen_facts(rng, found, noise)
    done = work(found.draft.solution, facts)
    steps, answer = done.steps, done.answer
    if answer is None:  # the misread facts lead nowhere: settle for something
        answer = some_answer(rng, found)
    elif not guess:
        steps, answer = stumble(rng, found, facts, done, noise)
    text = write_chain("guess" if guess else "look", facts, steps, answer, done.looks)
    return text.replace("</think> \\boxed{", "</think> ") if rng.random() < noise.no_form else text


def some_answer(rng: random.Random, found: Problem) -> str:
    """Return an answer of the right sort without a reason."""
    words = [value for pool in found.draft.fact_pool.values() for value in pool if value.isalpha()]
    return rng.choice(found.draft.choices or words or [str(number) for number in range(10)])


def stumble(rng: random.Random, found: Problem, facts: Facts, done: Derivation, noise: Noise) -> tuple[list[str], str]:
    """Errors after seeing: an operation or a sum goes wrong and is carried on, or the answer leaves the chain."""
    steps, answer = done.steps, done.answer or ""
    wrong = slipped(rng, steps, noise)
    if wrong != steps:
        first = next(i for i, (a, b) in enumerate(zip(steps, wrong, strict=True)) if a != b)
        result = wrong[first].rsplit(" ", 1)[1]
        todo = [step for step in found.draft.solution.split(" ; ") if not step.startswith("look ")]
        carried = work(" ; ".join(todo[first + 1 :]), facts, last=result)
        steps, answer = [*wrong[: first + 1], *carried.steps], carried.answer or result
    if rng.random() < noise.wrong_answer:
        answer = some_answer(rng, found)
    return steps, answer
