"""Imports only go down: common < configs < data < verify < models < {train, eval} < analysis < notebooks."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
FLOORS = {
    "common": 0,
    "configs": 1,
    "data": 2,
    "verify": 3,
    "models": 4,
    "train": 5,
    "eval": 5,
    "analysis": 6,
    "notebooks": 7,
}


def imported_rooms(tree: ast.AST) -> Iterator[tuple[int, str]]:
    """Line and room of every absolute import, those inside functions included."""
    for node in ast.walk(tree):
        names: list[str] = []
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom) and node.level == 0 and node.module:
            names = [node.module]
        for name in names:
            if name.partition(".")[0] in FLOORS:
                yield node.lineno, name.partition(".")[0]


def climbs(room: str, source: str) -> list[tuple[int, str]]:
    """The imports in a room's source that do not go down."""
    found = imported_rooms(ast.parse(source))
    return [(line, other) for line, other in found if other != room and FLOORS[other] >= FLOORS[room]]


@pytest.mark.parametrize("room", FLOORS)
def test_imports_go_down(room: str) -> None:
    climbing = [
        f"{path.relative_to(ROOT)}:{line} imports {other}"
        for path in sorted((ROOT / room).rglob("*.py"))
        for line, other in climbs(room, path.read_text(encoding="utf-8"))
    ]
    assert climbing == []


def test_the_check_sees_what_it_should() -> None:
    assert climbs("train", "import eval.runner") == [(1, "eval")]
    assert climbs("eval", "def f():\n    from train.loop import train") == [(2, "train")]
    assert climbs("data", "from data.sample import Sample\nimport configs, models") == [(2, "models")]
    assert climbs("analysis", "import train, eval, verify\nfrom . import tables") == []
