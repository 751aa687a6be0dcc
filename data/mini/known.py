"""Columns that the mini world has for its own problems: what only the picture shows, where, and questions."""

import random
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from data.mini.problem import Problem
from data.mini.scene import GRID, describe_cell

PROBES = 4  # questions of one checklist


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


class Known(Mapping[str, Any]):
    """The columns of one problem, made when they are read: most runs read none."""

    def __init__(self, problem: Problem, seed: str) -> None:
        self.problem, self.seed = problem, seed

    def __getitem__(self, name: str) -> Any:
        return BUILDERS[name](self.problem, self.seed)

    def __iter__(self) -> Iterator[str]:
        return iter(BUILDERS)

    def __len__(self) -> int:
        return len(BUILDERS)

    def __reduce__(self) -> tuple[type, tuple[dict[str, Any]]]:
        """Travel between processes as plain values: how a picture is painted is a function, which does not."""
        return dict, (dict(self),)
