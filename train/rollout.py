"""One step's experience: samples, responses, verdicts, rewards; sampled again until the step is full.

Every process answers its share of the prompts and tells the others what came out. Pictures do not travel: whoever
needs an encoded prompt makes it from the sample, and keeps it for the step.
"""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field

import torch
from torch import Tensor

from common import UserError
from data import Sample
from data.sources import Samples
from models.encode import Encoded
from models.engine import Engine
from models.loader import VisionLanguageModel
from models.response import Response
from models.scoring import Group
from train.distributed import Ranks
from train.rewards import REWARD_TERMS, overlong_penalty
from train.settings import FilterSettings, TrainSettings
from verify import Verdict
from verify.samples import grade_sample

CLEAN = "clean"  # the prompt as it is, beside the names of views
Wanted = tuple[str, int]  # what is scored (CLEAN or a view's name), and of which group
REFILL_ROUNDS = 20  # without dynamic sampling: how often prompts over the length limit are replaced


@dataclass(frozen=True)
class Answered:
    """What one process found out about one prompt; light enough to travel."""

    index: int  # among the samples of the round
    prompt_tokens: int  # 0 marks a prompt over the length limit, which has no responses
    responses: list[Response]
    verdicts: list[Verdict]

    @property
    def accuracy(self) -> float:
        return sum(verdict.correct for verdict in self.verdicts) / max(1, len(self.verdicts))


@dataclass(frozen=True)
class Discarded:
    """A prompt that was sampled and not learnt from."""

    sample_id: str
    accuracy: float
    why: str  # all_right, all_wrong, too_long or surplus


@dataclass
class Experience:
    """G groups and their N responses, the same on every process; encoded prompts only where they were needed."""

    samples: list[Sample]
    responses: list[Response]
    verdicts: list[Verdict]
    prompt_tokens: list[int]  # [G]
    reward_terms: dict[str, Tensor]  # [N] each
    reward_N: Tensor
    accuracy_N: Tensor
    group_N: Tensor
    discarded: list[Discarded]
    generated: int  # prompts sampled to fill the step
    rounds: int
    position: int  # where the next step's data begin
    encoded: dict[str, Encoded] = field(default_factory=dict)

    @property
    def count(self) -> int:
        """Responses per group."""
        return len(self.responses) // len(self.samples)

    def rows_of(self, group: int) -> range:
        return range(group * self.count, (group + 1) * self.count)

    def token_ids(self, group: int) -> list[list[int]]:
        return [self.responses[row].token_ids for row in self.rows_of(group)]

    def tokens(self, group: int) -> int:
        """How long a packed row of this group is."""
        return self.prompt_tokens[group] + sum(map(len, self.token_ids(group)))

    def group(self, model: VisionLanguageModel, group: int) -> Group:
        """The prompt as it is and its responses."""
        sample = self.samples[group]
        if sample.id not in self.encoded:
            self.encoded[sample.id] = model.encoder.encode(sample)
        return Group(self.encoded[sample.id], self.token_ids(group))

    def groups(
        self, model: VisionLanguageModel, wanted: Sequence[Wanted], settings: TrainSettings, step: int
    ) -> list[list[Group]]:
        """For each wanted: the responses behind the prompt as it is, or behind corrupted pictures."""
        clean = {g: self.group(model, g) for _, g in wanted}
        seen: dict[Wanted, list[Group]] = {}
        for kind in dict.fromkeys(kind for kind, _ in wanted if kind != CLEAN):
            seen |= self.corrupted(model, kind, [g for name, g in wanted if name == kind], settings, step)
        return [[clean[g]] if kind == CLEAN else seen[kind, g] for kind, g in wanted]

    def corrupted(
        self, model: VisionLanguageModel, kind: str, groups: Sequence[int], settings: TrainSettings, step: int
    ) -> dict[Wanted, list[Group]]:
        """The responses behind corrupted pictures: one draw per prompt or per response."""
        view, drawn = settings.views[kind], {}
        for g in groups:
            answers = self.token_ids(g)
            drawn[g] = [(0, answers)] if view.draw == "per_prompt" else [(k, [ids]) for k, ids in enumerate(answers)]
        asked = [(self.samples[g], self.group(model, g).prompt, draw) for g in groups for draw, _ in drawn[g]]
        prompts = iter(model.encoder.see_all(asked, view, step_seed(settings, step)))
        found = {(kind, g): [Group(next(prompts), answers) for _, answers in drawn[g]] for g in groups}
        for (_, g), own in found.items():  # a view must keep the number of tokens, or the scores would not line up
            same = all(len(one.prompt.ids) == self.prompt_tokens[g] for one in own)
            assert same, f"a view changed the length of {self.samples[g].id}"
        return found


def step_seed(settings: TrainSettings, step: int) -> int:
    """All chance of a step (sampling, masks) comes from run seed and step, so a resumed run repeats it."""
    return settings.seed * 1_000_003 + step


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
    prompts = {index: model.encoder.encode(samples[index]) for index in mine}
    fitting = [index for index in mine if model.encoder.fits(prompts[index])]
    responses = engine.sample([prompts[i] for i in fitting], count, settings.rollouts.sampling, seed)
    found = [Answered(index, 0, [], []) for index in mine if index not in fitting]
    for place, index in enumerate(fitting):
        own = responses[place * count : (place + 1) * count]
        verdicts = [grade_sample(samples[index], response.text, settings.grader) for response in own]
        found.append(Answered(index, len(prompts[index].ids), own, verdicts))
        encoded[samples[index].id] = prompts[index]
    return sorted(ranks.gather(found), key=lambda answered: answered.index)


def reason_to_discard(answered: Answered, rules: FilterSettings | None) -> str | None:
    """Why a prompt is not learnt from, or None; the filter looks at accuracy alone, never at other rewards."""
    if not answered.prompt_tokens:
        return "too_long"
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
        for answered in answer(engine, model, samples, settings, seed, ranks, encoded):
            sample = samples[answered.index]
            why = reason_to_discard(answered, rules) or ("surplus" if len(kept) == wanted else None)
            if why:
                discarded.append(Discarded(sample.id, answered.accuracy, why))
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
    """The kept groups with their rewards."""
    responses = [response for _, answered in kept for response in answered.responses]
    verdicts = [verdict for _, answered in kept for verdict in answered.verdicts]
    terms = {name: torch.tensor([REWARD_TERMS[name](v) for v in verdicts]) for name in settings.rewards}
    reward_N = sum((settings.rewards[name] * value for name, value in terms.items()), torch.zeros(len(responses)))
    if settings.rollouts.overlong:
        limit = settings.rollouts.sampling.max_new_tokens
        lengths = [len(response.token_ids) for response in responses]
        terms["overlong"] = torch.tensor([overlong_penalty(n, limit, settings.rollouts.overlong) for n in lengths])
        reward_N = reward_N + terms["overlong"]
    return Experience(
        [sample for sample, _ in kept],
        responses,
        verdicts,
        [answered.prompt_tokens for _, answered in kept],
        terms,
        reward_N,
        torch.tensor([float(v.correct) for v in verdicts]),
        torch.arange(len(kept)).repeat_interleave(settings.rollouts.group),
        discarded,
        generated,
        rounds,
        position,
        encoded,
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
