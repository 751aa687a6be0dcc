"""Contexts that are no pictures: averages inside the model, and responses without what they say they see."""

import pytest
import torch
from transformers import AutoConfig

from common import UserError
from configs import compose
from data.parts import part_spans
from data.views import AverageValues, PatchBlack, Unread
from models.parts import Group
from models.scoring import Scores
from train.checks import check
from train.distributed import Ranks
from train.estimate_text import print_estimate
from train.loop import check_contexts, make_state, train
from train.needs import needs_of
from train.scoring.step import make_step
from train.settings import TrainSettings

SMALL = ["scale=mini", "rollouts.prompts=2", "rollouts.group=3", "optimiser.minibatch_prompts=2", "steps=2"]


def settings_of(*options: str) -> TrainSettings:
    return compose(TrainSettings, [*SMALL, *options])


def test_parts_are_what_stands_in_the_tags_or_behind_look():
    tagged = "<think> <perception>a red\nball</perception> so <perception> </perception> 1 </think> \\boxed{1}"
    assert [tagged[start:end] for start, end in part_spans(tagged, "perception")] == ["a red\nball"]
    chain = "<think> look : a = 2 , b = 4 . 2 + 4 = 6 . look : c = 1 . 6 + 1 = 7 </think> \\boxed{7}"
    assert [chain[start:end] for start, end in part_spans(chain, "facts")] == [" a = 2 , b = 4", " c = 1"]
    last = "<think> look : sign = + </think> \\boxed{+}"
    assert [last[start:end] for start, end in part_spans(last, "facts")] == [" sign = +"]
    assert part_spans("<think> guess : 7 </think> \\boxed{7}", "facts") == []
    assert part_spans("no form at all", "perception") == []


def test_what_is_left_of_a_response_scores_as_a_response_of_its_own():
    """The policy's step against scoring the shortened token ids directly; what is left out takes its clean score."""
    settings = settings_of("method=srpo")
    state = make_state(settings, Ranks())
    experience = state.collector.collect(0, 1)
    step = make_step(state.models, experience, settings, Ranks(), 1)
    view = settings.views["unread"]
    assert isinstance(view, Unread)
    shortened = 0
    for block in experience.blocks:
        prompt = experience.encoded[block.sample.id]
        for row, response in zip(block.rows, block.responses, strict=True):
            texts = state.model.token_texts(response.token_ids)
            spans = view.left_out("".join(texts))
            ends = torch.tensor([len(text) for text in texts]).cumsum(0).tolist()
            out = [any(start < end <= stop for start, stop in spans) for end in ends]
            kept = [token for token, gone in zip(response.token_ids, out, strict=True) if not gone]
            shortened += any(out)
            with torch.no_grad():
                alone = state.model.score([Group(prompt, [kept])]).logprobs_NT[0]
            found, clean = (step.fixed[name][row] for name in ("logp@unread", "logp"))
            gone_T = torch.tensor(out)
            torch.testing.assert_close(found[~gone_T], alone, atol=1e-5, rtol=0)
            assert torch.equal(found[gone_T], clean[gone_T])
    assert shortened >= 3  # the shipped base states facts
    marks, weight = step.weighed.table.marks["facts"], step.weighed.by_piece["roles"]
    lengths = step.weighed.table.length_N
    assert marks.any() and (weight.sum(1) / lengths - 1).abs().max() < 1e-5


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (["method=cfpo_g", "losses.perception_kl.gradient=both"], "without gradient"),
        (["method=cfpo_g", "views.counterfactual.draw=per_prompt"], "depends on each response"),
        (["method=srpo", "losses.terms.hold.kind=hold", "losses.terms.hold.view=unread"], "only weights may"),
        (["method=srpo", "weights.roles.read=entropy_gap@unread"], "only the policy's logp"),
        (["method=srpo", "rollouts.plan.view=unread"], "scores responses that are there"),
        (["method=srpo", "validate.view=unread"], "scores responses that are there"),
        (["method=vgs", "teacher=tiny", "views.none.kind=average_values"], "only the policy's logp"),
    ],
)
def test_contexts_that_cannot_be_scored_so_are_refused_before_anything_loads(options, said):
    with pytest.raises(UserError, match=said):
        check(settings_of(*options))


def test_a_family_in_which_a_view_cannot_act_is_refused_when_it_is_loaded(load_family):
    views = {"counterfactual": AverageValues(), "masked": PatchBlack()}
    check_contexts(load_family("qwen2_5_vl"), views)
    with pytest.raises(UserError, match="this family puts others between them"):
        check_contexts(load_family("idefics3"), views)


@pytest.mark.parametrize(
    ("method", "said"),
    [
        ("vgpo", "does not keep its blocks in one list of layers"),
        ("cfpo_g", "does not attend through transformers' interface"),
        ("papo_g_salient", "by rows and columns, which family florence2 does not give"),
    ],
)
def test_a_family_that_cannot_give_what_a_method_reads_is_refused_before_anything_loads(
    tmp_path, monkeypatch, method, said
):
    def refuse(*_: object) -> None:
        raise AssertionError("weights were loaded")

    AutoConfig.for_model("florence2").save_pretrained(tmp_path / "weights")
    settings = settings_of(f"method={method}", f"model.path={tmp_path / 'weights'}", f"run={tmp_path / 'run'}")
    monkeypatch.setattr("train.loop.load", refuse)
    for command in (train, print_estimate):
        with pytest.raises(UserError, match=said):
            command(settings)
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize(
    ("method", "responses"),
    [("cfpo_g", {"average_values": 1}), ("srpo", {"": 2, "unread": 1}), ("grpo", {})],
)
def test_a_step_scores_every_response_as_often_as_its_contexts_ask(method, responses):
    """Before the update: CFPO's context alone; SRPO the clean picture, the masked one and the shortened response."""
    settings = settings_of(f"method={method}")
    state = make_state(settings, Ranks())
    experience = state.collector.collect(0, 1)
    scorer, found = state.model.scorer, dict[str, int]()
    whole = sum(len(response.token_ids) for response in experience.responses)

    def counted(groups: list[Group], **options: object) -> Scores:
        tokens = sum(len(ids) for group in groups for ids in group.responses)
        kinds = {group.prompt.inside.kind if group.prompt.inside else "" for group in groups}
        name = "unread" if kinds == {""} and tokens < whole else kinds.pop()
        found[name] = found.get(name, 0) + sum(len(group.responses) for group in groups)
        return scorer(groups, **options)

    state.model.scorer = counted
    make_step(state.models, experience, settings, Ranks(), 1)
    assert found == {name: times * len(experience.responses) for name, times in responses.items()}


def test_contexts_cost_one_pass_each():
    assert [str(name) for name in needs_of(settings_of("method=cfpo_g")).of("policy")] == [
        "logp",
        "logp@counterfactual",
    ]
    names = [str(name) for name in needs_of(settings_of("method=srpo")).of("policy")]
    assert names == ["logp", "logp@masked", "logp@unread"]
