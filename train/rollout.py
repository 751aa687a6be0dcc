"""One step's experience: samples, responses, verdicts, rewards; sampled again until the step is full.

Every process answers its share of the prompts and tells the others what came out. Pictures do not travel: whoever
needs an encoded prompt makes it from the sample, and keeps it for the step.
"""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import islice

import torch

from common import UserError
from data import Sample
from data.sources import Samples
from models.encode import Encoded
from models.engine import Engine
from models.loader import VisionLanguageModel
from models.response import Response
from train.asks import Ask, Row
from train.columns import ANSWER
from train.distributed import Ranks
from train.experience import Block, Discarded, Experience
from train.rewards import overlong_penalty
from train.settings import FilterSettings, TrainSettings
from train.step import step_seed
from verify import Verdict
from verify.samples import grade_sample

REFILL_ROUNDS = 20  # without dynamic sampling: how often prompts over the length limit are replaced


@dataclass(frozen=True)
class Answered:
    """What one process found out about one prompt; light enough to travel."""

    index: int  # among the samples of the round
    prompt_tokens: int  # 0 marks a prompt over the length limit, which has no responses
    responses: list[Response]
    verdicts: list[Verdict]
    broken: str = ""  # why the pictures cannot be used, which leaves no responses

    @property
    def accuracy(self) -> float:
        return sum(verdict.correct for verdict in self.verdicts) / max(1, len(self.verdicts))


def answer(
    engine: Engine,
    model: VisionLanguageModel,
    samples: Sequence[Sample],
    settings: TrainSettings,
    seed: int,
    ranks: Ranks,
    encoded: dict[str, Encoded],
) -> list[Answered]:
    """Sample and judge a group of responses to every prompt; each process its share, all get everything."""
    count, mine = settings.rollouts.group, ranks.mine(range(len(samples)))
    prompts: dict[int, Encoded] = {}
    found: list[Answered] = []
    for index in mine:
        try:
            prompts[index] = model.encoder.encode(samples[index])
        except UserError as error:  # a picture that cannot be opened
            found.append(Answered(index, 0, [], [], str(error)))
    fitting = [index for index in prompts if model.encoder.fits(prompts[index])]
    responses = engine.sample([prompts[i] for i in fitting], count, settings.rollouts.sampling, seed)
    found += [Answered(index, 0, [], []) for index in prompts if index not in fitting]
    for place, index in enumerate(fitting):
        own = responses[place * count : (place + 1) * count]
        verdicts = [grade_sample(samples[index], response.text, settings.grader) for response in own]
        found.append(Answered(index, len(prompts[index].ids), own, verdicts))
        encoded[samples[index].id] = prompts[index]
    return sorted(ranks.gather(found), key=lambda answered: answered.index)


def usable_prompts(model: VisionLanguageModel, data: Samples, count: int) -> list[Encoded]:
    """Return the first prompts that can be used, of at most twice as many samples."""
    found: list[Encoded] = []
    for sample in islice(data.from_position(0), 2 * count):
        try:
            prompt = model.encoder.encode(sample)
        except UserError:  # counted when a step takes it
            continue
        if model.encoder.fits(prompt):
            found.append(prompt)
        if len(found) == count:
            break
    if not found:
        raise UserError(
            f"none of the first {2 * count} samples fits model.max_prompt_tokens; raise it or check the data"
        )
    return found


def reason_to_discard(answered: Answered, rules: FilterSettings | None) -> str | None:
    """Why a prompt is not learnt from, or None; the filter looks at accuracy alone, never at other rewards."""
    if not answered.prompt_tokens:
        return "unusable" if answered.broken else "too_long"
    if rules and answered.accuracy <= rules.low:
        return "all_wrong"
    if rules and answered.accuracy >= rules.high:
        return "all_right"
    return None


def collect(
    engine: Engine,
    model: VisionLanguageModel,
    data: Samples,
    position: int,
    settings: TrainSettings,
    step: int,
    ranks: Ranks,
) -> Experience:
    """Sample until the step has its prompts: those that fit, and with dynamic sampling those of mixed accuracy."""
    rules, wanted = settings.rollouts.filter, settings.rollouts.prompts
    kept: list[tuple[Sample, Answered]] = []
    discarded: list[Discarded] = []
    encoded: dict[str, Encoded] = {}
    generated, rounds = 0, rules.rounds if rules else REFILL_ROUNDS
    for number in range(rounds):
        samples = data.take(position, rules.prompts if rules else wanted - len(kept))
        position, generated = position + len(samples), generated + len(samples)
        seed = step_seed(settings, step) * 64 + number  # a prompt drawn twice in a step is answered anew
        answers = answer(engine, model, samples, settings, seed, ranks, encoded)
        data.count_broken([answered.broken for answered in answers if answered.broken])
        for answered in answers:
            sample = samples[answered.index]
            why = reason_to_discard(answered, rules) or ("surplus" if len(kept) == wanted else None)
            if why:
                discarded.append(Discarded(sample_id=sample.id, accuracy=answered.accuracy, why=why))
            else:
                kept.append((sample, answered))
        if len(kept) == wanted:
            used = {sample.id for sample, _ in kept}
            encoded = {name: prompt for name, prompt in encoded.items() if name in used}
            return experience_of(kept, discarded, generated, number + 1, position, encoded, settings)
    raise UserError(nothing_left(step, kept, discarded, settings))


def experience_of(
    kept: list[tuple[Sample, Answered]],
    discarded: list[Discarded],
    generated: int,
    rounds: int,
    position: int,
    encoded: dict[str, Encoded],
    settings: TrainSettings,
) -> Experience:
    """Return the kept prompts as blocks of rows with their rewards."""
    blocks: list[Block] = []
    rows: list[Row] = []
    ask = Ask(count=settings.rollouts.group)
    for number, (sample, answered) in enumerate(kept):
        start = len(rows)
        pairs = zip(answered.responses, answered.verdicts, strict=True)
        rows += [Row(sample=sample, ask=ask, response=response, verdict=verdict) for response, verdict in pairs]
        blocks.append(
            Block(
                sample=sample,
                prompt=number,
                rows=range(start, len(rows)),
                prompt_tokens=answered.prompt_tokens,
                responses=tuple(answered.responses),
            )
        )
    terms = {name: torch.tensor(piece.score(rows, None)) for name, piece in settings.rewards.items()}
    parts = (settings.rewards[name].weight * value for name, value in terms.items())
    reward_N = sum(parts, torch.zeros(len(rows)))
    if settings.rollouts.overlong:
        limit = settings.rollouts.sampling.max_new_tokens
        lengths = [len(row.response.token_ids) for row in rows]
        terms["overlong"] = torch.tensor([overlong_penalty(n, limit, settings.rollouts.overlong) for n in lengths])
        reward_N = reward_N + terms["overlong"]
    return Experience(
        samples=[sample for sample, _ in kept],
        blocks=blocks,
        verdicts=[row.verdict for row in rows],
        reward_terms=terms,
        reward_N=reward_N,
        accuracy_N=torch.tensor([float(row.verdict.correct) for row in rows]),
        group_N=torch.arange(len(kept)).repeat_interleave(settings.rollouts.group),
        role_coef={ANSWER: 1.0},
        discarded=discarded,
        generated=generated,
        rounds=rounds,
        position=position,
        encoded=encoded,
    )


def nothing_left(step: int, kept: list, discarded: list[Discarded], settings: TrainSettings) -> str:
    """The sentence of a step that could not be filled, with the histogram of what was found."""
    reasons = ", ".join(f"{count} {why}" for why, count in sorted(Counter(t.why for t in discarded).items()))
    if not settings.rollouts.filter:
        return (
            f"step {step} found {len(kept)} of {settings.rollouts.prompts} prompts within model.max_prompt_tokens "
            f"({reasons}); raise it or check the data"
        )
    histogram = Counter(round(t.accuracy, 2) for t in discarded if t.why in ("all_right", "all_wrong"))
    shown = ", ".join(f"{accuracy:.2f}: {count}" for accuracy, count in sorted(histogram.items()))
    return (
        f"step {step} found {len(kept)} of {settings.rollouts.prompts} prompts of mixed accuracy in "
        f"{settings.rollouts.filter.rounds} rounds (discarded away by accuracy {shown or 'none'}; {reasons}); take "
        "easier or harder data, more responses per prompt, or raise rollouts.filter.rounds"
    )
