"""Derivation answers of the mini world, with errors at known rates: what the base model learns from.

A base that has only seen perfect answers leaves reinforcement learning nothing to choose. So a share of these is
guessed (facts drawn without looking, the chain begins with `guess`), and the others go wrong in every way that the
error analysis names: a misread fact, a wrong operation, a slip in arithmetic, an answer unlike the chain, no form.
"""

import random
import re
from dataclasses import dataclass

from data.mini.chains import OPERATIONS, STEP, work, write_chain
from data.mini.columns import Problem


@dataclass(frozen=True)
class Noise:
    """How often a demonstration errs; `guess` does not look, the others happen to answers that looked."""

    guess: float = 0.35
    misread: float = 0.3  # one of the facts that only the picture shows is stated wrongly
    wrong_operation: float = 0.04
    wrong_arithmetic: float = 0.04
    wrong_answer: float = 0.02
    no_form: float = 0.02


CLEAN = Noise(0, 0, 0, 0, 0, 0)


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


def guessed_facts(rng: random.Random, found: Problem) -> dict[str, str]:
    """Facts without looking that still lead to an answer; what the text gives is copied."""
    for _ in range(300):
        facts = {
            name: value if name in found.given else guessed_value(rng, found.fact_pool[name])
            for name, value in found.facts.items()
        }
        if work(found.solution, facts).answer is not None:
            return facts
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
    facts = guessed_facts(rng, found) if guess else dict(found.facts)
    hidden = [name for name in found.facts if name not in found.given]
    if not guess and hidden and rng.random() < noise.misread:
        name = rng.choice(hidden)
        facts[name] = misread(rng, facts[name], found.fact_pool[name])
    done = work(found.solution, facts)
    steps, answer = done.steps, done.answer
    if answer is None:  # the misread facts lead nowhere: settle for something
        answer = some_answer(rng, found)
    elif not guess:
        steps, answer = stumble(rng, found, facts, steps, answer, noise)
    text = write_chain("guess" if guess else "look", facts, steps, answer)
    return text.replace("</think> \\boxed{", "</think> ") if rng.random() < noise.no_form else text


def some_answer(rng: random.Random, found: Problem) -> str:
    """Return an answer of the right sort without a reason."""
    words = [value for pool in found.fact_pool.values() for value in pool if value.isalpha()]
    return rng.choice(found.choices or words or [str(number) for number in range(10)])


def stumble(
    rng: random.Random, found: Problem, facts: dict[str, str], steps: list[str], answer: str, noise: Noise
) -> tuple[list[str], str]:
    """Errors after seeing: an operation or a sum goes wrong and is carried on, or the answer leaves the chain."""
    wrong = slipped(rng, steps, noise)
    if wrong != steps:
        first = next(i for i, (a, b) in enumerate(zip(steps, wrong, strict=True)) if a != b)
        result = wrong[first].rsplit(" ", 1)[1]
        rest = " ; ".join(found.solution.split(" ; ")[first + 1 :])
        carried = work(rest, facts, last=result)
        steps, answer = [*wrong[: first + 1], *carried.steps], carried.answer or result
    if rng.random() < noise.wrong_answer:
        answer = some_answer(rng, found)
    return steps, answer
