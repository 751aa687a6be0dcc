"""Imports only go down: between rooms, between the parts of `analysis`, and never in a circle of modules."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterable, Iterator, Mapping
from functools import cache
from graphlib import CycleError, TopologicalSorter
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
# The parts of `analysis`, lowest first; parts on one line do not import each other.
ORDER = (
    ("taxonomy", "settings", "recipes", "table_schema"),
    ("errors", "rollouts", "reuse"),
    ("protocol", "dependency", "experiments", "items"),
    ("runs", "fetch", "table", "hints", "measures", "planned"),
    (
        "seeds",
        "breakdown",
        "plan",
        "filling",
        "job_scripts",
        "outside",
        "table_files",
        "arithmetic",
        "measuring",
        "run_files",
    ),
    ("figures", "gather"),
    ("judge", "probes", "score_bench", "claims", "dashboard", "figure_files", "artifact"),
    ("report", "verify_results"),
    ("outputs",),
    ("__main__",),
)
MOST_LAYERS = 7
Graph = Mapping[str, set[str]]


def imported(nodes: Iterable[ast.AST], package: str) -> Iterator[tuple[int, str]]:
    """Yield line and dotted name of every import among some nodes; `from a import b` names both a and a.b."""
    for node in nodes:
        if isinstance(node, ast.Import):
            yield from ((node.lineno, alias.name) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            above = package.split(".")[: len(package.split(".")) - node.level + 1] if node.level else []
            base = ".".join([*above, *([node.module] if node.module else [])])
            yield from ((node.lineno, name) for name in (base, *(f"{base}.{alias.name}" for alias in node.names)))


def imported_rooms(tree: ast.AST) -> Iterator[tuple[int, str]]:
    """Line and room of every absolute import."""
    for line, name in imported(ast.walk(tree), ""):
        if name.partition(".")[0] in FLOORS:
            yield line, name.partition(".")[0]


def climbs(room: str, source: str) -> list[tuple[int, str]]:
    """The imports in a room's source that do not go down."""
    found = dict.fromkeys(imported_rooms(ast.parse(source)))
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


@cache
def modules() -> dict[str, Path]:
    """The modules of all rooms and benches by their dotted names; a package goes by its folder."""
    paths = [path for room in (*FLOORS, "bench") for path in sorted((ROOT / room).rglob("*.py"))]
    parts = {path: path.relative_to(ROOT).with_suffix("").parts for path in paths}
    return {".".join(own[:-1] if own[-1] == "__init__" else own): path for path, own in parts.items()}


def edges(sources: Mapping[str, str], packages: set[str], loading: bool = False) -> Graph:
    """Return what each module imports of the others, the package included that a module is taken from.

    Imports inside functions and for the type checker count, unless only those of `loading` a module are asked for.
    """
    found: dict[str, set[str]] = {}
    for name, source in sources.items():
        package = name if name in packages else name.rpartition(".")[0]
        tree = ast.parse(source)
        targets = {target for _, target in imported(tree.body if loading else ast.walk(tree), package)}
        found[name] = (targets & sources.keys()) - {name}
    return found


@cache
def graph(loading: bool = False) -> Graph:
    packages = {name for name, path in modules().items() if path.name == "__init__.py"}
    return edges({name: path.read_text(encoding="utf-8") for name, path in modules().items()}, packages, loading)


def circle(of: Graph) -> list[str]:
    """Return modules that import each other, the first one again at the end; none in a graph without a circle."""
    try:
        TopologicalSorter(of).prepare()
    except CycleError as error:
        return error.args[1]
    return []


def test_no_modules_import_each_other_in_a_circle() -> None:
    """Where one appears: interface, implementations and factory are three files; a command has settings and run."""
    assert circle(graph()) == []


def test_circles_are_seen_inside_functions_and_for_the_type_checker() -> None:
    hidden = {
        "a.one": "if TYPE_CHECKING:\n    from a.two import Two",
        "a.two": "def f():\n    from . import three",
        "a.three": "from a import one",
        "a.four": "import a.one",
    }
    assert set(circle(edges(hidden, set()))) == {"a.one", "a.three", "a.two"}
    exported = {"a": "from a.one import One", "a.one": "from a import two", "a.two": ""}
    assert set(circle(edges(exported, {"a"}))) == {"a", "a.one"}
    assert circle(edges(exported | {"a.one": "import a.two as two"}, {"a"})) == []
    assert circle(edges(hidden | {"a.three": "import b.one"}, set())) == []


def unit(module: str) -> str:
    """Return the part of a room that a module belongs to: a file, or a folder with all that is in it."""
    return ".".join(module.split(".")[:2])


def parts(room: str, of: Graph) -> Graph:
    """Return what the parts of a room import of each other; the room's own __init__ only exports."""
    own: dict[str, set[str]] = {}
    for name, targets in of.items():
        if name.startswith(f"{room}."):
            inside = {unit(target) for target in targets if target.startswith(f"{room}.")} - {unit(name)}
            own[unit(name)] = own.get(unit(name), set()) | inside
    return own


@pytest.mark.parametrize("room", FLOORS)
def test_no_folders_of_a_room_import_each_other_in_a_circle(room: str) -> None:
    """A folder's command stands above its folder: nothing imports it."""
    assert circle(parts(room, {name: of for name, of in graph().items() if not name.endswith(".__main__")})) == []


def test_a_circle_through_a_folder_is_seen() -> None:
    through = {"a.one.x": {"a.two"}, "a.two": {"a.one.y"}, "a.one.y": set()}
    assert set(circle(parts("a", through))) == {"a.one", "a.two"}
    assert circle(parts("a", through | {"a.two": {"b.z"}})) == []


def layers(room: str, of: Graph) -> int:
    """Return the longest chain of parts of a room that import each other."""
    own, depth = parts(room, of), {}
    for name in TopologicalSorter(own).static_order():
        depth[name] = 1 + max((depth[target] for target in own.get(name, ())), default=0)
    return max(depth.values())


@pytest.mark.parametrize("room", FLOORS)
def test_a_room_has_few_layers(room: str) -> None:
    assert layers(room, graph(loading=True)) <= MOST_LAYERS


def test_layers_are_counted() -> None:
    chain = {
        "a.one": {"a.two"},
        "a.two": {"a.three.x"},
        "a.three.x": {"a.three.y"},
        "a.three.y": {"b.z"},
        "b.z": set(),
    }
    assert layers("a", chain) == 3


def test_the_parts_of_analysis_import_only_lower_ones() -> None:
    level = {f"analysis.{name}": number for number, names in enumerate(ORDER) for name in names}
    own = {name: targets for name, targets in graph().items() if name.startswith("analysis.")}
    assert {unit(name) for name in own} == set(level)
    climbing = [
        f"{name} imports {target}"
        for name, targets in own.items()
        for target in targets
        if target in own and unit(target) != unit(name) and level[unit(target)] >= level[unit(name)]
    ]
    assert climbing == []


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
