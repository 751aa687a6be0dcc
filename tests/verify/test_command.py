"""`python -m verify`: rows in, rows out, whatever the rows."""

import json
import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
pytestmark = pytest.mark.slow


def run(*arguments: object, **options: object) -> subprocess.CompletedProcess:
    command = [sys.executable, "-m", "verify", *map(str, arguments)]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=100, **options)


def write_cases(folder: Path) -> Path:
    rows = [
        json.dumps({"response": "<think>a</think>\\boxed{1/2}", "gold": "0.5", "id": 7}),
        json.dumps({"response": "Answer: B", "gold": "B", "choices": ["1", "2"], "task_type": "choice"}),
        json.dumps({"response": "\\boxed{\\log_2 8}", "gold": 3}),
        "{broken",
        json.dumps({"gold": "3"}),
        json.dumps({"response": 5, "gold": "3"}),
        json.dumps({"response": "5"}),
        json.dumps([1, 2]),
        "",
        json.dumps({"response": "\\boxed{\ud800}", "gold": "3"}),
        json.dumps({"response": "x", "gold": "3", "choices": "AB"}),
        "[" * 100_000,
        '{"response": "\\\\boxed{10^{10^{10}}}", "gold": "4"}',
    ]
    path = folder / "cases.jsonl"
    path.write_bytes("\n".join(rows).encode() + b'\n{"response": "\xff", "gold": "1"}\n')
    return path


def test_rows_come_back_with_verdicts(tmp_path: Path) -> None:
    cases, output = write_cases(tmp_path), tmp_path / "out.jsonl"
    finished = run(cases, "-o", output)
    assert finished.returncode == 0, finished.stderr
    rows = [json.loads(line) for line in output.read_text().splitlines()]
    assert len(rows) == 13
    assert rows[0] == {
        "response": "<think>a</think>\\boxed{1/2}",
        "gold": "0.5",
        "id": 7,
        "extracted": "1/2",
        "correct": True,
        "format_ok": True,
        "grader": "robust/3",
        "reason": "number",
    }
    assert [row["correct"] for row in rows] == [True, True, True] + [False] * 10
    assert [index for index, row in enumerate(rows) if row["reason"].startswith("bad_row: ")] == [
        3,
        4,
        5,
        6,
        7,
        9,
        10,
        12,
    ]
    assert rows[3]["raw"] == "{broken" and rows[5]["response"] == 5
    assert rows[11]["reason"] == "time_limit"
    assert "13 rows, 3 correct, 8 bad rows, 1 time limits" in finished.stderr
    assert sorted(path.name for path in tmp_path.iterdir()) == ["cases.jsonl", "out.jsonl"]


def test_standard_output_and_grader(tmp_path: Path) -> None:
    cases = tmp_path / "cases.jsonl"
    cases.write_text(json.dumps({"response": "\\boxed{2/4}", "gold": "1/2"}) + "\n")
    robust, papo = run(cases), run(cases, "--grader", "papo")
    assert json.loads(robust.stdout)["correct"] is True
    assert json.loads(papo.stdout)["correct"] is False and json.loads(papo.stdout)["grader"] == "papo/2"


def test_missing_input_and_folder_are_one_sentence(tmp_path: Path) -> None:
    for arguments in ((tmp_path / "absent.jsonl",), (write_cases(tmp_path), "-o", tmp_path / "no" / "out.jsonl")):
        finished = run(*arguments)
        assert finished.returncode == 2
        assert len(finished.stderr.strip().splitlines()) == 1 and "Traceback" not in finished.stderr


def test_output_may_replace_the_input_and_nothing_half_written_stays(tmp_path: Path) -> None:
    cases = tmp_path / "cases.jsonl"
    cases.write_text(json.dumps({"response": "\\boxed{1}", "gold": "1"}) + "\n")
    assert run(cases, "-o", cases).returncode == 0
    assert json.loads(cases.read_text())["correct"] is True
    assert [path.name for path in tmp_path.iterdir()] == ["cases.jsonl"]


def test_interrupted_run_leaves_the_old_output(tmp_path: Path) -> None:
    cases, output = tmp_path / "cases.jsonl", tmp_path / "out.jsonl"
    output.write_text("old\n")
    row = json.dumps({"response": "\\boxed{1}", "gold": "1"}) + "\n"
    cases.write_text(row * 200_000)
    process = subprocess.Popen(
        [sys.executable, "-m", "verify", cases, "-o", output], cwd=ROOT, stderr=subprocess.DEVNULL
    )
    time.sleep(1.5)
    process.terminate()
    process.wait(30)
    assert process.returncode == 130
    assert output.read_text() == "old\n"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["cases.jsonl", "out.jsonl"]


def test_a_reader_that_leaves_early_is_no_error(tmp_path: Path) -> None:
    cases = tmp_path / "cases.jsonl"
    cases.write_text((json.dumps({"response": "\\boxed{1}" + "x" * 500, "gold": "1"}) + "\n") * 2000)
    command = f'"{sys.executable}" -m verify "{cases}" | head -1'
    finished = subprocess.run(["bash", "-c", command], cwd=ROOT, capture_output=True, text=True, timeout=60)
    assert "Traceback" not in finished.stderr and json.loads(finished.stdout)["correct"] is True


def test_help_is_fast() -> None:
    before = os.times()
    finished = run("--help")
    assert finished.returncode == 0 and "cases" in finished.stdout
    # Processor time, so that a busy machine does not fail it.
    assert os.times().children_user - before.children_user < 2
