"""Imports only go down: common < configs < data < verify < models < {train, eval} < analysis < notebooks."""

from __future__ import annotations

import ast
import re
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


# The mini world is a benchmark: above `data`, its own file names it and nothing asks for it by name.
NAMED = re.compile(r"""(==|!=|\bin)\s*\(?["']mini["']|["']mini["']\s*(==|!=|\bin\b)|["']mini/|source: mini""")
NAMES_IT = {"eval/benchmarks/mini.py"}


def test_nothing_above_data_asks_for_the_mini_world_by_name() -> None:
    rooms = [room for room, floor in FLOORS.items() if floor > FLOORS["data"]]
    asking = [
        f"{path.relative_to(ROOT)}:{number}"
        for room in rooms
        for path in sorted((ROOT / room).rglob("*.py"))
        if path.relative_to(ROOT).as_posix() not in NAMES_IT
        for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), start=1)
        if NAMED.search(line)
    ]
    assert asking == []


@pytest.mark.parametrize(
    "line",
    ['if source == "mini":', 'name.startswith("mini/")', "x != 'mini'", '"source: mini" in text', 'if "mini" in name'],
)
def test_that_check_sees_what_it_should(line: str) -> None:
    assert NAMED.search(line) and not NAMED.search('bench: str = setting("mini", "a benchmark")')
