"""One step's experience: problems are asked about, judged and filtered, and more are drawn until the step is full.

Every rank asks about its share of the problems and all-gathers the responses. Pixels are not sent: a rank that
needs an encoded prompt makes it from the sample, and keeps it for the step.
"""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from common import UserError
from data import Sample
from data.sources import Samples
from models.encode import Encoded
from models.engine import Engine
from models.loader import VisionLanguageModel
from train.asks.tools import Tools
from train.distributed import Ranks
from train.experience import Discarded, Experience
from train.rollout.asking import Asker, Conversation
from train.rollout.building import experience_of
from train.rollout.judging import Answered, judged
from train.settings import TrainSettings

REFILL_ROUNDS = 20  # without dynamic sampling: how often discarded prompts are replaced
UNFIT = {
    "too_long": "raise model.max_prompt_tokens",
    "unjudged": "see to the server of judge or reader",
    "gated": "lower the plan's gate",
    "unusable": "check the data",
}


@dataclass(frozen=True)
class Round:
    """Problems of a step that are asked about together, and this rank's share of them, prompts encoded."""

    samples: Sequence[Sample]
    asker: Asker
    conversations: list[Conversation]

    def answer(self, ranks: Ranks) -> list[Answered]:
        """Return all problems, asked and judged; each rank asks about its share, all get everything."""
        self.asker.drive(self.conversations)
        found = judged(self.conversations, self.asker.settings, self.asker.tools)
        return sorted(ranks.gather(found), key=lambda answered: answered.index)


@dataclass(frozen=True, kw_only=True)
class Collector:
    """What every round of every step is asked with."""

    engine: Engine
    model: VisionLanguageModel
    data: Samples
    settings: TrainSettings
    ranks: Ranks
    tools: Tools  # one judge for the run: it holds the budget and the count of failures

    def begin(self, position: int, step: int, number: int = 0, kept: int = 0) -> Round:
        """Take a round's problems and encode this rank's share; a step's first may begin while another learns."""
        settings, seed = self.settings, self.settings.step_seed(step)
        rules, progress = settings.rollouts.filter, (step - 1) / settings.steps
        samples = self.data.take(position, rules.prompts if rules else settings.rollouts.prompts - kept, progress)
        asker = Asker(
            engine=self.engine,
            model=self.model,
            settings=settings,
            tools=self.tools.at(progress),
            view_seed=seed,
            seed=seed * 64 + number,
            progress=progress,
        )
        mine = self.ranks.mine(range(len(samples)))
        return Round(samples, asker, asker.begin([(place, samples[place]) for place in mine]))

    def collect(self, position: int, step: int, begun: Round | None = None) -> Experience:
        """Sample until the step has its prompts: those that fit and are judged, with a filter those of mixed terms.

        `begun` is the step's first round where it was begun before.
        """
        settings = self.settings
        rules, wanted = settings.rollouts.filter, settings.rollouts.prompts
        kept: list[tuple[Sample, Answered]] = []
        discarded: list[Discarded] = []
        encoded: dict[str, Encoded] = {}
        generated, rounds = 0, rules.rounds if rules else REFILL_ROUNDS
        for number in range(rounds):
            one = begun if begun and number == 0 else self.begin(position, step, number, len(kept))
            position, generated = position + len(one.samples), generated + len(one.samples)
            answers = one.answer(self.ranks)
            encoded |= one.asker.encoded
            self.data.count_broken([answered.note for answered in answers if answered.note])
            for answered in answers:
                sample = one.samples[answered.index]
                if why := answered.why or ("surplus" if len(kept) == wanted else ""):
                    discarded.append(Discarded(sample_id=sample.id, accuracy=answered.accuracy, why=why))
                else:
                    kept.append((sample, answered))
            if len(kept) == wanted:
                return experience_of(
                    kept, discarded, settings, encoded, generated=generated, rounds=number + 1, position=position
                )
        raise UserError(nothing_left(step, len(kept), discarded, settings))


def nothing_left(step: int, kept: int, discarded: Sequence[Discarded], settings: TrainSettings) -> str:
    """Return the sentence of a step that could not be filled, with the histogram of what was found."""
    counts = Counter(one.why for one in discarded)
    reasons = ", ".join(f"{count} {why}" for why, count in sorted(counts.items()))
    advice = " or ".join(UNFIT[why] for why in sorted(counts) if why in UNFIT)
    found = f"step {step} found {kept} of {settings.rollouts.prompts} prompts"
    if not settings.rollouts.filter:
        return f"{found} that can be learnt from in {REFILL_ROUNDS} rounds ({reasons}); {advice}"
    histogram = Counter(round(one.accuracy, 2) for one in discarded if one.why in ("all_right", "all_wrong"))
    shown = ", ".join(f"{accuracy:.2f}: {count}" for accuracy, count in sorted(histogram.items()))
    return (
        f"{found} of mixed {' or '.join(settings.rollouts.filter.by)} in {settings.rollouts.filter.rounds} rounds "
        f"(discarded by accuracy {shown or 'none'}; {reasons}); take easier or harder data, more responses per "
        f"prompt, or raise rollouts.filter.rounds{' or ' + advice if advice else ''}"
    )
