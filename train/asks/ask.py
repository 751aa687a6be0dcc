"""Asks and rows: what a plan asks of whom, and what comes back."""

from dataclasses import dataclass, field, replace
from typing import Literal

from data import Sample
from data.sample import IMAGE_PLACEHOLDER
from data.views.source import in_column
from models.divergence import CLEAN
from models.response import Response
from verify import Verdict

ANSWER = "answer"  # the role whose rows answer the problem itself


@dataclass(frozen=True, kw_only=True)
class Ask:
    """A request for `count` responses; plain data, so that any rank can make its prompt again from the sample."""

    count: int
    role: str = ANSWER  # its reward terms and its branch of the loss
    question: str | None = None  # None: the sample's own
    bare: bool = False  # the question is the whole prompt, no instruction is put around it
    pictures: str = "own"  # own, none, or a column that holds pictures
    view: str = CLEAN  # what the sampler sees
    trained: str = "own"  # what the policy is scored behind: own (as sampled), clean, or "" = not trained on
    group: str = ""  # rows of one group are compared; empty = the role
    answer: str | None = None  # gold of this ask; None: the sample's own
    by: Literal["policy", "reader"] = "policy"
    parent: int | None = None  # the row of this prompt that it was made from

    @property
    def trained_view(self) -> str:
        return self.view if self.trained == "own" else self.trained


@dataclass(frozen=True, kw_only=True)
class Row:
    """One response to one ask, graded."""

    sample: Sample  # as asked: its question and gold are those of the ask
    ask: Ask
    response: Response
    verdict: Verdict
    prompt: int = 0  # number of the problem within the round
    place: int = 0  # position among the rows of the same problem, as `parent` counts
    given: dict[str, list[float]] = field(default_factory=dict)  # judgements that came with it, see train.rewards

    @property
    def parent(self) -> int | None:
        return self.ask.parent


def sampler_id(sample: Sample, ask: Ask) -> str:
    """Return the id that a response's random numbers hang on.

    Answers keep the sample's, so that whatever else is asked leaves their random numbers alone.
    """
    if ask.role == ANSWER:
        return sample.id
    return f"{sample.id}#{ask.role}" + ("" if ask.parent is None else f".{ask.parent}")


def asked_sample(sample: Sample, ask: Ask) -> Sample:
    """Return a sample as an ask changes it: question, pictures, gold, id."""
    images = {"own": sample.images, "none": ()}.get(ask.pictures)
    images = tuple(in_column(sample, ask.pictures, "a plan")) if images is None else images
    question = sample.question if ask.question is None else ask.question
    if question.count(IMAGE_PLACEHOLDER) != len(images):
        question = IMAGE_PLACEHOLDER * len(images) + question.replace(IMAGE_PLACEHOLDER, "")
    found = replace(sample, id=sampler_id(sample, ask), question=question, images=images, bare=ask.bare)
    if ask.answer is not None:  # another gold has neither the problem's type nor its options
        found = replace(found, answer=ask.answer, answer_type=None, choices=())
    return found
