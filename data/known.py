"""What is known of a response or a picture by construction, where a source makes its problems itself."""

from collections.abc import Mapping
from dataclasses import dataclass, field

# Classes of error that follow from known facts, in the order in which a chain can break (analysis/taxonomy.py).
ERRORS = ("format", "perception", "reasoning", "calculation", "inconsistency", "grader")


@dataclass(frozen=True)
class StatedFact:
    """One fact that a response states beside the truth; `truth` is None where the picture has no such fact."""

    name: str
    stated: str
    truth: str | None

    @property
    def ok(self) -> bool:
        return self.stated == self.truth


@dataclass(frozen=True)
class Diagnosis:
    """What is wrong with one response; `primary` is None where it is right."""

    primary: str | None  # a class of analysis/taxonomy.py
    also: tuple[str, ...]
    mode: str | None  # look or guess, as the chain began
    facts: list[StatedFact]


@dataclass(frozen=True)
class Cells:
    """The cells that a picture is made of, and in which of them (row, column) a fact can be seen."""

    rows: int
    columns: int
    evidence: Mapping[str, tuple[tuple[int, int], ...]] = field(default_factory=dict)  # fact -> cells; empty = unknown
