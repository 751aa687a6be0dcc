"""`python -m verify cases.jsonl [-o out.jsonl]`: grade a file of responses, one JSON object a line."""

import argparse
import contextlib
import json
import os
import signal
import sys
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path
from typing import Any, BinaryIO, TextIO

from common.errors import UserError
from verify import GRADERS, Verdict, grade

_PROGRESS_EVERY_S = 10.0
_STOPPED = frozenset(("time_limit", "memory_limit", "worker_died", "too_long"))


class BadRow(Exception):
    """A row that cannot be graded; the message says why."""


def main(arguments: list[str] | None = None) -> int:
    """Run the command; the return value is the exit status."""
    options = _parser().parse_args(arguments)
    try:
        with _open_input(options.cases) as source, _open_output(options.output) as sink:
            counts = _grade_stream(source, sink, options.grader)
    except UserError as error:
        print(f"verify: {error}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print("verify: interrupted, nothing written", file=sys.stderr)
        return 130
    except BrokenPipeError:
        # The reader of standard output left early: nothing to complain about, and nothing left to flush.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    stopped = ", ".join(f"{counts[reason]} {reason}" for reason in sorted(_STOPPED) if counts[reason])
    print(
        f"verify: {counts['rows']} rows, {counts['correct']} correct, {counts['bad_row']} bad rows, "
        f"{counts['time_limit']} time limits" + (f" ({stopped})" if stopped else ""),
        file=sys.stderr,
    )
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m verify",
        description="Grade responses. Each row of the input is a JSON object with `response`, `gold` and, if known, "
        "`choices` (list of option texts) and `task_type` (choice, number, math, text). The rows come back with "
        "`extracted`, `correct`, `format_ok`, `grader` and `reason`; a row that cannot be read is kept and marked.",
    )
    parser.add_argument("cases", help="JSONL file to grade")
    parser.add_argument("-o", "--output", help="JSONL file to write (default: standard output)")
    parser.add_argument("--grader", choices=sorted(GRADERS), default="robust", help="default: %(default)s")
    return parser


def _open_input(name: str) -> BinaryIO:
    try:
        return open(name, "rb")
    except OSError as error:
        raise UserError(f"Cannot read {name}: {error.strerror}; give the path of a JSONL file.") from error


@contextlib.contextmanager
def _open_output(name: str | None) -> Iterator[TextIO]:
    """Standard output, or a temporary neighbour of the file that takes its name only when everything is written."""
    if name is None:
        yield sys.stdout
        sys.stdout.flush()
        return
    target = Path(name).resolve()
    is_device = target.exists() and not target.is_file()
    partial = target if is_device else target.with_name(f".{target.name}.{os.getpid()}.partial")
    try:
        sink = partial.open("w", encoding="ascii")
    except OSError as error:
        raise UserError(f"Cannot write {name}: {error.strerror}; give a path in an existing folder.") from error
    try:
        with sink:
            yield sink
        if not is_device:
            partial.replace(target)
    finally:
        if not is_device:
            partial.unlink(missing_ok=True)


def _grade_stream(source: BinaryIO, sink: TextIO, grader: str) -> Counter[str]:
    counts: Counter[str] = Counter()
    started = reported = time.monotonic()
    size = os.fstat(source.fileno()).st_size
    done = 0
    for line in source:
        done += len(line)
        if not line.strip():
            continue
        row, verdict = grade_line(line, grader)
        sink.write(_as_json(row, verdict) + "\n")
        counts["rows"] += 1
        counts["correct"] += verdict.correct
        counts[verdict.reason.partition(":")[0]] += 1
        now = time.monotonic()
        if now - reported > _PROGRESS_EVERY_S:
            reported = now
            left = f", about {(now - started) * (size - done) / done:.0f} s left" if size > done else ""
            print(f"verify: {counts['rows']} rows{left}", file=sys.stderr)
    return counts


def grade_line(line: bytes, grader: str) -> tuple[dict[str, Any], Verdict]:
    row: dict[str, Any] = {}
    try:
        row = _read_row(line)
        return row, grade(grader=grader, **_fields(row))
    except BadRow as problem:
        kept = row or {"raw": line.decode("utf-8", "backslashreplace").rstrip("\r\n")}
        return kept, Verdict(None, False, False, f"{grader}/1", f"bad_row: {problem}")


def _read_row(line: bytes) -> dict[str, Any]:
    try:
        row = json.loads(line)
    except (ValueError, RecursionError) as error:
        raise BadRow(f"not JSON ({type(error).__name__})") from error
    if not isinstance(row, dict):
        raise BadRow("not a JSON object")
    return row


def _fields(row: dict[str, Any]) -> dict[str, Any]:
    response, gold, choices, task_type = (row.get(name) for name in ("response", "gold", "choices", "task_type"))
    if not isinstance(response, str):
        raise BadRow("response is missing or not a string")
    if isinstance(gold, int | float) and not isinstance(gold, bool):
        gold = str(gold)
    if not isinstance(gold, str):
        raise BadRow("gold is missing or not a string")
    if choices is not None and not isinstance(choices, list):
        raise BadRow("choices is not a list")
    if task_type is not None and not isinstance(task_type, str):
        raise BadRow("task_type is not a string")
    return {"response": response, "gold": gold, "choices": choices, "task_type": task_type}


def _as_json(row: dict[str, Any], verdict: Verdict) -> str:
    told = {name: value for name, value in asdict(verdict).items() if name != "partial" or value is not None}
    return json.dumps({**row, **told})


def _interrupt(signal_number: int, frame: object) -> None:
    raise KeyboardInterrupt


if __name__ == "__main__":
    signal.signal(signal.SIGTERM, _interrupt)  # so that the temporary file goes on this way out, too
    sys.exit(main())
