"""One step's experience: problems are asked about, judged and filtered, and more are drawn until the step is full.

Every rank asks about its share of the problems and all-gathers the responses. Pixels are not sent: a rank that
needs an encoded prompt makes it from the sample, and keeps it for the step.
"""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import islice

from common import UserError
from data import Sample
from data.sources import Samples
from models.encode import Encoded
from models.engine import Engine
from models.loader import VisionLanguageModel
from train.asking import Asker, Conversation
from train.building import experience_of
from train.distributed import Ranks
from train.experience import Discarded, Experience
from train.judging import Answered, judged
from train.settings import TrainSettings
from train.step import step_seed
from train.tool_factory import make_tools
from train.tools import Tools

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


def usable_samples(model: VisionLanguageModel, data: Samples, count: int) -> list[tuple[Sample, Encoded]]:
    """Return the first samples that can be used with their prompts, of at most twice as many samples."""
    found: list[tuple[Sample, Encoded]] = []
    for sample in islice(data.from_position(0), 2 * count):
        try:
            prompt = model.encoder.encode(sample)
        except UserError:  # counted when a step takes it
            continue
        if model.encoder.fits(prompt):
            found.append((sample, prompt))
        if len(found) == count:
            break
    if not found:
        raise UserError(
            f"none of the first {2 * count} samples fits model.max_prompt_tokens; raise it or check the data"
        )
    return found


def usable_prompts(model: VisionLanguageModel, data: Samples, count: int) -> list[Encoded]:
    """Return the prompts of the first samples that can be used."""
    return [prompt for _, prompt in usable_samples(model, data, count)]


def begin_round(
    engine: Engine,
    model: VisionLanguageModel,
    data: Samples,
    position: int,
    settings: TrainSettings,
    step: int,
    ranks: Ranks,
    tools: Tools,
    number: int = 0,
    kept: int = 0,
) -> Round:
    """Take a round's problems and encode this rank's share; a step's first round may begin while another learns."""
    rules, progress, seed = settings.rollouts.filter, (step - 1) / settings.steps, step_seed(settings, step)
    samples = data.take(position, rules.prompts if rules else settings.rollouts.prompts - kept, progress)
    asker = Asker(
        engine=engine,
        model=model,
        settings=settings,
        tools=tools.at(progress),
        view_seed=seed,
        seed=seed * 64 + number,
        progress=progress,
    )
    mine = ranks.mine(range(len(samples)))
    return Round(samples, asker, asker.begin([(place, samples[place]) for place in mine]))


def collect(
    engine: Engine,
    model: VisionLanguageModel,
    data: Samples,
    position: int,
    settings: TrainSettings,
    step: int,
    ranks: Ranks,
    tools: Tools | None = None,
    begun: Round | None = None,
) -> Experience:
    """Sample until the step has its prompts: those that fit and are judged, and with a filter those of mixed terms.

    `tools` keep a judge's count of failures over steps; without them every step begins a new count. `begun` is the
    step's first round where it was begun before.
    """
    rules, wanted = settings.rollouts.filter, settings.rollouts.prompts
    tools = tools or make_tools(settings)
    kept: list[tuple[Sample, Answered]] = []
    discarded: list[Discarded] = []
    encoded: dict[str, Encoded] = {}
    generated, rounds = 0, rules.rounds if rules else REFILL_ROUNDS
    for number in range(rounds):
        where = engine, model, data, position, settings, step, ranks, tools
        one = begun if begun and number == 0 else begin_round(*where, number, len(kept))
        position, generated = position + len(one.samples), generated + len(one.samples)
        answers = one.answer(ranks)
        encoded |= one.asker.encoded
        data.count_broken([answered.note for answered in answers if answered.note])
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
