"""MMMU, MMMU-Pro, BLINK, MM-Vet, HallusionBench, DynaMath, EMMA, SeePhys, CLEVR-Math, ChartQA, AI2D and POPE on
fixtures: what rows become, what the authors' rules say of responses, and the authors' further metrics."""

from collections import Counter
from functools import cache
from pathlib import Path

import pandas as pd
import pyarrow
import pyarrow.parquet
import pytest

from common import UserError, read_jsonl
from data import Sample
from data.images import FileImage
from eval.benchmark import Part, Where
from eval.benchmarks import BENCHMARKS
from eval.loading import Loaded, load
from eval.rows import LETTERS, tag_values, verdict_table
from tests.eval.make_fixtures_2 import BLUE, FIXTURES, FOLDER, GREEN, RED, write_fixtures
from verify.official import verdict


@cache
def loaded(name: str) -> Loaded:
    return load(BENCHMARKS[name], FOLDER)


def sample(name: str, key: str) -> Sample:
    return next(one for one in loaded(name).samples if one.id == f"{name}/{key}")


def picture_names(one: Sample) -> list[str]:
    return [f"images/{image.path.name}" for image in one.images if isinstance(image, FileImage)]


# benchmark, key of the item, response, right or not (None: a judge must tell), reason
RESPONSES = [
    ("mmmu", "validation_History_1", "C", True, "letter"),
    ("mmmu", "validation_History_1", "The answer is (C).", True, "letter"),
    ("mmmu", "validation_History_1", "Answer: B", False, "mismatch"),
    ("mmmu", "validation_History_1", "There are clearly three of them here", True, "letter"),
    ("mmmu", "validation_Biology_2", 'One can only see the "disc" in it', True, "letter"),
    ("mmmu", "validation_Math_2", "So it is 0.50", True, "text"),
    ("mmmu", "validation_Math_2", "The ratio is 1/2.", True, "text"),
    ("mmmu", "validation_Math_2", "It is 0.25", False, "mismatch"),
    ("mmmu", "validation_Physics_2", "I counted them.\nThe total is 24.", True, "text"),
    ("mmmu", "validation_Physics_2", "42", False, "mismatch"),
    ("mmmu_pro_standard10", "test_History_1", "Step by step.\nAnswer: D", True, "letter"),
    ("mmmu_pro_standard10", "test_History_1", "A triangle is shown", False, "mismatch"),
    ("mmmu_pro_standard10", "test_Math_4", "Answer: L", True, "letter"),
    ("mmmu_pro_standard10", "test_Energy_and_Power_6", "I think so", True, "letter"),  # the pronoun is an option
    ("mmmu_pro_standard10", "test_Music_3", "no idea", True, "guessed"),  # there is one option only
    ("mmmu_pro_standard4", "test_History_1", "\\boxed{B.}", True, "letter"),
    ("mmmu_pro_vision", "test_History_1", "(D)", True, "letter"),
    ("mmmu_pro_vision", "test_History_1", "(A)", False, "mismatch"),
    ("blink", "val_Counting_1", "B", True, "letter"),
    ("blink", "val_Counting_1", "(A) it seems.\n\nBut then (B) is right.", True, "letter"),
    ("blink", "val_Counting_1", "The answer is (A) here.", False, "mismatch"),
    ("blink", "val_Counting_1", "The answer is B", None, ""),
    ("blink", "val_Counting_1", "(A) or (B)", None, ""),
    ("mmlu_pro_noise", "70", "So the answer is (B), not A.", True, "letter"),
    ("mmlu_pro_noise", "70", "answer is A. No, the answer is B.", False, "mismatch"),  # the first one counts
    ("mmlu_pro_noise", "70", "Answer: A or Answer: B\nAnswer: C", True, "letter"),  # the last of the first line
    ("mmlu_pro_noise", "70", "Neither A nor C: \\boxed{B}", True, "letter"),
    ("easy_vqa", "red_square/1", "Square.", True, "text"),
    ("easy_vqa", "red_square/1", "<think>It is red.</think> \\boxed{square}", True, "text"),
    ("easy_vqa", "green_disc/0", "Yes, there is", False, "mismatch"),
    ("mmvet", "v1_0", "3", None, ""),
    ("mmvet", "v1_0", "", None, ""),
    ("hallusionbench", "VD/illusion/0/0/0", "Yes.", True, "text"),
    ("hallusionbench", "VD/illusion/0/0/0", "No, they differ", False, "mismatch"),
    ("hallusionbench", "VD/illusion/0/0/0", "Yes and no", None, ""),
    ("hallusionbench", "VS/chart/3/0/0", "Nothing can be said without a figure", None, ""),
    ("dynamath", "1/3", '{"solution": "9 / 2", "short answer": "4.5005"}', True, "text"),
    ("dynamath", "1/3", '{"solution": "9 / 2", "short answer": "4.502"}', False, "mismatch"),
    ("dynamath", "1/3", "4.500.", True, "text"),
    ("dynamath", "2/1", '{"solution": "", "short answer": "(B) bar 2"}', True, "text"),
    ("dynamath", "2/1", '{"solution": "", "short answer": "A"}', False, "mismatch"),
    ("dynamath", "3/1", '```json\n{"solution": "", "short answer": "a green disc"}\n```', True, "text"),
    ("dynamath", "4/2", '{"solution": "", "short answer": 6}', True, "text"),
    ("emma", "math_1", "B", True, "math"),
    ("emma", "math_1", "It must be \\boxed{\\text{b}}", True, "math"),
    ("emma", "math_1", "A: the first", False, "mismatch"),
    ("emma", "math_2", "Counting gives \\boxed{three}", True, "math"),
    ("emma", "math_3", "\\boxed{0.5}", True, "math"),
    ("emma", "math_3", "\\boxed{0.52}", False, "mismatch"),
    ("emma", "physics_1", "The force is \\boxed{2 N}", True, "math"),
    ("emma", "coding_1", "I cannot see it", False, "no_answer"),
    ("emma_mini", "math_1", "(C)", False, "no_answer"),
    ("seephys", "1", "<answer>2</answer>", True, "math"),
    ("seephys", "3", "Because force grows with length, it is his law.", None, ""),
    ("clevr_math", "CLEVR_own_000001.png/0", "2", True, "number"),
    ("clevr_math", "CLEVR_own_000001.png/0", "Three less one is \\boxed{2}.", True, "number"),
    ("clevr_math", "CLEVR_own_000001.png/0", "3.", False, "mismatch"),
    ("clevr_math", "CLEVR_own_000001.png/0", "two", False, "no_box"),
    ("chartqa", "0", "20.9", True, "number"),
    ("chartqa", "0", "21.1", False, "mismatch"),
    ("chartqa", "0", "The answer is 20", False, "mismatch"),
    ("chartqa", "1", "blue", True, "number"),
    ("chartqa", "2", "22%", True, "number"),
    ("chartqa", "3", "2010", True, "number"),  # years too may be off by 5 %
    ("chartqa", "4", "0", True, "number"),
    ("chartqa", "4", "0.0", False, "mismatch"),  # a gold of 0 is compared as text
    ("ai2d", "0", "b", True, "letter"),
    ("ai2d", "0", "B. square", True, "letter"),
    ("ai2d", "0", "The answer is B", False, "no_answer"),
    ("ai2d", "0", "(A)", False, "mismatch"),
    ("pope", "random/1", "Yes, there is a disc.", True, "text"),
    ("pope", "random/1", "NO", True, "text"),  # the word list knows No, no and not
    ("pope", "random/2", "There is not. Yes", True, "text"),
    ("pope", "random/2", "yes", False, "mismatch"),
]


@pytest.mark.parametrize(("name", "key", "text", "correct", "reason"), RESPONSES)
def test_the_official_rule(name: str, key: str, text: str, correct: bool | None, reason: str) -> None:
    found = BENCHMARKS[name].official(sample(name, key), text, 0)
    if correct is None:
        assert found is None
        assert BENCHMARKS[name].judged
    else:
        assert found is not None
        assert (found.correct, found.reason) == (correct, reason)
        assert found.grader.startswith("official-")


def test_every_benchmark_has_responses_of_each_kind() -> None:
    kinds = {name: {case[3] for case in RESPONSES if case[0] == name} for name in FIXTURES}
    judged = {name for name in FIXTURES if BENCHMARKS[name].judged}
    assert judged == {"blink", "mmvet", "hallusionbench", "seephys"}
    assert {name for name, found in kinds.items() if None in found} == judged
    assert kinds["mmvet"] == {None}
    assert all(True in found for name, found in kinds.items() if name not in ("mmvet", "emma_mini", "ocrbench_v2"))


def test_the_script_writes_the_kept_fixtures(tmp_path: Path) -> None:
    write_fixtures(tmp_path)
    fresh = {path.relative_to(tmp_path): path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()}
    kept = {
        path.relative_to(FOLDER): path.read_bytes()
        for name in FIXTURES
        for path in (FOLDER / name).rglob("*")
        if path.is_file()
    }
    assert fresh.keys() == kept.keys()
    assert [str(path) for path in fresh if fresh[path] != kept[path]] == []


def test_left_out_rows_are_counted() -> None:
    assert loaded("mmmu").left_out == Counter({"a tag names a picture that the row lacks": 1})
    assert loaded("blink").left_out == Counter({"the answer is hidden": 1})


def test_numbered_tags_and_pictures_line_up() -> None:
    crossed = sample("mmmu", "validation_Chemistry_2")
    assert crossed.question.startswith("Is <image> or <image> red?")
    assert picture_names(crossed) == [GREEN, RED]
    assert picture_names(sample("mmmu", "validation_Design_2")) == [RED, RED]
    untagged = sample("mmmu", "validation_Economics_2")
    assert untagged.question.startswith("<image><image>No tag here.")
    assert picture_names(untagged) == [RED, GREEN]
    options = sample("mmmu", "validation_Art_2")
    assert "(A) <image>\n(B) <image>" in options.question
    assert picture_names(options) == [RED, GREEN]
    assert picture_names(sample("mmmu_pro_standard10", "test_Design_5")) == [GREEN, RED]
    assert picture_names(sample("emma", "math_1")) == [RED, BLUE, GREEN]


def test_mmmu_reads_options_and_golds_from_text() -> None:
    assert list(sample("mmmu", "validation_Biology_2").choices) == ["a cell's wall", 'the "disc"']
    ratio = sample("mmmu", "validation_Math_2")
    assert (ratio.answer, tag_values(ratio.tags["golds"]), ratio.choices) == ("1/2", ["1/2", "0.5"], ())
    assert sample("mmmu", "validation_Art_Theory_1").tags["discipline"] == "Art and Design"
    assert len(BENCHMARKS["mmmu"].parts) == 30
    assert sample("mmmu_pro_standard10", "test_Energy_and_Power_6").tags["discipline"] == "Tech and Engineering"


@pytest.mark.parametrize(("name", "key"), [("mmmu", "validation_History_1"), ("mmmu_pro_vision", "test_History_1")])
def test_guesses_depend_on_item_and_number_alone(name: str, key: str) -> None:
    one, official = sample(name, key), BENCHMARKS[name].official
    first = [official(one, "\\boxed{?}", k) for k in range(40)]
    again = [official(one, "no letter", k) for k in reversed(range(40))][::-1]
    assert [found and found.extracted for found in first] == [found and found.extracted for found in again]
    assert all(found and found.reason == "guessed" for found in first)
    letters = {found.extracted for found in first if found}
    assert 1 < len(letters) <= len(one.choices)
    assert letters <= set(LETTERS[: len(one.choices)])
    assert all(found and found.correct == (found.extracted == one.answer) for found in first)


def test_prompts_ask_for_the_form_that_the_rule_reads() -> None:
    assert '"short answer"' in sample("dynamath", "1/1").question
    assert "in a floating-point number." in sample("dynamath", "1/1").question
    assert "in a floating-point number." not in sample("dynamath", "3/1").question
    assert "3 significant figures" in sample("seephys", "0").question
    assert "1 位有效数字" in sample("seephys", "1").question
    assert "significant" not in sample("seephys", "2").question
    assert sample("emma", "math_2").question.startswith("A short text stands before the question.\n<image>")
    assert "(A) left" in sample("blink", "val_Jigsaw_1").question
    assert sample("blink", "val_Jigsaw_1").question.startswith("<image><image><image>A made-up")


# item of OCRBench v2, response, what it gets
GRADED = [
    (0, "It says stop.", 1),
    (0, "It says go.", 0),
    (1, "a red square on a white sheet", 1),
    (1, "a red circle on a white sheet", 1 - 5 / 29),  # of 29 letters, "squar" becomes "circl"
    (1, "nothing", 0),
    (2, "(B)", 1),
    (2, "The answer is B", 0),
    (3, "Red!", 1),
    (3, "red", 0),
    (4, "I see 7 letters", 1 - 1 / 8),
    (4, "4", 0),  # no nearer than half of the count
    (4, "16", 0),
    (5, "13 times", 1),
    (6, "$x^2$", 1),
    (7, '{"name": "ada", "year": 43}', 1),
    (7, "```json\n{'name': 'Ada', 'year': '1900'}\n```", 1 / 2),
    (7, "name: Ada\nplace: London", 1 / 3),
    (8, "From [0, 0, 9, 9] to (100, 100, 300, 200)", 1 / 2),
    (8, "no box", 0),
    (9, '{"answer": "a square", "bbox": [0, 0, 100, 100]}', 0.5 + 0.5 * 1 / 2),
    (9, '{"answer": "a disc", "bbox": "none"}', 0),
    (10, "红色, 方块。", 1),
    (11, "A、C", 1),
    (11, "C、A", 0),
]


@pytest.mark.parametrize(("item", "text", "score"), GRADED)
def test_ocrbench_gives_a_part_of_the_credit(item: int, text: str, score: float) -> None:
    found = BENCHMARKS["ocrbench_v2"].official(sample("ocrbench_v2", str(item)), text, 0)
    assert found is not None and found.score == pytest.approx(score) and found.correct == (score == 1)


def test_ocrbench_is_the_mean_of_groups_and_names_what_it_leaves_out() -> None:
    table = loaded("ocrbench_v2")
    assert table.left_out == Counter(
        {"no rule here for handwritten answer extraction cn": 1, "no rule here for table parsing en": 1}
    )
    benchmark, right = BENCHMARKS["ocrbench_v2"], {"0": "stop", "4": "7", "11": "AC"}
    judged = [(one, 0, benchmark.official(one, right.get(one.id.partition("/")[2], ""), 0)) for one in table.samples]
    found = benchmark.summary(verdict_table((one, k, verdict) for one, k, verdict in judged if verdict))
    assert found["en/text recognition"] == 1 / 2 and found["en/mathematical calculation"] == pytest.approx(7 / 8 / 2)
    assert found["en/overall"] == pytest.approx((1 / 2 + 7 / 16) / 7)
    assert found["cn/overall"] == pytest.approx((0 + 1) / 2)


def test_easy_vqa_counts_what_is_no_yes_or_no_apart() -> None:
    right = [(one, 0, verdict("easy_vqa", None, one.answer == "yes", "", "")) for one in loaded("easy_vqa").samples]
    assert BENCHMARKS["easy_vqa"].summary(verdict_table(right)) == {"open_accuracy": 0.0}


def test_mmlu_pro_shows_noise_of_its_own_for_every_question() -> None:
    first, second = (one.images[0].open() for one in loaded("mmlu_pro_noise").samples)
    assert first.size == (224, 224) and first.tobytes() != second.tobytes()
    assert first.tobytes() == sample("mmlu_pro_noise", "70").images[0].open().tobytes()
    assert sample("mmlu_pro_noise", "70").choices == ["4", "5", "6"]


def test_odd_columns() -> None:
    assert [one.answer for one in loaded("chartqa").samples] == ["20", "Blue", "22.2%", "1990", "0"]
    assert [one.tags["origin"] for one in loaded("chartqa").samples][2:] == ["human", "augmented", "human"]
    assert [one.answer for one in loaded("ai2d").samples] == ["B", "A", "C"]
    assert sample("emma", "chemistry_1").tags["form"] == "multiple choice"
    assert tag_values(sample("mmvet", "v1_2").tags["capability"]) == ["math", "ocr"]
    assert sample("mmvet", "v1_1").tags["combination"] == "gen+rec"
    assert sample("hallusionbench", "VS/chart/3/0/0").images == []
    repeated = [one for one in loaded("clevr_math").samples if one.tags["template"] == "adversarial"]
    assert repeated[0].question == repeated[1].question
    assert repeated[0].id != repeated[1].id
    assert repeated[0].tags["scene"] == repeated[1].tags["scene"]


@pytest.mark.parametrize(
    ("name", "file_name", "change", "message"),
    [
        ("chartqa", "default-test", {"query": None, "human_or_machine": 2}, "who wrote the question"),
        ("ai2d", "default-test", {"answer": "4"}, "no index of its 4 options"),
        ("hallusionbench", "default-image", {"gt_answer": "2"}, "unknown gt_answer"),
        ("pope", "default-test", {"image": None}, "no picture in image"),
    ],
)
def test_broken_rows_are_named(name: str, file_name: str, change: dict, message: str) -> None:
    row = next(iter(read_jsonl(FOLDER / name / f"{file_name}.jsonl"))) | change
    with pytest.raises(UserError, match=message) as error:
        BENCHMARKS[name].read(row, Where(name, Part(None, "test"), 7, FOLDER / name))
    assert "row 7 of" in str(error.value)


def test_pictures_inside_a_parquet_copy(tmp_path: Path) -> None:
    rows = list(read_jsonl(FOLDER / "pope" / "default-test.jsonl"))
    for row in rows:
        row["image"] = {"bytes": (FOLDER / "pope" / row["image"]).read_bytes(), "path": None}
    (tmp_path / "pope").mkdir()
    pyarrow.parquet.write_table(pyarrow.Table.from_pylist(rows), tmp_path / "pope" / "default-test.parquet")
    copy = load(BENCHMARKS["pope"], tmp_path)
    assert [one.record() for one in copy.samples] == [one.record() for one in loaded("pope").samples]
    assert copy.samples[0].images[0].open().getpixel((16, 16)) == (40, 120, 60)


def planted(
    name: str, wrong: set[str], extracted: dict[str, str | None] | None = None, rounds: int = 1
) -> pd.DataFrame:
    """A verdict table of all fixture items where these are wrong in the first round and none in the others."""
    given = extracted or {}
    return verdict_table(
        (one, k, verdict(name, given.get(one.id, one.answer), k > 0 or one.id not in wrong, "", ""))
        for k in range(rounds)
        for one in loaded(name).samples
    )


def summary(name: str, table: pd.DataFrame) -> dict[str, float]:
    return BENCHMARKS[name].summary(table)


def test_blink_is_the_mean_of_fourteen_tasks() -> None:
    right = {"blink/val_Counting_1", "blink/val_Counting_2", "blink/val_Art_Style_1"}
    wrong = {one.id for one in loaded("blink").samples} - right
    table = planted("blink", wrong)
    # An unequal task: its only other item goes, so that the mean of tasks is not the mean of items.
    table = table[table.sample_id != "blink/val_Counting_2"]
    assert summary("blink", table) == pytest.approx({"mean_of_tasks": 1.5 / 14})


def test_hallusionbench_groups() -> None:
    wrong = {"hallusionbench/VD/illusion/0/1/1", "hallusionbench/VS/chart/3/0/0"}
    # Questions: 4 of 6. Question groups: VD 0 right, VD 1 and VS 0 not. Figures: VD 0 and VS 1 right, VD 1 not; the
    # VS item without figure belongs to none.
    expected = {"aAcc": 4 / 6, "qAcc": 1 / 3, "fAcc": 2 / 3, "mean_of_three": 5 / 9}
    assert summary("hallusionbench", planted("hallusionbench", wrong)) == pytest.approx(expected)
    twice = {name: (value + 1) / 2 for name, value in expected.items()}
    assert summary("hallusionbench", planted("hallusionbench", wrong, rounds=2)) == pytest.approx(twice)


def test_dynamath_worst_case() -> None:
    # Right: all 10 variants of seed 1, 9 of seed 2, none of seed 3, 5 of seed 4.
    wrong = {"dynamath/2/7"} | {f"dynamath/3/{n}" for n in range(1, 11)} | {f"dynamath/4/{n}" for n in range(1, 6)}
    table = planted("dynamath", wrong)
    expected = {"average": 24 / 40, "worst_case": 1 / 4, "robustness": (1 / 4) / (24 / 40)}
    assert summary("dynamath", table) == pytest.approx(expected)
    cut = table[table.sample_id != "dynamath/1/10"]  # a seed with nine variants has no worst case
    assert summary("dynamath", cut) == pytest.approx({"average": 23 / 39, "worst_case": 0.0, "robustness": 0.0})
    assert summary("dynamath", table[table.variant == "1"]) == pytest.approx({"average": 2 / 4})
    assert BENCHMARKS["dynamath"].cluster == "seed"


def test_pope_metrics() -> None:
    extracted = {"pope/adversarial/2": "Yes.", "pope/popular/1": "no", "pope/random/2": None}
    found = summary("pope", planted("pope", set(extracted), extracted))
    # "yes" is said to both adversarial questions and to random 1: two hits, one false alarm, one disc missed.
    overall = {"accuracy": 3 / 6, "precision": 2 / 3, "recall": 2 / 3, "f1": 2 / 3, "yes_ratio": 3 / 6}
    assert {name: found[name] for name in overall} == pytest.approx(overall)
    adversarial = {"accuracy": 1 / 2, "precision": 1 / 2, "recall": 1.0, "f1": 2 / 3, "yes_ratio": 1.0}
    assert {name: found[f"adversarial/{name}"] for name in adversarial} == pytest.approx(adversarial)
    assert [found[f"popular/{name}"] for name in ("precision", "recall", "f1")] == [0.0, 0.0, 0.0]
