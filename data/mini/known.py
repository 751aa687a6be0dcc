"""Columns that the mini world has for its own problems: what only the picture shows, where, and questions."""

import random
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from data.mini.columns import Problem
from data.mini.scene import GRID, Cell, describe_cell

PROBES = 4  # questions of one checklist


def hidden(problem: Problem) -> dict[str, str]:
    """Return the facts that the text does not state."""
    return {name: value for name, value in problem.facts.items() if name not in problem.given}


def visual_facts(problem: Problem, seed: str) -> list[str]:
    """Return the facts that only the picture shows, a sentence each."""
    return [f"{name} is {value}" for name, value in hidden(problem).items()]


def shows(cell: Cell, name: str, value: str, pattern: bool) -> bool:
    """Return whether a fact is read off a cell; in a `pattern` every shape counts."""
    if cell and cell[0] == "shape":
        return pattern or name in (cell[2], f"{cell[1]}s")
    return bool(cell) and (cell[:2] == ("bar", name) or cell[:2] == ("glyph", value))


def evidence(problem: Problem, seed: str) -> list[list[int]]:
    """Return [row, column] of the cells that the facts in the picture are read off."""
    # A sum in the picture stands in its first row; the same digits may stand among its options.
    cells = list(enumerate(problem.scene.cells))[: GRID if problem.solution == "seen" else None]
    facts, pattern = hidden(problem).items(), problem.solution in ("odd", "next")
    found = [place for place, cell in cells if any(shows(cell, *fact, pattern) for fact in facts)]
    return [[place // GRID, place % GRID] for place in found]


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
    "probes": probes,
    "evidence": evidence,
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
