"""Vision-SR1 (arXiv 2508.19652) and RACRO (2506.04559): a second reading without the picture.

Every answer's description is read once, by the policy itself (self), by a frozen model behind a server, or by the
mini world's arithmetic (rule). A response without a description is not read, and its reward is 0.
"""

import random
import re
from dataclasses import dataclass
from typing import Literal

from common import UserError
from configs import setting
from data import Sample
from data.mini.chains import read_chain
from train.asks.ask import ANSWER, Ask
from train.plans.piece import Asking, Plan
from verify import extract_boxed

READING = "reader"  # role of the second reading
TAGGED = re.compile(r"<description>(.*?)</description>", re.DOTALL)
PROMPTS = {
    "see_first": "{question}\n\nFirst describe, inside <description> </description> tags, everything in the picture "
    "that the question needs, so that it can be solved without the picture. Then reason inside <think> </think> "
    "tags, and give the final answer in \\boxed{}.",
    "caption": "{question}\n\nDescribe the picture in detail in view of this question. Do not answer the question.",
}
READ = (
    "Text description: {text}\n\nQuestion: {question}\n\nDecide the answer from the description alone; there is no "
    "picture. Reason inside <think> </think> tags, then give one word, number or phrase in \\boxed{}."
)


def filled(template: str, **parts: str) -> str:
    """Return a template with its parts in place; not str.format, as both may hold other braces."""
    return re.sub(r"\{(\w+)\}", lambda found: parts[found[1]], template)


def described(text: str, part: str) -> str | None:
    """Return the part of a response that describes the picture, None where there is none."""
    if part == "facts":
        chain = read_chain(text)
        return " , ".join(f"{name} = {value}" for name, value in chain.facts) if chain and chain.facts else None
    tagged = TAGGED.search(text) if part == "description" else None
    found = tagged[1].strip() if tagged else text.strip() if part == "whole" else ""
    return found or None


def leaks(description: str, answers: list[str]) -> bool:
    """Return whether a description holds one of the answers as a whole word."""
    return any(re.search(rf"(?<!\w){re.escape(one.strip())}(?!\w)", description) for one in answers if one.strip())


@dataclass(frozen=True)
class Rereading(Plan):
    """Every answer's description is read once more without the picture."""

    kind: Literal["reread"] = "reread"
    reader: Literal["self", "rule", "server"] = setting(
        "self", "who reads: the policy, the mini world's rule, a server"
    )
    part: Literal["description", "facts", "whole"] = setting(
        "description",
        "what is read: the tagged description, the facts of a chain of the mini world, the whole response",
    )
    prompt: Literal["own", "see_first", "caption"] = setting("see_first", "how the first question is put")
    train_reader: bool = setting(False, "the second reading is trained too, as a role of its own (Vision-SR1 v2)")
    answer_coef: float = setting(1.0, "of the answers' branch of the loss")
    reader_coef: float = setting(1.0, "of the readings' branch")
    deny_answer: bool = setting(False, "descriptions that hold the gold or the boxed answer as a word are not read")

    def __post_init__(self) -> None:
        if self.train_reader and self.reader != "self":
            raise UserError(f"rollouts.plan.train_reader trains the policy's own readings; reader is {self.reader}")

    def coefs(self) -> dict[str, float]:
        return {ANSWER: self.answer_coef, READING: self.reader_coef}

    def reads(self) -> str:
        return "" if self.reader == "self" else self.reader

    def reading(self, sample: Sample, description: str, place: int) -> Ask:
        """Return the question about one description; its place is that of the answer."""
        question = re.sub("<image>", "", sample.question)
        return Ask(
            count=1,
            role=READING,
            question=filled(READ, text=description, question=question),
            bare=True,
            pictures="none",
            trained="own" if self.train_reader else "",
            by="policy" if self.reader == "self" else "reader",
            parent=place,
        )

    def asks(self, sample: Sample, group: int, progress: float, chance: random.Random) -> Asking:
        """Ask for answers, then have their descriptions read."""
        template = PROMPTS.get(self.prompt)
        question = filled(template, question=sample.question) if template else None
        answers = yield [Ask(count=group, question=question, bare=question is not None)]
        found = []
        for row in answers:
            text = described(row.response.text, self.part)
            boxed = extract_boxed(row.response.text) or ""
            if text and not (self.deny_answer and leaks(text, [sample.answer, boxed])):
                found.append(self.reading(sample, text, row.place))
        if found:
            yield found
        return None
