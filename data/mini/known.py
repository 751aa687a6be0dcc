"""Columns that the mini world has for its own problems: what only the picture shows, where, and questions."""

import random
from collections.abc import Callable, Iterator, Mapping
from itertools import islice
from typing import Any

from data.mini.problem import Problem
from data.mini.scene import GRID, Scene, describe_cell
from data.mini.variants import look_alikes, twins

PROBES = 4  # questions of one checklist
TRIES = 40  # pictures beside a problem's that are looked at


def visual_facts(problem: Problem, seed: str) -> list[str]:
    """Return the facts that only the picture shows, a sentence each."""
    return [f"{name} is {problem.facts[name]}" for name in problem.draft.hidden()]


def sentences(problem: Problem, seed: str) -> list[str]:
    """Return every fact as a sentence."""
    return problem.sentences()


def evidence(problem: Problem, seed: str) -> list[list[int]]:
    """Return [row, column] of the cells that the hidden facts are read off, in the picture's order."""
    found = {place for name in problem.draft.hidden() for place in problem.evidence[name]}
    return [list(place) for place in sorted(found)]


def evidence_by_fact(problem: Problem, seed: str) -> dict[str, list[list[int]]]:
    """Return [row, column] of the cells of each hidden fact."""
    return {name: [list(place) for place in problem.evidence[name]] for name in problem.draft.hidden()}


def hint(problem: Problem, seed: str) -> dict[str, str]:
    """Return the suggested fact as {name: value}; empty without a suggestion."""
    return dict([problem.hint]) if problem.hint else {}


def probes(problem: Problem, seed: str) -> list[dict[str, str]]:
    """Return questions about cells, those of the evidence first, filled up with others."""
    places = [row * GRID + column for row, column in evidence(problem, seed)][:PROBES]
    others = [place for place in range(GRID * GRID) if place not in places]
    places += random.Random(f"probes/{seed}").sample(others, PROBES - len(places))
    return [
        {"q": f"What is at row {p // GRID + 1} column {p % GRID + 1} ?", "a": describe_cell(problem.scene.cells[p])}
        for p in places
    ]


BUILDERS: dict[str, Callable[[Problem, str], Any]] = {
    "visual_facts": visual_facts,
    "sentences": sentences,
    "probes": probes,
    "evidence": evidence,
    "evidence_by_fact": evidence_by_fact,
    "hint": hint,
}


# Other pictures of a problem, the best first.
PICTURES: dict[str, Callable[[Problem], Iterator[Problem]]] = {"positive": twins, "negative": look_alikes}
NAMES = (*BUILDERS, *PICTURES)


class Known(Mapping[str, Any]):
    """The columns of one problem, made when they are read: most runs read none.

    `allowed` says which pictures are far enough from those of the splits that are held out.
    """

    def __init__(self, problem: Problem, seed: str, allowed: Callable[[Scene], bool]) -> None:
        self.problem, self.seed, self.allowed = problem, seed, allowed

    def __getitem__(self, name: str) -> Any:
        if name in PICTURES:
            own, scenes = self.problem.scene, (one.scene for one in PICTURES[name](self.problem))
            others = (scene for scene in islice(scenes, TRIES) if scene != own and self.allowed(scene))
            return [next(others, own)]  # a few problems fill the grid and have one layout alone
        return BUILDERS[name](self.problem, self.seed)

    def __iter__(self) -> Iterator[str]:
        return iter(NAMES)

    def __len__(self) -> int:
        return len(NAMES)

    def __reduce__(self) -> tuple[type, tuple[dict[str, Any]]]:
        """Travel between processes as plain values: how a picture is painted is a function, which does not."""
        return dict, (dict(self),)
