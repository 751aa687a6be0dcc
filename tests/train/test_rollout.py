"""Filling a step: dynamic sampling, refill, what is discarded away, the overlong penalty."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from common import UserError
from configs import compose
from data import Sample
from data.sources import Samples
from models.encode import Unmade
from models.response import Response
from tests.train.collecting import collect
from train.distributed import Ranks
from train.rewards import OverlongSettings, overlong_penalty
from train.settings import TrainSettings
from train.tracking import experience_metrics
from train.usable import usable_prompts


class PlannedEngine:
    """Answers as told: `right(sample, k)` says whether response k is the right one."""

    def __init__(self, samples: dict[str, Sample], right: Callable[[Sample, int], bool], length: int = 3):
        self.samples, self.right, self.length = samples, right, length

    def sample_each(self, wanted, settings, seed) -> list[list[Response]]:
        return [[self.response(one.prompt.sample_id, k, one.view) for k in one.numbers] for one in wanted]

    def response(self, name: str, k: int, view: str) -> Response:
        sample = self.samples[name]
        answer = sample.answer if self.right(sample, k) else "wrong"
        text = f"<think> x </think> \\boxed{{{answer}}}"
        return Response(name, k, view, text, [40 + k] * self.length, [-1.0] * self.length, "stop")

    def sync(self, weights) -> None: ...
    def sleep(self) -> None: ...
    def wake(self) -> None: ...


def prepared(options: list[str], right: Callable[[Sample, int], bool]) -> tuple[TrainSettings, Samples, PlannedEngine]:
    settings = compose(
        TrainSettings,
        ["scale=mini", "rollouts.prompts=6", "rollouts.group=4", "optimiser.minibatch_prompts=6", *options],
    )
    data = Samples(settings.data, 0)
    return settings, data, PlannedEngine({s.id: s for s in data.take(0, 200)}, right)


FILTER = ["rollouts.filter.prompts=4", "rollouts.filter.rounds=6"]


def number(sample: Sample, stream: list[Sample]) -> int:
    return [s.id for s in stream].index(sample.id)


def test_dynamic_sampling_keeps_mixed_groups_refills_and_cuts_the_surplus(random_tiny):
    stream = Samples(compose(TrainSettings, []).data, 0).take(0, 40)
    place = {sample.id: n for n, sample in enumerate(stream)}

    def right(sample: Sample, k: int) -> bool:
        kind = place[sample.id] % 4  # of four prompts: all right, all wrong, two mixed
        return kind == 0 or (kind >= 2 and k == 0)

    settings, data, engine = prepared(FILTER, right)
    found = collect(engine, random_tiny, data, 0, settings, 1)
    assert [place[s.id] for s in found.samples] == [2, 3, 6, 7, 10, 11]
    assert (found.rounds, found.generated, found.position) == (3, 12, 12)
    assert [(t.why, place[t.sample_id]) for t in found.discarded] == [
        ("all_right", 0),
        ("all_wrong", 1),
        ("all_right", 4),
        ("all_wrong", 5),
        ("all_right", 8),
        ("all_wrong", 9),
    ]
    assert found.accuracy_N.tolist() == [1, 0, 0, 0] * 6
    again = collect(engine, random_tiny, data, found.position, settings, 2)
    assert place[again.samples[0].id] == 14  # the next step goes on in the data where this one ended


def test_the_filter_looks_at_accuracy_and_not_at_the_format_reward(random_tiny):
    settings, data, engine = prepared(FILTER, lambda sample, k: False)
    with pytest.raises(UserError, match=r"found 0 of 6 prompts of mixed accuracy in 6 rounds .*0\.00: 24"):
        collect(engine, random_tiny, data, 0, settings, 1)


def test_surplus_is_logged(random_tiny):
    settings, data, engine = prepared(FILTER, lambda sample, k: k == 0)
    found = collect(engine, random_tiny, data, 0, settings, 1)
    assert len(found.samples) == 6 and [t.why for t in found.discarded] == ["surplus", "surplus"]


def test_prompts_over_the_limit_are_replaced_and_counted(random_tiny):
    settings, data, engine = prepared([], lambda sample, k: k == 0)
    lengths = [len(random_tiny.encoder.encode(s).ids) for s in data.take(0, 6)]
    limit = sorted(lengths)[3]
    random_tiny.encoder.settings = replace(random_tiny.settings, max_prompt_tokens=limit)
    found = collect(engine, random_tiny, data, 0, settings, 1)
    assert len(found.samples) == 6 and max(block.prompt_tokens for block in found.blocks) <= limit
    assert {t.why for t in found.discarded} == {"too_long"} and found.generated == 6 + len(found.discarded)
    random_tiny.encoder.settings = replace(random_tiny.settings, max_prompt_tokens=3)
    with pytest.raises(UserError, match=r"found 0 of 6 prompts .*raise model\.max_prompt_tokens"):
        collect(engine, random_tiny, data, 0, settings, 1)


def test_pictures_that_cannot_be_used_are_replaced_and_counted_up_to_a_share(random_tiny, monkeypatch):
    settings, data, engine = prepared([], lambda sample, k: k == 0)
    stream, prepare, taken = [s.id for s in data.take(0, 40)], random_tiny.encoder.prepare, data.taken

    def fails(sample: Sample, *args: Any, **options: Any) -> Unmade:
        if sample.id in (stream[1], stream[7]):
            raise UserError(f"{sample.id} is no picture")
        return prepare(sample, *args, **options)

    monkeypatch.setattr(random_tiny.encoder, "prepare", fails)
    found = collect(engine, random_tiny, data, 0, settings, 1)
    assert [s.id for s in found.samples] == [stream[n] for n in (0, 2, 3, 4, 5, 6)]
    assert [(t.why, t.sample_id) for t in found.discarded] == [("unusable", stream[1])]
    assert (data.broken, data.taken - taken) == (1, 7)
    assert experience_metrics(found)["filter/unusable"] == 1
    assert [p.sample_id for p in usable_prompts(random_tiny, data, 3)] == [stream[n] for n in (0, 2, 3)]
    monkeypatch.setattr(random_tiny.encoder, "prepare", lambda sample: fails(data.take(1, 1)[0]))
    with pytest.raises(UserError, match=rf"{stream[1]} is no picture \(\d+ of the last \d+ samples cannot be used"):
        collect(engine, random_tiny, data, 0, settings, 2)


def test_the_overlong_penalty_is_dapos_ramp(random_tiny):
    rules = OverlongSettings(buffer=4, factor=0.5)
    assert [overlong_penalty(n, 20, rules) for n in (10, 16, 17, 18, 20)] == [0, 0, -0.125, -0.25, -0.5]
    settings, data, engine = prepared(
        ["rollouts.overlong.buffer=4", "rollouts.sampling.max_new_tokens=8"], lambda sample, k: True
    )
    engine.length = 6
    found = collect(engine, random_tiny, data, 0, settings, 1)
    assert found.reward_N.tolist() == pytest.approx([1.0 - 0.5] * 24)  # two of four buffer tokens used, factor 1


def test_every_process_sees_the_same_experience(random_tiny):
    """Two worlds of two, exchanging by hand, against one world of one."""
    settings, data, engine = prepared([], lambda sample, k: (k + number(sample, stream)) % 2 == 0)
    stream = data.take(0, 6)
    whole = collect(engine, random_tiny, data, 0, settings, 1)
    parts = {rank: Ranks(rank, 2).mine(range(6)) for rank in (0, 1)}
    assert parts == {0: [0, 2, 4], 1: [1, 3, 5]}
    assert [block.tokens for block in whole.blocks] == [block.prompt_tokens + 12 for block in whole.blocks]
    assert [len(block.rows) for block in whole.blocks] == [4] * 6
