"""PEARL (arXiv 2511.18437): a checklist about the picture first; who fails it completely is not asked to reason.

    gate: mean over the rows of (right answers / K) > gate, or a coin of probability `bypass`

The authors toss one coin per draw of prompts, here one per problem. A problem behind the gate is discarded as `gated`,
or its checklist is trained alone (`train_gated`, the paper's flow).
"""

import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from configs import setting
from data import Sample
from data.sample import IMAGE_PLACEHOLDER
from train.asks.ask import ANSWER, Ask
from train.asks.checklists import credit
from train.plans.piece import Asking, Plan

CHECKLIST = "checklist"  # role of its rows
ASKED = (
    "Answer each question about the picture, without reasoning. Put the answer to question number n between <an> and "
    "</an>, with n as a digit, and write nothing else.\n"
)


def numbered(probes: Sequence[Mapping[str, str]]) -> str:
    """Return all questions of a checklist as one prompt."""
    return ASKED + "\n".join(f"<q{n}>{probe['q']}</q{n}>" for n, probe in enumerate(probes, 1))


@dataclass(frozen=True)
class Checklist(Plan):
    """A checklist about the picture, its branch of the loss, and a gate before the answers."""

    kind: Literal["checklist"] = "checklist"
    gate: float = setting(0.01, "least mean score of the checklist above which the problem is asked; below 0 = always")
    bypass: float = setting(0.3, "probability that a problem behind the gate is asked all the same", bounds="[0, 1]")
    coef: float = setting(0.1, "of the checklist's branch of the loss; 0 = asked and not trained")
    train_gated: bool = setting(False, "the checklist of a problem behind the gate is trained")
    ask: Literal["together", "apart"] = setting(
        "together", "one prompt with numbered questions, or each question as a prompt and group of its own"
    )

    def columns(self) -> set[str]:
        return {"probes"}

    def coefs(self) -> dict[str, float]:
        return {ANSWER: 1.0, CHECKLIST: self.coef}

    def checklist(self, sample: Sample, group: int) -> list[Ask]:
        """Return the asks of the checklist."""
        probes, trained = sample.columns["probes"], "own" if self.coef else ""
        pictures = IMAGE_PLACEHOLDER * len(sample.images)
        if self.ask == "together":
            question = pictures + numbered(probes)
            return [Ask(count=group, role=CHECKLIST, question=question, bare=True, trained=trained)]
        return [
            Ask(
                count=group,
                role=CHECKLIST,
                question=pictures + probe["q"],
                bare=True,
                trained=trained,
                answer=probe["a"],
                group=f"{CHECKLIST} {number}",
            )
            for number, probe in enumerate(probes)
        ]

    def asks(self, sample: Sample, group: int, progress: float, chance: random.Random) -> Asking:
        """Ask the checklist, then, through the gate, the question."""
        seen = yield self.checklist(sample, group)
        score = sum(map(credit, seen)) / len(seen)
        if score > self.gate or chance.random() < self.bypass:
            yield [Ask(count=group)]
            return None
        return None if self.train_gated and self.coef else "gated"
