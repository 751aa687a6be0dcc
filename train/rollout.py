"""One step's experience: samples, responses, verdicts, rewards."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from data import Sample
from models.encode import Encoded
from models.loader import VisionLanguageModel
from models.response import Response
from models.scoring import Group
from train.settings import TrainSettings
from verify import Verdict
from verify.judge import judge

REWARD_TERMS: dict[str, Callable[[Verdict], float]] = {
    "accuracy": lambda verdict: float(verdict.correct),
    "format": lambda verdict: float(verdict.format_ok),
}


@dataclass(frozen=True)
class Experience:
    """Responses in the order of their groups; G groups, N responses."""

    samples: list[Sample]
    groups: list[Group]
    responses: list[Response]
    verdicts: list[Verdict]
    reward_terms: dict[str, Tensor]  # [N] each
    reward_N: Tensor
    group_N: Tensor
    left_out: int  # prompts over the length limit

    def rows(self) -> list[dict]:
        """For the rollout files: what was asked, answered and decided."""
        by_id = {sample.id: sample for sample in self.samples}
        return [
            {**by_id[response.sample_id].record(), **response.record(), "verdict": vars(verdict), "reward": reward}
            for response, verdict, reward in zip(self.responses, self.verdicts, self.reward_N.tolist(), strict=True)
        ]


def step_seed(settings: TrainSettings, step: int) -> int:
    """All chance of a step (sampling, masks) comes from run seed and step, so a resumed run repeats it."""
    return settings.seed * 1_000_003 + step


def collect(model: VisionLanguageModel, samples: Sequence[Sample], settings: TrainSettings, step: int) -> Experience:
    """Sample a group of responses to every prompt and reward them."""
    kept, prompts, too_long = model.encoder.encode_within_limit(samples)
    count = settings.rollouts.group
    responses = model.sample(prompts, count, settings.rollouts.sampling, step_seed(settings, step))
    by_id = {sample.id: sample for sample in kept}
    verdicts = [judge(by_id[response.sample_id], response.text, settings.grader) for response in responses]
    terms = {name: torch.tensor([REWARD_TERMS[name](v) for v in verdicts]) for name in settings.rewards}
    reward_N = sum((settings.rewards[name] * value for name, value in terms.items()), torch.zeros(len(responses)))
    groups = [
        Group(prompt, [response.token_ids for response in responses[i * count : (i + 1) * count]])
        for i, prompt in enumerate(prompts)
    ]
    group_N = torch.arange(len(prompts)).repeat_interleave(count)
    return Experience(kept, groups, responses, verdicts, terms, reward_N, group_N, len(too_long))


def masked_groups(
    model: VisionLanguageModel, experience: Experience, settings: TrainSettings, view_name: str, step: int
) -> list[Group]:
    """The same responses behind corrupted pictures; one draw per prompt or, where asked for, per response."""
    view = settings.views[view_name]
    seed = step_seed(settings, step)
    groups: list[Group] = []
    for sample, group in zip(experience.samples, experience.groups, strict=True):
        if view.draw == "per_prompt":
            groups.append(Group(same_length(model.encoder.encode(sample, view, seed), group.prompt), group.responses))
        else:
            groups += [
                Group(same_length(model.encoder.encode(sample, view, seed, draw=k), group.prompt), [ids])
                for k, ids in enumerate(group.responses)
            ]
    return groups


def same_length(corrupted: Encoded, clean: Encoded) -> Encoded:
    """A view must keep the number of tokens, or the scores would not line up."""
    assert len(corrupted.ids) == len(clean.ids), f"view changed the prompt length of {clean.sample_id}"
    return corrupted
