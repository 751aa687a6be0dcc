"""`Sample`: one problem, with everything that is known about it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from data.images import ImageSource

IMAGE_PLACEHOLDER = "<image>"


@dataclass(frozen=True)
class Sample:
    """A question about pictures; `facts` and `solution` are empty where they are unknown."""

    id: str
    source: str
    question: str  # holds one <image> for each picture, where the picture belongs
    images: Sequence[ImageSource]
    answer: str
    # choice, number, math, text, or a type of verify/by_type.py; None = the grader decides from the answer
    answer_type: str | None = None
    choices: Sequence[str] = ()
    facts: dict[str, str] = field(default_factory=dict)  # what a correct reading of the pictures says
    solution: str = ""  # the operations that lead from facts to answer, see data.mini.chains
    tags: dict[str, str] = field(default_factory=dict)  # column, vision_need, version, subset ...
    bare: bool = False  # the question is the whole prompt: no template is put around it
    columns: Mapping[str, Any] = field(default_factory=dict)  # further columns of its row, see data/columns.py

    def record(self) -> dict:
        """Return the sample as plain data for result files; pictures stay behind and are found again by `id`."""
        return {
            "id": self.id,
            "source": self.source,
            "question": self.question,
            "answer": self.answer,
            "answer_type": self.answer_type,
            "choices": list(self.choices),
            "facts": dict(self.facts),
            "solution": self.solution,
            "tags": dict(self.tags),
        }
