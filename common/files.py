"""Files that are either complete or absent, JSONL rows, and checksums."""

import hashlib
import json
import os
import secrets
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from common.errors import UserError


@contextmanager
def atomic_path(path: Path) -> Iterator[Path]:
    """Yield a temporary path in the same folder that replaces `path` when the block ends well, and vanishes
    otherwise.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    # The suffix stays last: writers such as matplotlib choose their format by it.
    temporary = path.with_name(f".{path.stem}.{secrets.token_hex(4)}.tmp{path.suffix}")
    try:
        yield temporary
        with temporary.open("rb") as written:
            os.fsync(written.fileno())
        os.replace(temporary, path)
    finally:
        temporary.unlink(missing_ok=True)


def atomic_write_bytes(path: Path, content: bytes) -> None:
    """Write a file so that a reader, or a kill at any instant, finds the old or the new content."""
    with atomic_path(Path(path)) as temporary:
        temporary.write_bytes(content)


def atomic_write_text(path: Path, content: str) -> None:
    """`atomic_write_bytes` for text."""
    atomic_write_bytes(path, content.encode())


def write_jsonl(path: Path, rows: Iterable[Mapping[str, Any]]) -> None:
    """Write rows as JSON lines, atomically and without holding them all in memory."""
    with atomic_path(Path(path)) as temporary, temporary.open("w", encoding="utf-8") as lines:
        for row in rows:
            lines.write(json.dumps(row, ensure_ascii=False) + "\n")


def read_jsonl(path: Path) -> list[dict[str, Any]]:
    """Return the rows of a JSON-lines file; an empty line is no row."""
    try:
        text = Path(path).read_text(encoding="utf-8")
    except FileNotFoundError:
        raise UserError(f"{path} does not exist") from None
    except (UnicodeDecodeError, OSError) as error:
        raise UserError(f"{path} cannot be read as JSON lines in UTF-8: {error}") from None
    # Not splitlines(): a JSON string may hold U+2028, which that method takes for a line break.
    lines = enumerate(text.split("\n"), start=1)
    return [_row(path, number, line) for number, line in lines if line.strip()]


def sha256_of(path: Path) -> str:
    """Hex SHA-256 of a file's content."""
    with Path(path).open("rb") as content:
        return hashlib.file_digest(content, "sha256").hexdigest()


def _row(path: Path, number: int, line: str) -> dict[str, Any]:
    try:
        row = json.loads(line)
    except json.JSONDecodeError as error:
        raise UserError(f"{path}, line {number} is not valid JSON: {error.msg} at column {error.colno}") from None
    if not isinstance(row, dict):
        raise UserError(f"{path}, line {number} must hold a JSON object")
    return row
