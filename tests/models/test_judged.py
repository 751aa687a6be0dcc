"""The record of judged responses: its columns, its types on disk, and what is missing in it."""

from pathlib import Path

import pandas as pd
import pyarrow.parquet
import pytest

from data.mini.world import sample
from eval.output import read_predictions
from models.judged import FAMILIES, ROLLOUT, SCHEMA, judged_frame, write_judged
from models.response import Response
from verify import Verdict

PAGE = Path(__file__).resolve().parents[2] / "docs" / "record.md"
ARROW = {
    "text": "string",
    "list of text": "list<element: string>",
    "integer": "int64",
    "list of integers": "list<element: int32>",
    "number": "double",
    "list of numbers": "list<element: double>",
    "true or false": "bool",
}
SAMPLES = [sample("test", "counting", 0), sample("test", "versions", 1)]
RIGHT = Verdict("3", True, True, "robust/1", "number")
WRONG = Verdict(None, False, False, "robust/1", "no_answer")


def responses() -> list[Response]:
    return [Response(one.id, k, "clean", f"text {k}", [k, 5], [-0.5, -1.0]) for one in SAMPLES for k in range(2)]


def on_disk(folder: Path, frame: pd.DataFrame) -> dict[str, str]:
    write_judged(frame, folder / "predictions.parquet")
    return {field.name: str(field.type) for field in pyarrow.parquet.read_schema(folder / "predictions.parquet")}


def test_the_page_lists_every_column_with_its_type_and_meaning() -> None:
    families = {f"{name}<name>": entry for name, entry in FAMILIES.items()}
    entries = {**SCHEMA, **ROLLOUT, **families}.items()
    rows = [line for line in PAGE.read_text().splitlines() if line.startswith("| `")]
    assert rows == [f"| `{name}` | {kind} | {meaning} |" for name, (kind, meaning) in entries]


def test_a_row_holds_problem_response_and_verdict() -> None:
    frame = judged_frame(SAMPLES, responses(), [RIGHT, WRONG, RIGHT, WRONG])
    assert frame.columns.tolist() == list(SCHEMA)
    first, last = frame.iloc[0], frame.iloc[3]
    assert (first.sample_id, first.bench, first.column, first.gold) == (
        SAMPLES[0].id,
        "mini",
        "counting",
        SAMPLES[0].answer,
    )
    assert (first.vision_need, first.correct, first.score, first.extracted, first.format_ok) == (
        "high",
        True,
        1.0,
        "3",
        True,
    )
    assert (last.column, last.version, last.k, last.correct, last.score) == ("versions", "Text Lite", 1, False, 0.0)
    assert last.extracted is None and frame.correct.dtype == bool and last.token_ids == [1, 5]


def test_columns_are_added_behind_the_schema_and_replace_its_own() -> None:
    frame = judged_frame(SAMPLES, responses(), [RIGHT] * 4, bench="other", reward=[0, 1, 2, 3], cluster=list("abcd"))
    assert frame.columns.tolist() == [*SCHEMA, "reward"] and frame.bench.tolist() == ["other"] * 4
    assert frame.reward.tolist() == [0, 1, 2, 3] and frame.cluster.tolist() == list("abcd")


@pytest.mark.parametrize("verdict", [RIGHT, WRONG, None])
def test_types_on_disk_do_not_depend_on_what_is_missing(tmp_path: Path, verdict: Verdict | None) -> None:
    further = {"reward": 1, "step": 3, "advantage": float("nan"), "logprobs": [[]] * 4, "reward_format": 0}
    scorer = {"correct_official": [None] * 4, "extracted_official": [None] * 4, "score_official": float("nan")}
    found = on_disk(tmp_path, judged_frame(SAMPLES, responses(), [verdict] * 4, **further, **scorer))
    declared = {**SCHEMA, **ROLLOUT}
    assert {name: found[name] for name in declared} == {name: ARROW[kind] for name, (kind, _) in declared.items()}
    families = {name: next(kind for start, (kind, _) in FAMILIES.items() if name.startswith(start)) for name in scorer}
    assert {name: found[name] for name in scorer} == {name: ARROW[kind] for name, kind in families.items()}
    assert found["reward_format"] == "double"


def test_a_missing_answer_is_none_again_when_it_is_read(tmp_path: Path) -> None:
    """pandas reads a missing text as NaN, which the report's JSON refuses and == never finds."""
    on_disk(tmp_path, judged_frame(SAMPLES, responses(), [RIGHT, WRONG, RIGHT, None]))
    read = read_predictions(tmp_path, ["extracted", "grader", "correct", "score"])
    assert read.extracted.tolist() == ["3", None, "3", None]
    assert read.grader.tolist() == ["robust/1"] * 3 + [None]
    assert read.correct.isna().tolist() == [False, False, False, True] and read.score.isna().sum() == 1
    assert read_predictions(tmp_path / "predictions.parquet", ["k"]).k.tolist() == [0, 1, 0, 1]
