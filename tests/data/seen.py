"""What a picture of the mini world says and what a question asks, worked out again without the world's own code."""

import re
from collections import Counter

from data.mini.problem import Problem
from data.mini.scene import Cell, Scene

ORDER = ("first", "second", "third", "fourth")


def places(scene: Scene, cell: Cell) -> list[tuple[int, int]]:
    return [(place // 4, place % 4) for place, found in enumerate(scene.cells) if found == cell]


def at(scene: Scene, row: int, column: int) -> Cell:
    return scene.cells[4 * row + column] if 0 <= row < 4 and 0 <= column < 4 else ()


def glyph_at(scene: Scene, *spots: tuple[int, int]) -> str:
    """The one character that stands on one of the spots."""
    (cell,) = [cell for cell in (at(scene, *spot) for spot in spots) if cell]
    assert cell[0] == "glyph"
    return cell[1]


def rectangle_facts(scene: Scene) -> dict[str, str]:
    ((row, column),) = places(scene, ("line", "nw"))
    assert places(scene, ("line", "se")) == [(row + 1, column + 1)]
    return {
        "width": glyph_at(scene, (row - 1, column), (row - 1, column + 1)),
        "height": glyph_at(scene, (row, column - 1), (row + 1, column - 1)),
    }


def triangle_facts(scene: Scene) -> dict[str, str]:
    ((row, column),) = places(scene, ("line", "us"))
    assert places(scene, ("line", "ds")) == [(row, column + 1)]
    return {
        "left": glyph_at(scene, (row, column - 1)),
        "right": glyph_at(scene, (row, column + 2)),
        "bottom": glyph_at(scene, (row + 1, column), (row + 1, column + 1)),
    }


def bar_heights(scene: Scene) -> dict[str, str]:
    heights: Counter = Counter()
    for cell in scene.cells:
        if cell:
            heights[cell[1]] += {"full": 2, "half": 1}[cell[2]]
    return {colour: str(height) for colour, height in heights.items()}


def count_of(scene: Scene, name: str) -> str:
    """How many shapes have the colour, or the shape named in the plural."""
    shapes = [cell for cell in scene.cells if cell and cell[0] == "shape"]
    return str(sum(name in (colour, shape + "s") for _, shape, colour in shapes))


def odd_facts(found: Problem) -> dict[str, str]:
    kind = 2 if "colour" in found.question else 1
    letters = {letter: places(found.scene, ("glyph", letter))[0] for letter in "ABCD"}
    return {letter: found.scene.cells[4 * (row + 1) + column][kind] for letter, (row, column) in letters.items()}


def row_facts(scene: Scene) -> dict[str, str]:
    """The colours of the only row that is full."""
    rows = [scene.cells[start : start + 4] for start in range(0, 16, 4)]
    (full,) = [row for row in rows if all(row)]
    assert len({cell[1] for cell in full}) == 1
    return {str(number): cell[2] for number, cell in enumerate(full, start=1)}


def sum_facts(scene: Scene) -> dict[str, str]:
    first, sign, second, mark = (glyph_at(scene, (0, column)) for column in range(4))
    assert mark == "?"
    return {"first": first, "sign": sign, "second": second}


def path_facts(found: Problem) -> dict[str, str]:
    """The numbers along the path that the question starts."""
    column, rounds = map(int, re.search(r"at column (\d) .* of (\d) rows", found.question).groups())
    facts = {}
    for row in range(rounds):
        facts[ORDER[row]] = glyph_at(found.scene, (row, column - 1))
        column = int(facts[ORDER[row]])
    return facts


def facts_seen(column: str, found: Problem) -> dict[str, str]:
    """What the picture says about the names that the problem uses."""
    scene, kind = found.scene, found.draft.kind
    if column in ("geometry", "versions"):
        return rectangle_facts(scene) if places(scene, ("line", "nw")) else triangle_facts(scene)
    if column == "chart":
        return {name: height for name, height in bar_heights(scene).items() if name in found.facts}
    if column == "logic":
        return odd_facts(found) if kind == "odd" else row_facts(scene)
    if column == "inpicture":
        return sum_facts(scene)
    if column == "relay":
        return path_facts(found)
    if kind == "physics":
        colour = re.search(r"at the (\w+) speed", found.question)[1]
        (speed,) = [cell[1] for cell in scene.cells if cell and cell[0] == "glyph" and cell[2] == colour]
        return {"speed": speed}
    return {name: count_of(scene, name) for name in found.facts}


def number_asked(column: str, found: Problem, facts: dict[str, str]) -> int:
    """The answer as a number, reworked from the words of the question."""
    values = {name: int(value) for name, value in facts.items() if value.isdigit()}
    question = found.draft.question
    if column in ("geometry", "versions"):
        goal = found.draft.kind if column == "versions" else re.search(r"area|perimeter", question)[0]
        if goal == "area":
            return values["width"] * values["height"]
        return sum(values.values()) * (2 if "width" in values else 1)
    if column == "chart" and "taller" in question:
        taller, shorter = re.search(r"is the (\w+) bar than the (\w+) bar", question).groups()
        return values[taller] - values[shorter]
    if column == "word":
        start = int(re.search(r"has (\d+) coins", question)[1])
        (count,) = values.values()
        return start + count if "gets" in question else start - count
    if "hours" in question:
        return values["speed"] * int(re.search(r"drives (\d+) hours", question)[1])
    if "atom" in question:
        heavy, light = re.match(r"A (\w+) atom weighs 2 and a (\w+) atom weighs 1 ", question).groups()
        return 2 * values[heavy] + values[light]
    if "splits in two" in question:
        return 2 * sum(values.values())
    if column == "inpicture":
        return values["first"] + values["second"] * (1 if facts["sign"] == "+" else -1)
    return sum(values.values())


def answer_asked(column: str, found: Problem, facts: dict[str, str]) -> str:
    if found.draft.kind == "odd":
        (alone,) = [value for value, count in Counter(facts.values()).items() if count == 1]
        return alone
    if found.draft.kind == "next":
        one, two, three, four = facts.values()
        return three if (one, two) == (three, four) else {one: two}[four]
    return str(number_asked(column, found, facts))


def options_shown(column: str, found: Problem) -> list[str]:
    """The values that stand behind A to D, in the text or (inpicture) in the picture."""
    if column != "inpicture":
        options = dict(re.findall(r"\( (\S+) \) (\S+)", found.question))
    else:
        spots = {letter: places(found.scene, ("glyph", letter)) for letter in "ABCD"}
        options = {letter: glyph_at(found.scene, (row, side + 1)) for letter, ((row, side),) in spots.items()}
    assert list(options) in ([], list("ABCD"))
    return list(options.values())


def told_in_text(found: Problem) -> dict[str, str]:
    """Facts that the words of the question give away; a suggestion is none."""
    told = dict(re.findall(r"The (\w+)(?: bar)? is (\d+) \.", found.draft.question))
    counts = re.match(r"There are (\d+) (\w+)(?: objects)? \.", found.draft.question)
    return told | ({counts[2]: counts[1]} if counts else {})


def suggested(found: Problem) -> tuple[str, str] | None:
    """The fact that Tom names."""
    if not found.question.startswith("Tom says "):
        return None
    words = found.question.removeprefix("Tom says ").split(" . ")[0]
    if count := re.fullmatch(r"there are (\d+) (\w+)(?: objects)?", words):
        return count[2], count[1]
    return re.fullmatch(r"(?:the )?(\w+)(?: bar)? is (\S+)", words).groups()
