"""Golden files: what PAPO's grader accepts cell by cell, and hard answers for ours."""

import json
from pathlib import Path

from verify import GRADERS, grade

FOLDER = Path(__file__).parent


def read_rows(name: str) -> list[dict]:
    return [json.loads(line) for line in (FOLDER / name).read_text(encoding="utf-8").splitlines()]


PAPO_ROWS = read_rows("golden_papo.jsonl")
ROBUST_ROWS = read_rows("golden_robust.jsonl")
WIDE_ROWS = read_rows("golden_wide.jsonl")  # what the tests of other graders ask for, in our own words


def test_papo_grader_gives_every_recorded_verdict() -> None:
    found = [(row, grade(row["response"], row["gold"], grader="papo")) for row in PAPO_ROWS]
    assert [(row, verdict) for row, verdict in found if verdict.correct is not row["correct"]] == []
    assert {verdict.grader for _, verdict in found} == {"papo/2"}


def test_robust_grader_gives_every_right_verdict() -> None:
    found = [
        (row, grade(row["response"], row["gold"], choices=row.get("choices"), task_type=row.get("task_type")))
        for row in ROBUST_ROWS
    ]
    assert [(row, verdict) for row, verdict in found if verdict.correct is not row["correct"]] == []
    assert [(row, v) for row, v in found if v.extracted != row.get("extracted", v.extracted)] == []


def test_robust_grader_on_what_other_graders_are_tested_with() -> None:
    """Misses are marked in the file and few; nothing wrong is accepted."""
    found = [
        (row, grade(row["response"], row["gold"], choices=row.get("choices"), task_type=row.get("task_type")).correct)
        for row in WIDE_ROWS
    ]
    wrong = [(row, correct) for row, correct in found if correct is not row["correct"]]
    assert [row for row, correct in wrong if correct or "known_miss" not in row] == []
    assert len(wrong) == sum("known_miss" in row for row in WIDE_ROWS) <= 0.02 * len(WIDE_ROWS)


def test_golden_files_are_large_and_balanced() -> None:
    for rows, least in ((PAPO_ROWS, 60), (ROBUST_ROWS, 120), (WIDE_ROWS, 1000)):
        accepted = sum(row["correct"] for row in rows)
        assert len(rows) >= least
        assert accepted >= len(rows) // 4 and len(rows) - accepted >= len(rows) // 4
        keys = [json.dumps({**row, "note": ""}, sort_keys=True) for row in rows]
        assert len(keys) == len(set(keys)), "the same case twice"


def test_every_grader_has_golden_rows() -> None:
    assert set(GRADERS) == {"papo", "robust"}


def test_robust_accepts_what_papo_accepts_by_value() -> None:
    """The few exceptions are mathruler's own quirks, all listed here."""
    quirks = {"I can not see it.", "\\boxed{12 cm^2}"}
    for row in PAPO_ROWS:
        if row["correct"] and row["response"] not in quirks and "Area" not in row["gold"]:
            assert grade(row["response"], row["gold"]).correct, row
