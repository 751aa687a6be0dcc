"""Responses on disk as they come, by what made them: a stopped evaluation goes on, a larger k adds to a smaller."""

import hashlib
import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from common import UserError, sha256_of
from models.response import Response


def key_of(made_by: dict[str, Any]) -> str:
    """Return an address of everything that responses depend on."""
    return hashlib.blake2b(json.dumps(made_by, sort_keys=True).encode(), digest_size=8).hexdigest()


@dataclass(frozen=True)
class PictureFiles:
    """The picture files that a benchmark's rows name, in the order of the rows; their content is read once."""

    paths: tuple[Path, ...] = ()

    @cached_property
    def digest(self) -> str:
        """Changes with any picture's content, not with where it lies; of a picture that is gone only that is known."""
        contents: Iterable[str] = (sha256_of(path) if path.is_file() else "gone" for path in self.paths)
        return hashlib.sha256("\n".join(contents).encode()).hexdigest()


def whole_lines(path: Path) -> bytes:
    """Return the content of a file up to its last line end: what follows was cut short by a kill."""
    content = path.read_bytes()
    return content[: content.rfind(b"\n") + 1]


def parsed(path: Path, lines: bytes) -> Iterator[Response]:
    for number, line in enumerate(lines.splitlines(), start=1):
        try:
            response = Response(**json.loads(line))
            hash((response.sample_id, response.k))
        except (ValueError, TypeError):
            raise UserError(
                f"{path} line {number} is damaged; remove the file, and its items are sampled anew"
            ) from None
        yield response


class ResponseStore:
    """One file of one benchmark's responses; a line is there whole or not at all.

    With `into`, what is added goes to that file and `path` stays as it is: a worker's part, taken over later.
    """

    def __init__(self, path: Path, into: Path | None = None) -> None:
        self.path = path
        self.responses: dict[tuple[str, int], Response] = {}
        if path.exists():
            self.read()
        written = into or path
        written.parent.mkdir(parents=True, exist_ok=True)
        self.file = open(written, "a", encoding="utf-8")  # noqa: SIM115 (it stays open while responses come)

    def read(self) -> None:
        """Take over what is there; a line that a kill cut short goes."""
        whole = whole_lines(self.path)
        if len(whole) < self.path.stat().st_size:
            with open(self.path, "r+b") as file:
                file.truncate(len(whole))
        for response in parsed(self.path, whole):
            self.keep(response)

    def take_over(self, part: Path) -> None:
        """Add a worker's responses and remove its file; a kill in between repeats nothing."""
        for response in parsed(part, whole_lines(part)):
            if (response.sample_id, response.k) not in self.responses:
                self.add(response)
        part.unlink()

    def keep(self, response: Response) -> None:
        self.responses[response.sample_id, response.k] = response

    def add(self, response: Response) -> None:
        """On disk when this returns, as far as a kill of this process is concerned."""
        self.file.write(json.dumps(response.record(), ensure_ascii=False) + "\n")
        self.file.flush()
        self.keep(response)

    def lacks(self, sample_id: str, count: int) -> int:
        """Return how many of the numbers below `count` have no response."""
        return sum((sample_id, k) not in self.responses for k in range(count))

    def close(self) -> None:
        self.file.close()
