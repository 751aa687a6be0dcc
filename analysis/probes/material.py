"""What probes are made of, and what they make: items, captions and facts from a file, and what was left out."""

import hashlib
import json
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

from common import UserError, read_jsonl
from data import Sample

Texts = dict[str, dict[str, Any]]


@dataclass
class Probed:
    """The items of one probe, and what became of those that it could not be made of."""

    samples: list[Sample]
    left_out: Counter[str] = field(default_factory=Counter)  # reason -> items
    notes: Counter[str] = field(default_factory=Counter)  # what is particular about kept items -> items
    added: dict[str, str] = field(default_factory=dict)  # sample id -> the text that was added
    partner: dict[str, str] = field(default_factory=dict)  # sample id -> the item whose picture it got

    @property
    def address(self) -> str:
        """Of what was put in: responses are only kept for the same probe of the same items."""
        put_in = json.dumps([self.added, self.partner], sort_keys=True)
        return hashlib.blake2b(put_in.encode(), digest_size=8).hexdigest()


def merged(parts: Iterable[Probed]) -> Probed:
    """Return the probes of several tasks as one."""
    whole = Probed([])
    for part in parts:
        whole.samples += part.samples
        whole.left_out += part.left_out
        whole.notes += part.notes
        whole.added |= part.added
        whole.partner |= part.partner
    return whole


@dataclass(frozen=True)
class ProbeItem:
    """What matters of an item's pictures for a swap."""

    sizes: tuple[tuple[int, int], ...]
    digest: bytes


def look(sample: Sample) -> ProbeItem:
    images = [source.open() for source in sample.images]
    pixels = hashlib.blake2b(b"|".join(image.tobytes() for image in images), digest_size=16)
    return ProbeItem(tuple(image.size for image in images), pixels.digest())


@dataclass(frozen=True)
class Material:
    """What probes are made of: the items of one task, which of them share a problem, and texts from a file."""

    samples: Sequence[Sample]
    cluster: Callable[[Sample], str]
    column: Callable[[Sample], str]
    texts: Texts
    seed: int

    @cached_property
    def seen(self) -> dict[str, ProbeItem]:
        """Return what each picture shows of itself (size, key), opened once for all swaps."""
        return {sample.id: look(sample) for sample in self.samples}


def read_texts(path: str) -> Texts:
    """Captions and facts by sample id, from JSON lines with `id` and `caption`, `facts` or both."""
    found: Texts = {}
    for number, row in enumerate(read_jsonl(Path(path)) if path else [], start=1):
        if not isinstance(row.get("id"), str) or not any(isinstance(row.get(n), str) for n in ("caption", "facts")):
            raise UserError(f"{path}, row {number} needs an id and a text in caption or facts; mend that row")
        if row["id"] in found:
            raise UserError(f"{path}, row {number} repeats the id {row['id']}; keep one of the two")
        found[row["id"]] = row
    return found
