"""The mini world: facts are read again from the cells and answers reworked from the question, without its code."""

import re
from collections import Counter
from functools import cache

import numpy as np
import pytest

from common import UserError
from data.mini import world
from data.mini.chains import work
from data.mini.columns import COLUMNS, VERSIONS, Problem
from data.mini.scene import COLOURS, GLYPHS, SHAPES, Cell, Scene, sprite

PER_COLUMN = 200
LEVELS = {
    "Text Dominant": "low",
    "Text Lite": "medium",
    "Vision Intensive": "medium",
    "Vision Dominant": "high",
    "Vision Only": "high",
}
every_column = pytest.mark.parametrize("column", COLUMNS)


@cache
def problems(column: str, split: str = "train", count: int = PER_COLUMN) -> list[Problem]:
    return [world.problem(split, column, index) for index in range(count)]


def places(scene: Scene, cell: Cell) -> list[tuple[int, int]]:
    return [(place // 4, place % 4) for place, found in enumerate(scene.cells) if found == cell]


def glyph_at(scene: Scene, *spots: tuple[int, int]) -> str:
    """The one character that stands on one of the spots."""
    cells = [scene.cells[4 * row + column] for row, column in spots]
    (cell,) = [cell for cell in cells if cell]
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
    ((row, column),) = places(scene, ("line", "wd"))
    return {
        "left": glyph_at(scene, (row, column - 1), (row + 1, column - 1)),
        "bottom": glyph_at(scene, (row + 2, column), (row + 2, column + 1)),
        "slope": glyph_at(scene, (row, column + 1)),
    }


def bar_heights(scene: Scene) -> dict[str, str]:
    heights = Counter()
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


def sum_facts(scene: Scene) -> dict[str, str]:
    first, sign, second, mark = (glyph_at(scene, (0, column)) for column in range(4))
    assert mark == "?"
    return {"first": first, "sign": sign, "second": second}


def options_shown(column: str, found: Problem) -> list[str]:
    """The values that stand behind A to D, in the text or (inpicture) in the picture."""
    if column != "inpicture":
        options = dict(re.findall(r"\( (\S+) \) (\S+)", found.question))
    else:
        spots = {letter: places(found.scene, ("glyph", letter)) for letter in "ABCD"}
        options = {letter: glyph_at(found.scene, (row, side + 1)) for letter, ((row, side),) in spots.items()}
    assert list(options) in ([], list("ABCD"))
    return list(options.values())


def facts_seen(column: str, found: Problem) -> dict[str, str]:
    """What the picture says about the names that the problem uses."""
    scene = found.scene
    if column in ("geometry", "versions"):
        return rectangle_facts(scene) if places(scene, ("line", "nw")) else triangle_facts(scene)
    if column == "chart":
        return {name: height for name, height in bar_heights(scene).items() if name in found.facts}
    if column == "logic" and found.kind == "odd":
        return odd_facts(found)
    if column == "logic":
        row = [cell for cell in scene.cells if cell]
        return {str(number): cell[2] for number, cell in enumerate(row, start=1)}
    if column == "inpicture":
        return sum_facts(scene)
    if found.kind == "physics":
        return {"speed": next(cell[1] for cell in scene.cells if cell and cell[0] == "glyph")}
    return {name: count_of(scene, name) for name in found.facts}


def number_asked(column: str, found: Problem, facts: dict[str, str]) -> int:
    """The answer as a number, reworked from the words of the question."""
    values = {name: int(value) for name, value in facts.items() if value.isdigit()}
    question, numbers = found.question, [int(n) for n in re.findall(r"\d+", found.question)]
    if column in ("geometry", "versions"):
        goal = found.kind if column == "versions" else re.search(r"area|perimeter", question)[0]
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
    if found.kind == "physics":
        return values["speed"] * int(re.search(r"drives (\d+) hours", question)[1])
    if found.kind == "chemistry":
        heavy, light = re.match(r"A (\w+) atom weighs 2 and a (\w+) atom weighs 1 ", question).groups()
        return 2 * values[heavy] + values[light]
    if found.kind == "biology":
        return 2 * sum(values.values())
    if column == "inpicture":
        return values["first"] + values["second"] * (1 if facts["sign"] == "+" else -1)
    assert column == "counting" or found.kind in ("one", "sum"), numbers
    return sum(values.values())


def answer_asked(column: str, found: Problem, facts: dict[str, str]) -> str:
    if found.kind == "odd":
        (alone,) = [value for value, count in Counter(facts.values()).items() if count == 1]
        return alone
    if found.kind == "next":
        one, two, three, four = facts.values()
        return three if (one, two) == (three, four) else {one: two}[four]
    return str(number_asked(column, found, facts))


def told_in_text(found: Problem) -> dict[str, str]:
    """Facts that the words of the question give away."""
    told = dict(re.findall(r"The (\w+)(?: bar)? is (\d+) \.", found.question))
    counts = re.match(r"There are (\d+) (\w+)(?: objects)? \.", found.question)
    return told | ({counts[2]: counts[1]} if counts else {})


@every_column
def test_facts_are_what_the_cells_show(column: str) -> None:
    for found in problems(column):
        assert facts_seen(column, found) == found.facts


@every_column
def test_answers_follow_from_question_and_picture(column: str) -> None:
    for index, found in enumerate(problems(column)):
        sample = world.as_sample(found, "train", column, index)
        asked = answer_asked(column, found, facts_seen(column, found))
        assert sample.answer == asked
        assert sample.answer_type == ("text" if column == "logic" else "number")
        assert sample.choices == ()
        assert work(found.solution, found.facts).answer == sample.answer


@every_column
def test_where_there_are_options_one_of_four_is_the_answer(column: str) -> None:
    for found in problems(column):
        options = options_shown(column, found)
        assert bool(options) == (column in ("word", "inpicture") or found.kind == "next")
        assert found.choices == (() if column == "inpicture" else tuple(options))
        if options:
            assert len(set(options)) == 4
            assert answer_asked(column, found, facts_seen(column, found)) in options


@every_column
def test_true_values_lie_in_the_pool_that_guesses_draw_from(column: str) -> None:
    for found in problems(column):
        assert found.fact_pool.keys() == found.facts.keys()
        assert all(value in found.fact_pool[name] for name, value in found.facts.items())


def test_bars_stand_on_the_ground_with_the_half_on_top() -> None:
    for found in problems("chart"):
        for column in range(4):
            parts = [found.scene.cells[4 * row + column] for row in (3, 2, 1, 0)]
            shown = "".join(cell[2][0] if cell else "." for cell in parts)
            assert re.fullmatch(r"f*h?\.*", shown)
            assert len({cell[1] for cell in parts if cell}) <= 1


@every_column
def test_vision_need_says_how_much_of_the_picture_the_text_gives(column: str) -> None:
    """Low: the text states every fact; high: none; medium: some, or (word, physics) none but the other operand.

    Chemistry and biology give a factor in words (weighs 2, splits in two) and are called high all the same.
    """
    for found in problems(column):
        told = told_in_text(found)
        assert told == {name: found.facts[name] for name in found.given}
        assert found.vision_need in ("low", "medium", "high")
        assert (found.vision_need == "low") == (len(told) == len(found.facts))
        if found.vision_need == "high":
            assert told == {}
        if found.vision_need == "medium" and not told:
            assert found.kind in ("gets", "gives", "physics")
            assert re.search(r"has \d coins|drives \d hours", found.question)
        if found.vision_need == "high" and found.kind not in ("chemistry", "next"):
            assert not re.search(r"\d", found.question)


@every_column
def test_columns_have_the_levels_they_are_named_for(column: str) -> None:
    expected = {
        "geometry": {"low", "medium"},
        "chart": {"low", "medium", "high"},
        "word": {"low", "medium"},
        "subject": {"low", "medium", "high"},
        "versions": {"low", "medium", "high"},
        "logic": {"high"},
        "counting": {"high"},
        "inpicture": {"high"},
    }
    assert {found.vision_need for found in problems(column)} == expected[column]


def test_the_five_versions_are_one_problem() -> None:
    for number in range(60):
        five = [world.sample("test", "versions", 5 * number + i) for i in range(5)]
        assert [(s.tags["version"], s.tags["vision_need"]) for s in five] == list(LEVELS.items())
        assert len({(s.answer, s.solution, tuple(s.facts.items())) for s in five}) == 1
        assert len({s.question for s in five}) == 5
        pictures = [s.images[0] for s in five]
        assert pictures[0] == pictures[1] == pictures[2] == pictures[3]
        assert pictures[4].cells[1:] == pictures[0].cells[1:]
        goal = {"width * height": "A", "width + height ; it * 2": "P"}[five[0].solution]
        assert (pictures[0].cells[0], pictures[4].cells[0]) == ((), ("glyph", goal))


def test_less_and_less_text_from_version_to_version() -> None:
    assert VERSIONS == LEVELS
    for number in range(60):
        five = problems("versions", "train", 300)[5 * number : 5 * number + 5]
        assert [sorted(told_in_text(found)) for found in five] == [["height", "width"], ["width"], ["height"], [], []]
        assert ["area" in found.question or "perimeter" in found.question for found in five] == [True] * 4 + [False]
        assert five[4].question == "Answer the question in the picture ."


def test_vision_centric_is_exactly_the_three_vision_versions() -> None:
    for column in COLUMNS:
        for index in range(40):
            tags = world.sample("train", column, index).tags
            centric = tags.get("version") in ("Vision Intensive", "Vision Dominant", "Vision Only")
            assert (tags.get("subset") == "vision_centric") == centric
            assert centric == (column == "versions" and index % 5 >= 2)
            assert tags["column"] == column
    assert world.SUBSET_COLUMNS["vision_centric"] == "versions"
    assert set(world.ALL_COLUMNS) == {*COLUMNS, "vision_centric"}


@every_column
def test_an_id_brings_the_sample_back(column: str) -> None:
    for index in range(25):
        sample = world.sample("validation", column, index)
        again = world.sample_by_id(sample.id)
        assert sample.id == f"mini/1/validation/{column}/{index}"
        assert again == sample
        assert np.array_equal(again.images[0].open(), sample.images[0].open())


def test_the_stream_visits_all_columns_and_starts_anywhere() -> None:
    stream = world.stream("train")
    samples = [next(stream) for _ in range(20)]
    assert [sample.tags["column"] for sample in samples[:8]] == list(COLUMNS)
    assert [sample.id.rsplit("/", 1)[1] for sample in samples] == ["0"] * 8 + ["1"] * 8 + ["2"] * 4
    later = world.stream("train", 13)
    assert [next(later) for _ in range(7)] == samples[13:]


@pytest.mark.parametrize(
    ("sample_id", "named"),
    [
        ("mini/1/test/counting", "not the id"),
        ("geo3k/1/test/counting/3", "not the id"),
        ("mini/1/test/counting/-3", "not the id"),
        ("mini/0/test/counting/3", "mini world 0"),
        ("mini/1/holdout/counting/3", "'holdout'"),
        ("mini/1/test/colours/3", "'colours'"),
    ],
)
def test_a_wrong_id_is_refused_by_name(sample_id: str, named: str) -> None:
    with pytest.raises(UserError, match=named):
        world.sample_by_id(sample_id)


def test_splits_share_no_picture() -> None:
    keys = {
        split: {found.scene.key() for column in COLUMNS for found in problems(column, split)} for split in world.SPLITS
    }
    assert all(len(found) > 1000 for found in keys.values())
    for first, second in (("train", "validation"), ("train", "test"), ("validation", "test")):
        assert not keys[first] & keys[second]


def test_a_tenth_of_all_pictures_is_test_and_a_tenth_validation() -> None:
    shares = Counter(world.split_of(f"picture {number}") for number in range(5000))
    assert abs(shares["test"] - 500) < 85  # four standard deviations
    assert abs(shares["validation"] - 500) < 85
    assert shares["train"] == 5000 - shares["test"] - shares["validation"]


def template(question: str) -> str:
    """The question without its numbers, colours and shapes."""
    words = {**dict.fromkeys(COLOURS, "C"), **dict.fromkeys((shape + "s" for shape in SHAPES), "S")}
    return " ".join(words.get(word, "N" if word.isdigit() else word) for word in question.split())


def true_answer(found: Problem) -> str:
    return work(found.solution, found.facts).answer


# what the commonest answer of each template scores with 3000 samples on 1000
TEXT_SCORES = {
    "geometry": 0.122,
    "chart": 0.193,
    "word": 0.230,
    "subject": 0.178,
    "versions": 0.114,
    "logic": 0.227,
    "counting": 0.279,
    "inpicture": 0.157,
}


@every_column
def test_text_alone_has_a_limited_score(column: str) -> None:
    """Within three standard deviations of the measured score; the draws are fixed."""
    answers: dict[str, Counter] = {}
    for found in problems(column, "train", 600):
        answers.setdefault(template(found.question), Counter())[true_answer(found)] += 1
    test = problems(column, "test", 200)
    guesses = [answers.get(template(found.question), Counter({"": 1})).most_common(1)[0][0] for found in test]
    score = np.mean([guess == true_answer(found) for guess, found in zip(guesses, test, strict=True)])
    expected = TEXT_SCORES[column]
    assert abs(score - expected) < 3 * (expected * (1 - expected) / len(test)) ** 0.5


@pytest.mark.parametrize("column", ["word", "logic", "inpicture"])
def test_the_answer_stands_at_no_letter_more_often(column: str) -> None:
    found = [(options_shown(column, one), true_answer(one)) for one in problems(column, "train", 600)]
    shares = Counter(options.index(answer) for options, answer in found if options)
    total = shares.total()
    assert total == 600 or (column == "logic" and 240 < total < 360)
    assert all(abs(shares[place] - total / 4) < 3 * (total * 3 / 16) ** 0.5 for place in range(4))


def test_pictures_are_small_rgb_and_differ_with_their_scene() -> None:
    scenes = {found.scene.key(): found.scene for column in COLUMNS for found in problems(column)[:60]}
    pixels = {scene.pixels().tobytes() for scene in scenes.values()}
    assert len(scenes) > 350
    assert len(pixels) == len(scenes)
    scene = next(iter(scenes.values()))
    assert scene.pixels().shape == (128, 128, 3)
    assert scene.pixels().dtype == np.uint8
    assert (scene.open().mode, scene.open().size) == ("RGB", (128, 128))


def test_no_two_things_look_alike() -> None:
    cells: list[Cell] = [(), *(("line", edges) for edges in ("nw", "ne", "sw", "se", "wd", "sd"))]
    cells += [("shape", shape, colour) for shape in SHAPES for colour in COLOURS]
    cells += [("bar", colour, part) for colour in COLOURS for part in ("full", "half")]
    cells += [("glyph", character) for character in [*GLYPHS, "+", "?"]]
    assert len({sprite(cell).tobytes() for cell in cells}) == len(cells) == 55


def test_a_cell_is_drawn_where_it_stands() -> None:
    scene = Scene(tuple(("glyph", "7") if place == 6 else () for place in range(16)))
    changed = np.argwhere((scene.pixels() != Scene(((),) * 16).pixels()).any(axis=2))
    assert (changed.min(axis=0) >= [32, 64]).all()
    assert (changed.max(axis=0) < [64, 96]).all()


@every_column
def test_size_limits_the_number_of_objects(column: str) -> None:
    limits = {"logic": 4, "subject": 3}  # a row of four; physics and chemistry always draw at least two things
    for index in range(60):
        cells = world.problem("train", column, index, size=2).scene.cells
        assert sum(bool(cell) and cell[0] == "shape" for cell in cells) <= limits.get(column, 2)
