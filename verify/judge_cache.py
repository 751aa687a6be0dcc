"""Replies of the judge by what was asked: a JSONL file that only grows, so that a kill costs at most its last line."""

import json
import os
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any


@dataclass(frozen=True)
class Reply:
    """A completed reply, as the server gave it; it is read anew each time, so a better reader needs no new calls."""

    text: str
    finish_reason: str
    refused: bool


class ReplyCache:
    """One process may write while others do: every record is a single append."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.replies: dict[str, Reply] = {}
        self.damaged = 0  # lines that a kill or a full disk left behind
        path.parent.mkdir(parents=True, exist_ok=True)
        content = path.read_bytes() if path.exists() else b""
        for line in content.split(b"\n"):
            if line.strip():
                self.take_in(line)
        # A torn last line must not swallow the next record.
        self.start = b"\n" if content and not content.endswith(b"\n") else b""

    def take_in(self, line: bytes) -> None:
        try:
            row: Any = json.loads(line)
            key, reply = row.pop("key"), Reply(**row)
        except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
            self.damaged += 1
            return
        sound = isinstance(key, str) and all(type(getattr(reply, one.name)) is one.type for one in fields(Reply))
        if sound:
            self.replies[key] = reply
        else:
            self.damaged += 1

    def get(self, key: str) -> Reply | None:
        return self.replies.get(key)

    def put(self, key: str, reply: Reply) -> None:
        line = self.start + json.dumps({"key": key, **asdict(reply)}).encode() + b"\n"
        descriptor = os.open(self.path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o644)
        try:
            written = os.write(descriptor, line)
        finally:
            os.close(descriptor)
        # A short write (the disk is full) leaves a torn line, as a kill would.
        self.start = b"" if written == len(line) else b"\n"
        self.replies[key] = reply
