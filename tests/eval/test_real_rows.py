"""Loaders, prompts and official rules on real rows of the benchmarks, read where they lie."""

import json
import re
import time
from pathlib import Path
from typing import Any

import pytest

from data import Sample
from eval import check
from eval.benchmark import Where
from eval.benchmarks import BENCHMARKS
from eval.loading import Loaded, load, read_tables
from eval.recorded import SOURCES
from eval.row_files import Table
from eval.rows import inline_options
from tests.real import REAL, needs_real_rows, real_json, real_lines

pytestmark = needs_real_rows
# Verdicts of these go through the worker, a process of its own.
WITH_A_WORKER = ("mathvision", "emma", "emma_mini")


def loaded(name: str) -> Loaded:
    source = SOURCES[name]
    parts = zip(BENCHMARKS[name].parts, source.rows(REAL / source.folder), strict=False)
    tables = [(part, Table(rows, [], REAL / source.folder)) for part, rows in parts]
    return read_tables(BENCHMARKS[name], tables, gone_pictures=True)


def sample(name: str, row: dict[str, Any]) -> Sample:
    found = BENCHMARKS[name].read(row, Where(name, BENCHMARKS[name].parts[0], 0, Path()))
    assert isinstance(found, Sample)
    return found


@pytest.mark.parametrize("name", SOURCES)
def test_every_row_that_the_authors_publish_becomes_an_item(name: str) -> None:
    """One row of LogicVista has no gold; it may lie in either half of the rows."""
    found = loaded(name)
    assert found.rows >= 10 and not found.unusable
    assert found.left_out.total() <= (name == "logicvista") and found.kept == len(found.samples)


def without_worker(names: tuple[str, ...]) -> list[Any]:
    return [pytest.param(name, marks=[pytest.mark.slow] * (name in names)) for name in SOURCES]


@pytest.mark.parametrize("name", without_worker(WITH_A_WORKER))
def test_official_verdicts_are_the_recorded_ones(name: str) -> None:
    found = check.verdicts_of(loaded(name), SOURCES[name], REAL / SOURCES[name].folder)
    # MATH-V's parser is not ours, files of MathVista and EMMA are older than their scripts: named in the record.
    allowed = {"mathvision": 0.004, "mathvista": 0.006, "emma": 0.005, "emma_mini": 0.005}.get(name, 0.002)
    assert found["compared"] - found["agree"] <= allowed * found["compared"], found["differ"]


@pytest.mark.parametrize("name", ["mathvision", "wemath", "mmmu_pro_standard10", "dynamath", "emma", "mathverse"])
def test_rows_without_pictures_load_fast(name: str) -> None:
    """2,000 rows a second of processor time, in the best of five, as other processes only ever slow a reading down."""
    rates = []
    for _ in range(5):
        start = time.process_time()
        rates.append(loaded(name).rows / (time.process_time() - start))
    assert max(rates) > 2000


def test_pictures_of_every_kind_open() -> None:
    found = {name: check.pictures_of(loaded(name)) for name in ("wemath", "dynamath", "mathvision_mini", "mathvista")}
    assert all(one["opened"] and not one["failed"] for one in found.values())


def test_a_row_with_one_option_and_a_row_of_35_tags_are_kept() -> None:
    """MMMU-Pro's authors count both; the gold of the first is none of its options, so no answer to it is right."""
    rows = {row["id"]: row for row in SOURCES["mmmu_pro_standard10"].rows(REAL / "mmmu_pro")[0]}
    odd = [row for row in rows.values() if row["options"].startswith("[['A', 'B'")]
    for row in odd:
        for name in ("mmmu_pro_standard10", "mmmu_pro_vision"):
            one = sample(name, row)
            texts = ("B", "Answer: B", "(B)", "A")
            assert not any(BENCHMARKS[name].official(one, text, 0).correct for text in texts)  # type: ignore[union-attr]
    tagged = rows.get("test_Geography_252")
    if tagged:
        assert len(sample("mmmu_pro_standard10", tagged).images) == 35
    assert odd or tagged


def test_emma_sends_the_authors_whole_prompt() -> None:
    rows = {**real_json("emma/EMMA_rows_seen.json"), **real_json("emma/EMMA-mini_rows_CoT.json")}
    samples = {one.id.partition("/")[2]: one for one in [*loaded("emma").samples, *loaded("emma_mini").samples]}
    queries = {name: row["query"] for name, row in rows.items() if "step by step" in row.get("query", "")}
    assert len(queries) > 100
    for name, query in queries.items():
        asked = re.sub(r"<image_\d>", "<image>", query)
        assert samples[name].question == asked or "<image_" not in query


def test_emma_leaves_tags_without_underscore_alone() -> None:
    rows = {**real_json("emma/EMMA_rows_seen.json"), **real_json("emma/EMMA-mini_rows_CoT.json")}
    plain = [row for row in rows.values() if re.search(r"<image\d>", f"{row['question']}{row['options']}")]
    assert plain
    for row in plain:
        pictures = {f"image_{number}": "images/a.png" for number in (1, 2)}
        one = sample("emma", row | pictures)
        assert len(one.images) == len(re.findall(r"<image_\d>", f"{row['question']}{row['options']}"))
        assert re.search(r"<image\d>", one.question)


def test_dynamath_and_mathvision_ask_as_their_authors_do() -> None:
    floats = next(one for one in loaded("dynamath").samples if one.tags["kind"] == "float")
    assert floats.question.startswith("<image>## Question\n")
    assert "Please answer in a floating-point number.\n## Answer Instruction Please" in floats.question
    letters = next(row for row in real_lines("mathvision/test.jsonl") if row["options"] == list("ABCDE"))
    one = sample("mathvision", letters)
    assert one.question.endswith(f'allowed in the "\\boxed{{}}".\n{letters["question"].strip()}\n') and not one.choices


def test_option_lists_of_real_questions_are_whole() -> None:
    for row in real_json("wemath/testmini.json"):
        options = inline_options(row["option"])
        assert row["answer"] in "ABCDEFGH"[: len(options)]
        assert not any(re.search(r"[;；]\s*[A-H][.．]", option) for option in options), row["option"]
    for row in real_json("logicvista/dataset.json").values():
        listed = set(re.findall(r"\(([A-H])\)", row["question"]))
        assert not listed or len(inline_options(row["question"])) == len(listed), row["question"]
    for row in real_lines("mmstar/llava_next_yi_34b_MMStar.jsonl"):
        if "Options: A:" in row["question"]:
            options = inline_options(row["question"])
            assert row["answer"] in "ABCD"[: len(options)] and not any(", B:" in option for option in options)


def test_the_committed_numbers_are_those_of_a_check() -> None:
    """A count is compared, since the rows of another half give others."""
    committed = json.loads((Path(__file__).parents[2] / "results" / "benchmarks" / "real_rows.json").read_text())
    assert committed.keys() == SOURCES.keys()
    for name, record in committed.items():
        verdicts = record["verdicts"]
        assert record["items"] + sum(record["left_out"].values()) == record["rows"], name
        assert verdicts["agree"] <= verdicts["compared"] and len(verdicts["differ"]) <= check._NAMED


def test_a_repository_file_is_a_local_copy_as_it_is(tmp_path: Path) -> None:
    home = tmp_path / "wemath"
    home.mkdir()
    (home / "default-testmini.json").symlink_to(REAL / "wemath" / "testmini.json")
    for steps in ("2steps", "3steps"):
        (home / steps).symlink_to(REAL / "wemath" / steps)
    found = load(BENCHMARKS["wemath"], tmp_path)
    assert len(found.samples) >= 100 and found.left_out.total() == found.rows - len(found.samples)
    assert all("does not exist" in one for one in found.unusable)
