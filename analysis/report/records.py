"""The plain records a report is built from. All text is plain text: the page never reads it as markup."""

from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class Figure:
    title: str
    caption: str
    png: bytes
    alt: str


@dataclass(frozen=True)
class Table:
    """Cells are plain text; `emphasis` holds the indices of the rows set in bold."""

    title: str
    caption: str
    header: list[str]
    rows: list[list[str]]
    emphasis: Sequence[int] = ()


@dataclass(frozen=True)
class Fact:
    """Something the model stated about the picture; `truth` is None where it cannot be checked."""

    name: str
    stated: str
    truth: str | None
    ok: bool


@dataclass(frozen=True)
class Token:
    """Log-probabilities in nats, with the picture and with the masked picture.

    `scores` go by the names of models/dependency.py: k1, k3, probability_drop, and entropy_change, kl where there.
    """

    text: str
    logprob: float
    masked_logprob: float
    scores: dict[str, float]


@dataclass(frozen=True)
class PatchMap:
    """effects[token][row][column]: what blackening that cell of the first picture costs the token, in nats."""

    grid: tuple[int, int]
    effects: list[list[list[float]]]


@dataclass(frozen=True)
class Other:
    """One further response of the same run to the same item."""

    text: str
    correct: bool
    state: str


@dataclass(frozen=True)
class Answer:
    """The first response of one run; `state` is "right" or the class of the error.

    `tokens` is empty where they were not scored, and `note` then says why; `others` are responses k = 1, 2, ...
    """

    run: str
    text: str
    correct: bool
    extracted: str | None
    state: str
    facts: list[Fact]
    tokens: list[Token]
    others: list[Other]
    patches: PatchMap | None
    note: str | None


@dataclass(frozen=True)
class Item:
    """One sample; `note` says what is amiss with it, e.g. that its picture cannot be opened any more."""

    id: str
    column: str
    tags: dict[str, str]
    question: str
    gold: str
    pictures: list[bytes]
    masked: list[bytes]
    answers: list[Answer]
    note: str | None


@dataclass(frozen=True)
class Headline:
    """A number to be read at a glance: its value, its interval, and of what."""

    value: str
    interval: str
    label: str


@dataclass(frozen=True)
class Front:
    """The first screen; `example` has the answers that it shows, `among` says of how many it is one."""

    finding: str
    numbers: Sequence[Headline]
    figures: Sequence[Figure]
    example: Item | None = None
    among: str = ""


@dataclass(frozen=True)
class Report:
    """`summary` holds further findings, one or two plain sentences each; `left_out` what is not shown, and why."""

    title: str
    front: Front
    summary: list[str]
    tables: list[Table]
    figures: list[Figure]
    items: list[Item]
    provenance: list[tuple[str, str]]
    left_out: list[str]
