"""The benchmarks of this half: fixtures through loading, official scoring and the authors' metrics."""

import math
from collections.abc import Callable
from pathlib import Path

import pandas as pd
import pytest
from PIL import Image

from data import Sample
from data.prompts import user_text
from eval.benchmarks import BENCHMARKS, mathverse, mathvista, wemath
from eval.benchmarks.logicvista import score_letters
from eval.benchmarks.papo import COLUMNS
from eval.loading import Loaded, load
from eval.rows import lettered, tag_values, verdict_table
from tests.eval import make_fixtures
from tests.eval.make_fixtures import FOLDER
from verify.official import verdict

NAMES = sorted({path.split("/")[0] for path in make_fixtures.files()})
PAPO = sorted(COLUMNS)


def loaded(name: str) -> Loaded:
    return load(BENCHMARKS[name], FOLDER)


def samples(name: str) -> dict[str, Sample]:
    """Samples of a fixture by the part of their id after the benchmark's name."""
    return {sample.id.removeprefix(f"{name}/"): sample for sample in loaded(name).samples}


def correct(name: str, item: str, text: str) -> bool | None:
    outcome = BENCHMARKS[name].official(samples(name)[item], text, 0)
    return None if outcome is None else outcome.correct


def test_the_fixtures_are_what_the_script_writes(tmp_path: Path) -> None:
    make_fixtures.write(tmp_path)
    written = [path for path in tmp_path.rglob("*") if path.is_file()]
    kept = [path for name in NAMES for path in (FOLDER / name).rglob("*") if path.is_file()]
    assert {path.relative_to(tmp_path) for path in written} == {path.relative_to(FOLDER) for path in kept}
    for path in written:
        original = FOLDER / path.relative_to(tmp_path)
        if path.suffix == ".png":  # the bytes hang on the compressor's version, the picture does not
            with Image.open(path) as new, Image.open(original) as old:
                assert new.convert("RGB").tobytes() == old.convert("RGB").tobytes()
        else:
            assert path.read_bytes() == original.read_bytes()


def boxed(sample: Sample) -> str:
    return f"<think>It is so.</think> \\boxed{{{sample.answer}}}"


def gold_text(sample: Sample) -> str:
    return lettered(sample.choices)[sample.answer] if sample.answer_type == "choice" else sample.answer


RIGHT: dict[str, Callable[[Sample], str]] = {
    "mathvista": lambda sample: f'The answer is "{gold_text(sample)}".',
    "mathverse": lambda sample: f" {sample.answer}\n",
    "mathverse_vision": lambda sample: sample.answer,
    "wemath": lambda sample: f"<<Thought process>>: <<Answer A?>> <<Answer>>: <<{sample.answer}>>",
    "mmstar": lambda sample: f"{sample.answer}: so it is",
    "logicvista": lambda sample: sample.answer.lower().upper(),
    "superclevr": lambda sample: f"<think>3 or 10</think><answer> {sample.answer} </answer>",
}
WRONG: dict[str, str] = {
    "mathvista": 'The answer is "17".',
    "mathverse": "",
    "mathverse_vision": "",
    "wemath": "<<Answer>>: <<H>>",
    "mmstar": "H",
    "logicvista": "H",
    "superclevr": "<think>3</think> 3",
}
# A number needs a judge; a bare G never scores in the authors' script.
NEVER_RIGHT_ALONE = {"logicvista": {"v1_3", "v1_4"}}


@pytest.mark.parametrize("name", NAMES)
def test_right_is_right_and_wrong_is_wrong(name: str) -> None:
    """A right and a wrong response in the form that the benchmark asks for, for every item."""
    official = BENCHMARKS[name].official
    for key, sample in samples(name).items():
        if key in NEVER_RIGHT_ALONE.get(name, ()):
            continue
        right = official(sample, RIGHT.get(name, boxed)(sample), 0)
        wrong = official(sample, WRONG.get(name, "<think>It is so.</think> \\boxed{Z}"), 0)
        assert right is not None and right.correct and right.extracted is not None, (key, right)
        assert wrong is not None and not wrong.correct, (key, wrong)
        grader = "papo/2" if name in {*PAPO, "geometry3k", "mathverse_mc"} else f"official-{name.split('_')[0]}"
        assert right.grader.startswith(grader)


# Benchmark, item, response -> verdict; None where only the authors' language model could tell.
ODD_FORMS = [
    ("mathvista", "1", "middle", True),
    ("mathvista", "1", 'The answer is "B".', True),
    ("mathvista", "1", 'The answer is "(B) middle".', True),
    ("mathvista", "1", 'The answer is "midle".', True),  # the nearest option
    ("mathvista", "1", 'The answer is "leftt".', False),
    ("mathvista", "1", 'The answer is "B"', None),  # the quick rule wants the full stop
    ("mathvista", "1", "B", None),
    ("mathvista", "1", "It is the middle one.", None),
    ("mathvista", "1", "", False),
    ("mathvista", "2", "9", True),
    ("mathvista", "2", 'The answer is "A".', False),
    ("mathvista", "3", 'The answer is "C".', True),  # the second of two equal options
    ("mathvista", "4", "21", True),
    ("mathvista", "4", "21.0", None),
    ("mathvista", "4", 'The answer is "21.0".', True),
    ("mathvista", "4", 'The answer is "21 years".', False),
    ("mathvista", "5", "14.6667", True),  # rounded to one decimal
    ("mathvista", "5", "14.6", False),
    ("mathvista", "6", "0.2149", True),
    ("mathvista", "6", "0.2", False),
    ("mathvista", "7", 'The answer is "[9, 14]".', True),
    ("mathvista", "7", 'The answer is "[9,14]".', False),
    ("mathvista", "8", "3", True),
    ("mathverse", "11", "C", True),
    ("mathverse", "11", "The answer is C", None),
    ("mathverse", "6", "9\\pi", None),
    ("mathvision", "1", "So it must be (C).", True),
    ("mathvision", "1", "\\boxed{D}", False),
    ("mathvision", "2", "\\boxed{20}", True),  # the option's text
    ("mathvision", "2", "\\boxed{30}", False),
    ("mathvision", "3", "\\boxed{(2, 3)}", True),
    ("mathvision", "3", "\\boxed{(3, 2)}", False),
    ("mathvision", "4", "\\boxed{0.5}", True),
    ("mathvision", "5", "", False),
    ("wemath", "2steps_1/1", "Answer: B or rather Answer: A", True),
    ("wemath", "2steps_1/1", "\\boxed{A}", False),
    ("wemath", "2steps_1/1", "", False),
    ("wemath", "3steps_1/multi", "Answer: E", True),
    ("mmstar", "0", "(a) a chart", True),
    ("mmstar", "0", "Answer: B", True),  # its first letter is taken for an option
    ("mmstar", "1", "The answer is (B).", False),
    ("logicvista", "v1_1", "D, B", True),
    ("logicvista", "v1_1", "(B) and (D)", True),
    ("logicvista", "v1_1", "B", False),
    ("logicvista", "v1_0", "C.", True),
    ("logicvista", "v1_0", "The answer is C", None),
    ("logicvista", "v1_0", "c", True),
    ("logicvista", "v1_0", "(C) B", True),
    ("logicvista", "v1_3", "G", False),
    ("logicvista", "v1_3", "(G)", True),
    ("logicvista", "v1_4", "3", None),
    ("geometry3k", "0", "\\boxed{5\\sqrt{2}}", True),
    ("geometry3k", "2", "\\boxed{60^\\circ}", True),
    ("geometry3k", "2", "60", False),
    ("mmk12", "math-1", "\\boxed{B}", False),
    ("mmk12", "math-1", "\\boxed{C. three discs}", None),
    ("mmk12", "math-1", "C", None),
    ("clevr_counting", "1", "\\boxed{10}", True),
    ("clevr_counting", "1", "\\boxed{1}", False),
    ("clevr_counting", "1", "10", False),
    ("superclevr", "0", "<answer>three</answer>", False),
    ("papo_mathverse", "0", "B", False),  # no box
    ("papo_mathverse", "0", "\\boxed{B. 40}", False),
    ("papo_mathverse", "2", "\\boxed{C}", True),  # brackets of a single element are not compared
    ("papo_mathverse", "3", "\\boxed{138°}", False),
    ("papo_mathverse", "3", "\\boxed{138}", True),
    ("papo_mathvista", "1", "\\boxed{12}", True),
    ("papo_logicvista", "0", "\\boxed{D, B}", False),
    ("mathverse_mc", "12", "\\boxed{B}", False),  # its gold is the word False
]


@pytest.mark.parametrize(("name", "item", "text", "expected"), ODD_FORMS)
def test_odd_forms_as_the_rules_say(name: str, item: str, text: str, expected: bool | None) -> None:
    assert correct(name, item, text) is expected


def test_left_out_rows() -> None:
    assert dict(loaded("mathvista").left_out) == {"no gold answer (test split)": 1}
    assert dict(loaded("logicvista").left_out) == {"no gold answer": 1}
    assert dict(loaded("mathverse_vision").left_out) == {"version Text Dominant": 6, "version Text Lite": 2}
    assert dict(loaded("mathverse_mc").left_out) == {"free-form item": 5}


def test_mathvista_keeps_letters_and_texts_apart() -> None:
    items = samples("mathvista")
    assert (items["3"].answer, items["3"].choices) == ("B", ["left", "right", "right", "none"])
    assert items["2"].tags["skills"] == "statistical | algebraic"
    assert tag_values(items["2"].tags["skills"]) == ["statistical", "algebraic"]
    assert (items["5"].tags["precision"], items["4"].tags["unit"]) == ("1.0", "years")
    assert "图中有几根柱子" in items["8"].question


def test_mathvista_scores_what_a_judge_extracted() -> None:
    sample = samples("mathvista")["1"]
    assert mathvista.score_extraction(sample, "B", "It is B.").correct
    assert mathvista.score_extraction(sample, "midle", "It is the midle one.").correct
    assert not mathvista.score_extraction(sample, "", "no idea").correct


def test_mathverse_versions_problems_and_golds() -> None:
    items = samples("mathverse")
    assert [items[str(n)].tags["version"] for n in range(1, 6)] == list(mathverse.VERSIONS)
    assert {items[str(n)].tags["problem"] for n in range(1, 6)} == {"1"}
    assert [items[str(n)].tags["vision_dependent"] for n in range(1, 6)] == ["no", "no", "yes", "yes", "yes"]
    assert [(items[str(n)].answer, items[str(n)].answer_type) for n in (11, 12, 13, 14)] == [
        ("C", "choice"),
        ("B", "choice"),
        ("C, D", "choice"),
        ("053 ^\\circ T", "math"),
    ]
    assert items["5"].choices == ("3", "4", "5", "6")  # Vision Only: known from the text for the judge
    bare = samples("mathverse_mc")
    assert [bare[str(n)].answer for n in (11, 12, 13)] == ["(C)", "False", "C\nD"]
    assert bare["5"].question == "<image>"
    assert load(BENCHMARKS["mathverse"], FOLDER, items=1).samples[0].tags["problem"] in "123456"


def test_logicvista_letters_from_a_judge() -> None:
    sample = samples("logicvista")["v1_1"]
    assert score_letters(sample, "D, B", "They are D and B.").correct
    assert score_letters(sample, "", "None fits.").extracted is None
    assert score_letters(samples("logicvista")["v1_4"], "3", "The third one.").correct
    assert score_letters(sample, "4D, B", "4d or b").extracted == "B"


@pytest.mark.parametrize("name", PAPO)
def test_papo_questions_stand_before_the_instruction(name: str) -> None:
    row = make_fixtures.files()[f"{name}/default-{COLUMNS[name][1]}"][0]
    sample = loaded(name).samples[0]
    assert user_text(sample, "papo") == row["messages"][0]["content"]
    assert sample.tags == {"column": COLUMNS[name][0]}


def test_papo_keeps_equal_rows_as_items_of_their_own() -> None:
    assert [sample.id for sample in loaded("papo_geometry3k").samples] == [f"papo_geometry3k/{n}" for n in range(3)]


def planted(rights: dict[str, str], rounds: int = 1) -> pd.DataFrame:
    """We-Math verdicts: for each problem of the fixture "1" and "0" for its items, steps first."""
    judged = []
    for group, marks in rights.items():
        members = [sample for sample in loaded("wemath").samples if sample.tags["group"] == group]
        for sample, mark in zip(members, marks, strict=True):
            judged += [(sample, k, verdict("wemath", None, mark == "1", "", "letter")) for k in range(rounds)]
    return verdict_table(judged)


CLASSES = {
    "2steps_1": "111",  # complete mastery
    "2steps_2": "110",  # inadequate generalisation
    "2steps_3": "100",  # insufficient knowledge
    "2steps_4": "001",  # rote memorisation, strict and loose
    "2steps_5": "101",  # strict: rote memorisation; loose: complete mastery
    "3steps_1": "1111",
    "3steps_2": "1110",
    "3steps_3": "1000",
    "3steps_4": "0001",
    "3steps_5": "0101",
}


def test_wemath_classes_by_hand() -> None:
    metrics = wemath.BENCHMARK.summary(planted(CLASSES, rounds=2))
    shared = {"IK": 0.2, "IG": 0.2}
    strict = shared | {"CM": 0.2, "RM": 4 / 6, "score": (10 - 0.5 * 2 - 4 - 2) / 10}
    loose = shared | {"CM": 0.4, "RM": 2 / 6, "score": (10 - 0.5 * 2 - 2 - 2) / 10}
    expected = {f"strict/{name}": value for name, value in strict.items()}
    expected |= {f"loose/{name}": value for name, value in loose.items()}
    # Steps right: 2 + 2 + 1 + 0 + 1 of 10, and 3 + 3 + 1 + 0 + 1 of 15.
    expected |= {"one_step": 14 / 25, "two_step": 3 / 5, "three_step": 3 / 5, "incomplete_groups": 0.0}
    assert metrics == pytest.approx(expected)


@pytest.mark.parametrize(("group", "marks"), CLASSES.items())
def test_wemath_class_of_each_group(group: str, marks: str) -> None:
    metrics = wemath.BENCHMARK.summary(planted({group: marks}))
    whole, steps = marks[-1] == "1", marks[:-1]
    strict = ("CM" if "0" not in steps else "RM") if whole else ("IG" if "0" not in steps else "IK")
    loose = ("CM" if "1" in steps else "RM") if whole else strict
    for setting, name in (("strict", strict), ("loose", loose)):
        score = {"CM": 1.0, "IG": 0.5, "RM": 0.0, "IK": 0.0}[name]
        assert metrics[f"{setting}/{name}"] == 1.0
        assert metrics[f"{setting}/score"] == score


def test_wemath_group_without_an_item_is_counted_not_classed() -> None:
    both = wemath.BENCHMARK.summary(planted({"2steps_1": "111", "2steps_6": "11"}))
    assert (both["incomplete_groups"], both["strict/CM"], both["one_step"]) == (1.0, 1.0, 1.0)
    alone = wemath.BENCHMARK.summary(planted({"2steps_6": "11"}))
    assert alone["incomplete_groups"] == 1.0
    assert math.isnan(alone["strict/score"])


def test_wemath_subsets_keep_problems_whole() -> None:
    part = load(BENCHMARKS["wemath"], FOLDER, items=4)
    groups = pd.Series([sample.tags["group"] for sample in part.samples]).value_counts()
    full = pd.Series([sample.tags["group"] for sample in loaded("wemath").samples]).value_counts()
    assert (groups == full[groups.index]).all()
