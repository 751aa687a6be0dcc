"""Responses on disk as they come, by what made them: a stopped evaluation goes on, a larger k adds to a smaller."""

import hashlib
import json
from collections.abc import Iterable
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


class ResponseStore:
    """One file of one benchmark's responses; a line is there whole or not at all."""

    def __init__(self, path: Path) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        self.path = path
        self.responses: dict[tuple[str, int], Response] = {}
        if path.exists():
            self.read()
        self.file = open(path, "a", encoding="utf-8")  # noqa: SIM115 (it stays open while responses come)

    def read(self) -> None:
        """Take over what is there; a line that a kill cut short goes."""
        content = self.path.read_bytes()
        whole = content[: content.rfind(b"\n") + 1]
        if len(whole) < len(content):
            with open(self.path, "r+b") as file:
                file.truncate(len(whole))
        for number, line in enumerate(whole.splitlines(), start=1):
            try:
                self.keep(Response(**json.loads(line)))
            except (ValueError, TypeError):
                raise UserError(
                    f"{self.path} line {number} is damaged; remove the file, and its items are sampled anew"
                ) from None

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
