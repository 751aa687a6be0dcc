"""Pictures are made in threads ahead of the step: by whom, the same bits, and whose picture an error was about."""

import threading
from dataclasses import replace
from typing import Any

import pytest
import torch

from common import UserError
from configs import compose
from data.images import FileImage
from data.views import Blind, PatchBlack, View
from models.encode import Encoded, Encoder
from train.checkpoint import Progress
from train.distributed import Ranks
from train.experience import Experience
from train.loop import TrainState, make_state, one_step
from train.prompts import Prompts
from train.settings import TrainSettings


class Broken(PatchBlack):
    """Fails as a library does, with an error that knows no sample."""

    def apply(self, image: Any, look: Any) -> Any:
        raise ValueError("no such mode")


@pytest.fixture
def state(small_run: list[str]) -> TrainState:
    return make_state(compose(TrainSettings, [*small_run, "method=papo_g", "optimiser.minibatch_prompts=4"]), Ranks())


def experience_of(state: TrainState) -> Experience:
    return state.collector.collect(0, 1)


def tensors(prompts: list[Encoded]) -> list[torch.Tensor]:
    return [tensor for prompt in prompts for tensor in (prompt.ids, *prompt.vision.values())]


def prompts_of(state: TrainState, views: dict[str, View]) -> Prompts:
    return Prompts(state.model, replace(experience_of(state), encoded={}), views, seed=1)


def test_a_thread_makes_the_next_pictures_and_they_are_the_same(state, monkeypatch):
    views, parts = state.settings.views, [[0, 1], [2], [3]]
    makers, see_all = [], Encoder.see_all

    def watched(self: Encoder, *arguments: Any, **options: Any) -> list[Encoded]:
        makers.append(threading.current_thread())
        return see_all(self, *arguments, **options)

    monkeypatch.setattr(Encoder, "see_all", watched)
    plain, ahead = prompts_of(state, views), prompts_of(state, views)
    wanted = [plain.sides(("clean", "masked"), part) for part in parts]
    assert set(makers) == {threading.main_thread()}
    makers.clear()
    found = list(ahead.ahead(lambda part: ahead.sides(("clean", "masked"), part), parts))
    assert threading.main_thread() not in makers and len(makers) == len(parts)
    assert [part for part, _ in found] == parts
    for (_, sides), own in zip(found, wanted, strict=True):
        for view, groups in own.items():
            pairs = zip(tensors([g.prompt for g in groups]), tensors([g.prompt for g in sides[view]]), strict=True)
            assert all(torch.equal(one, other) for one, other in pairs)
            assert [group.responses for group in groups] == [group.responses for group in sides[view]]


def test_views_that_ask_the_model_are_made_when_they_are_wanted(state):
    prompts = prompts_of(state, {"blind": Blind()})
    found = prompts.ahead(lambda part: threading.current_thread(), [[0], [1]])
    assert [thread for _, thread in found] == [threading.main_thread()] * 2


def test_an_error_in_a_thread_names_the_sample(state):
    prompts = prompts_of(state, {"broken": Broken()})
    name = prompts.experience.blocks[1].sample.id
    with pytest.raises(ValueError, match="no such mode") as caught:
        list(prompts.ahead(lambda part: prompts.sides(("broken",), part), [[1]]))
    assert caught.value.__notes__ == [f"picture 0 of sample {name}"]
    missing = replace(prompts.experience.blocks[0].sample, images=[FileImage("gone.png", "row 7")])
    found = state.model.encoder.prepare_all([missing, prompts.experience.blocks[1].sample])
    assert isinstance(found[0], UserError) and "gone.png does not exist (needed by row 7)" in str(found[0])
    assert found[1].sample.id == name


def test_a_round_that_was_begun_before_gives_the_same_step(state):
    wanted = state.collector.collect(4, 2)
    found = state.collector.collect(4, 2, state.collector.begin(4, 2))
    assert found.samples == wanted.samples and found.blocks == wanted.blocks and found.position == wanted.position
    assert torch.equal(found.reward_N, wanted.reward_N) and found.encoded.keys() == wanted.encoded.keys()
    pairs = zip(tensors(list(found.encoded.values())), tensors(list(wanted.encoded.values())), strict=True)
    assert all(torch.equal(one, other) for one, other in pairs)


def test_a_step_begins_the_next_ones_round_beside_its_updates(state, monkeypatch):
    """The round's pictures are opened in a thread before the first update; the last step begins none."""
    order, prepare_all, update = [], Encoder.prepare_all, state.updater.step
    opened = threading.Event()

    def opens(self: Encoder, samples: list) -> list:
        found = prepare_all(self, samples)
        if samples:
            order.append(threading.current_thread())
        if threading.current_thread() is not threading.main_thread():
            opened.set()
        return found

    def updates(step: Any) -> Any:
        assert opened.wait(30) or step.number == 2
        return update(step)

    monkeypatch.setattr(Encoder, "prepare_all", opens)
    monkeypatch.setattr(state.updater, "step", updates)
    state.settings = replace(state.settings, steps=2)
    place = one_step(state, Progress(), None)
    begun = state.begun.result()
    assert order[0] is threading.main_thread() is not order[1] and len(order) == 2
    assert begun.samples == state.data.take(place.position, 4)
    one_step(state, place, None)
    assert state.begun is None
