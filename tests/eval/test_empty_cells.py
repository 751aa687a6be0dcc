"""Rows of every benchmark with an empty gold, as tables write it, or with options that are no list."""

from math import nan
from typing import Any

import pytest

from eval.benchmarks import BENCHMARKS
from eval.loading import Loaded, read_tables
from eval.row_files import Table, rows_of
from tests.eval.make_fixtures import FOLDER

# PAPO's rows have their gold in a conversation.
WITH_GOLDS = [name for name, one in BENCHMARKS.items() if not one.generate and not name.startswith("papo_")]
WITH_OPTIONS = [
    "ai2d",
    "blink",
    "emma",
    "emma_mini",
    "mathvision",
    "mathvista",
    "mmlu_pro_noise",
    "mmmu",
    "mmmu_pro_standard10",
    "mmmu_pro_standard4",
    "mmmu_pro_vision",
]
GOLDS = ("answer", "answers", "label", "ground_truth", "gt_answer")
OPTIONS = ("options", "choices")


def first_row(name: str) -> dict[str, Any]:
    benchmark = BENCHMARKS[name]
    for row in rows_of(benchmark, benchmark.parts[0], FOLDER).rows:
        if loaded(name, dict(row)).samples:
            return dict(row)
    raise AssertionError(f"the fixture of {name} has no usable row")


def loaded(name: str, row: dict[str, Any]) -> Loaded:
    benchmark = BENCHMARKS[name]
    part = benchmark.parts[0]
    return read_tables(benchmark, [(part, Table([row], [], rows_of(benchmark, part, FOLDER).home))])


@pytest.mark.parametrize("name", WITH_GOLDS)
@pytest.mark.parametrize("empty", [None, "", "  ", nan], ids=["null", "nothing", "blanks", "nan"])
def test_a_row_without_gold_is_counted_and_never_asked(name: str, empty: Any) -> None:
    row = first_row(name)
    gold = [column for column in GOLDS if column in row]
    found = loaded(name, row | dict.fromkeys(gold, empty))
    assert gold and not found.samples and found.left_out.total() == 1
    assert all("gold" in said or "answer" in said or "no list" in said for said in found.unusable)


@pytest.mark.parametrize("wrong", ["A or B", 5, {"A": "ten"}, nan], ids=["text", "number", "object", "nan"])
@pytest.mark.parametrize("name", WITH_OPTIONS)
def test_options_that_are_no_list_cost_their_row_alone(name: str, wrong: Any) -> None:
    row = first_row(name)
    column = next(column for column in OPTIONS if column in row)
    found = loaded(name, row | {column: wrong})
    assert not found.samples and found.left_out.total() == 1
    assert "list" in found.unusable[0] and found.unusable[0].startswith(f"row 0 of {name} ")
