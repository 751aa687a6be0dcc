"""Plans: what is asked, on which picture, how rows become blocks and groups, and what the public code gets wrong."""

from collections.abc import Callable
from dataclasses import replace

import pytest
import torch

from common import UserError, read_jsonl
from configs import compose
from data import Sample
from data.sources import Samples
from models.response import Response
from tests.train.collecting import collect
from train.distributed import Ranks
from train.experience import Experience
from train.needs import check_pieces
from train.plans.reread import described
from train.prompts import Prompts
from train.settings import TrainSettings
from train.tracking import write_rollouts

Say = Callable[[str, int, str], str]


class Engine:
    """Answers by `say(sampler id, k, view)` and remembers each call: ids, ks and views, and what the prompts show."""

    def __init__(self, say: Say):
        self.say, self.calls, self.prompts = say, [], []

    def sample_each(self, wanted, settings, seed):
        self.calls.append([(one.prompt.sample_id, list(one.numbers), one.view) for one in wanted])
        self.prompts += [(one.view, one.prompt) for one in wanted]
        return [[self.response(one.prompt.sample_id, k, one.view) for k in one.numbers] for one in wanted]

    def response(self, name, k, view):
        return Response(name, k, view, self.say(name, k, view), [5 + k], [-1.0], "stop")


def settings_of(*options: str, group: int = 4) -> TrainSettings:
    common = ["scale=mini", "rollouts.prompts=4", f"rollouts.group={group}", "optimiser.minibatch_prompts=4"]
    settings = compose(TrainSettings, [*common, *options])
    check_pieces(settings)
    return settings


def golds(settings: TrainSettings) -> dict[str, Sample]:
    return {sample.id: sample for sample in Samples(settings.data, 0).take(0, 400)}


def run(model, settings: TrainSettings, say: Say, step: int = 1, **more) -> tuple[Experience, Engine]:
    engine = Engine(say)
    return collect(engine, model, Samples(settings.data, 0), 0, settings, step, Ranks(), **more), engine


def half_right(settings: TrainSettings) -> Say:
    """Even answers are right; every other kind of question is answered with nothing."""
    known = golds(settings)
    return lambda name, k, view: (
        f"<think> x </think> \\boxed{{{known[name].answer if k % 2 == 0 else 'wrong'}}}"
        if name in known
        else "nothing"
    )


def same(one: Experience, other: Experience) -> None:
    """What learning sees of two experiences is equal, bit for bit."""
    for name in ("reward_N", "accuracy_N", "group_N", "role_N", "prompt_N"):
        assert torch.equal(getattr(one, name), getattr(other, name)), name
    assert [(b.sample, b.rows, b.role, b.view, b.prompt_tokens) for b in one.blocks] == [
        (b.sample, b.rows, b.role, b.view, b.prompt_tokens) for b in other.blocks
    ]
    assert [(r.k, r.text, r.token_ids) for r in one.responses] == [(r.k, r.text, r.token_ids) for r in other.responses]
    assert one.discarded == other.discarded and one.position == other.position


# NoisyRollout


def test_noisy_answers_join_the_clean_ones_in_one_block_and_group(random_tiny):
    settings = settings_of("views.noisy={kind: gauss, strength: 200}", "rollouts.plan={kind: noisy}")
    found, engine = run(random_tiny, settings, half_right(settings))
    (call,) = engine.calls
    assert [(ks, view) for _, ks, view in call] == [([0, 1], "clean")] * 4 + [([2, 3], "noisy")] * 4  # k counts on
    assert [len(block.rows) for block in found.blocks] == [4] * 4 and len(found.group_N.unique()) == 4
    assert [(r.k, r.view) for r in found.blocks[0].responses] == [
        (0, "clean"),
        (1, "clean"),
        (2, "noisy"),
        (3, "noisy"),
    ]


def test_noisy_pictures_are_never_trained_on(random_tiny):
    """The trap: the sampler's pictures handed to the learner. Blocks are clean, and so are the kept prompts."""
    settings = settings_of("views.noisy={kind: gauss, strength: 200}", "rollouts.plan={kind: noisy}")
    found, engine = run(random_tiny, settings, half_right(settings))
    noisy = {prompt.sample_id: prompt for view, prompt in engine.prompts if view == "noisy"}
    for block in found.blocks:
        clean = random_tiny.encoder.encode(block.sample).vision["pixel_values"]
        assert block.view == "clean" and torch.equal(found.encoded[block.sample.id].vision["pixel_values"], clean)
        assert not torch.equal(noisy[block.sample.id].vision["pixel_values"], clean)


def test_without_noise_noisy_rollouts_are_the_plain_ones(random_tiny):
    plain = settings_of()
    neutral = settings_of("views.noisy={kind: gauss, strength: 0}", "rollouts.plan={kind: noisy}")
    none = settings_of("views.noisy={kind: gauss}", "rollouts.plan={kind: noisy, share: 0}")
    one, _ = run(random_tiny, plain, half_right(plain))
    for settings in (neutral, none):
        other, _ = run(random_tiny, settings, half_right(settings))
        same(one, other)
        for name, prompt in one.encoded.items():
            assert prompt.key == other.encoded[name].key


def test_the_recipe_stops_adding_noise_in_time(random_tiny):
    """At the end of training the noisy picture is the clean one, at the beginning it is not."""
    settings = settings_of("method=noisyrollout")
    for step, alike in ((1, False), (settings.steps, True)):
        _, engine = run(random_tiny, settings, half_right(settings), step=step)
        seen = {(view, prompt.sample_id): prompt.key for view, prompt in engine.prompts}
        clean = [name for view, name in seen if view == "clean"]
        assert [seen["clean", name] == seen["noisy", name] for name in clean] == [alike] * 4


# Fine-R1's triplets

TRIPLET = (
    "views.positive={kind: unchanged, source: 'column:positive'}",
    "views.negative={kind: unchanged, source: 'column:negative'}",
    "losses.perception_kl={view: negative, coef: 0.01, gradient: clean}",
)


def triplet(plan: str = "") -> TrainSettings:
    return settings_of(*TRIPLET, f"rollouts.plan={{kind: triplet{plan}}}")


def pixels(model, sample: Sample, column: str | None) -> torch.Tensor:
    images = sample.images if column is None else tuple(sample.columns[column])
    return model.encoder.encode(replace(sample, images=images)).vision["pixel_values"]


def test_answers_to_a_positive_are_compared_with_the_others_and_learn_behind_it(random_tiny):
    """The trap of reading the paper's text alone: positives trained behind the anchor's picture."""
    settings = triplet()
    found, engine = run(random_tiny, settings, half_right(settings))
    (call,) = engine.calls
    assert [(ks, view) for _, ks, view in call] == [([0, 1], "clean")] * 4 + [([2, 3], "positive")] * 4
    assert [(block.prompt, block.view, len(block.rows)) for block in found.blocks] == [
        (prompt, view, 2) for prompt in range(4) for view in ("clean", "positive")
    ]
    assert found.group_N.tolist() == [prompt for prompt in range(4) for _ in range(4)]
    prompts = Prompts(random_tiny, found, settings.views, seed=1)
    for number, block in enumerate(found.blocks):
        ((own,), (negative,)) = prompts.groups([("clean", number), ("negative", number)])
        column = None if block.view == "clean" else "positive"
        assert torch.equal(own.prompt.vision["pixel_values"], pixels(random_tiny, block.sample, column))
        assert torch.equal(negative.prompt.vision["pixel_values"], pixels(random_tiny, block.sample, "negative"))


def test_positives_may_learn_behind_the_anchor(random_tiny):
    settings = triplet(", train_on: anchor")
    found, engine = run(random_tiny, settings, half_right(settings))
    assert {view for call in engine.calls for _, _, view in call} == {"clean", "positive"}
    assert [(block.view, len(block.rows)) for block in found.blocks] == [("clean", 4)] * 4


def test_without_positives_triplets_are_plain_rollouts(random_tiny):
    plain, none = settings_of(*TRIPLET), triplet(", share: 0")
    one, _ = run(random_tiny, plain, half_right(plain))
    other, _ = run(random_tiny, none, half_right(none))
    same(one, other)


# Blind training


def test_blind_training_samples_and_trains_behind_the_same_picture(random_tiny):
    settings = settings_of("views.dark={kind: patch_black}", "rollouts.plan={kind: plain, view: dark}")
    found, engine = run(random_tiny, settings, half_right(settings), step=3)
    assert {block.view for block in found.blocks} == {"dark"} and {view for view, _ in engine.prompts} == {"dark"}
    from train.prompts import Prompts

    prompts = Prompts(random_tiny, found, settings.views, settings.step_seed(3))
    trained = [groups[0].prompt for groups in prompts.groups([("clean", b) for b in range(4)])]
    assert [prompt.key for prompt in trained] == [prompt.key for _, prompt in engine.prompts]


# Vision-SR1, RACRO


def seeing(settings: TrainSettings) -> Say:
    """Describe with tags in answers 0 and 1, without in 2 and 3; the reader is always right."""
    known = golds(settings)

    def say(name: str, k: int, view: str) -> str:
        if "#" in name:
            return f"\\boxed{{{known[name.split('#')[0]].answer}}}"
        seen = "<description> a b </description>" if k < 2 else "a b"
        return f"{seen} <think> x </think> \\boxed{{{known[name].answer if k % 2 == 0 else 'wrong'}}}"

    return say


REREAD = ["rewards={accuracy: 0.9, format: {kind: described, weight: 0.1}, reread: 1.0}", "rollouts.plan.kind=reread"]


def test_descriptions_are_read_without_picture_and_earn_what_the_reading_earns(random_tiny):
    settings = settings_of(*REREAD)
    found, engine = run(random_tiny, settings, seeing(settings))
    assert found.reward_terms["reread"].tolist() == [1, 1, 0, 0] * 4
    assert found.reward_N.tolist() == pytest.approx([2.0, 1.1, 0.9, 0.0] * 4)
    read = [prompt for _, prompt in engine.prompts if "#reader" in prompt.sample_id]
    assert len(read) == 8 and all(not prompt.images and "a b" in prompt.text for prompt in read)
    assert len(engine.calls) == 2 and found.roles == ["answer"] and len(found.extra_rows) == 8
    assert [row["parent"] for row in found.extra_rows[:2]] == [0, 1]


def test_readings_are_written_beside_the_record_of_a_step(random_tiny, tmp_path):
    settings = settings_of(*REREAD)
    found, _ = run(random_tiny, settings, seeing(settings))
    width = max(len(response.token_ids) for response in found.responses)
    write_rollouts(tmp_path, found, 3, torch.zeros(len(found.responses), width))
    written = list(read_jsonl(tmp_path / "rollouts" / "step_000003.extra.jsonl"))
    assert len(written) == 8 and {row["role"] for row in written} == {"reader"}
    assert [row["parent"] for row in written[:2]] == [0, 1] and all("correct" in row["verdict"] for row in written)


def test_an_answer_without_a_description_leaks_nothing_to_the_reader(random_tiny):
    """The trap: without tags the public code reads the whole answer, boxed gold included."""
    settings = settings_of(*REREAD)
    known = golds(settings)
    found, engine = run(random_tiny, settings, lambda name, k, view: f"\\boxed{{{known[name.split('#')[0]].answer}}}")
    assert found.reward_terms["reread"].sum() == 0 and found.accuracy_N.sum() == 16
    assert not [prompt for _, prompt in engine.prompts if "#" in prompt.sample_id]
    assert described("<description> w = 5 </description> \\boxed{7}", "description") == "w = 5"
    assert described("<description> w = 5 \\boxed{7}", "description") is None


def test_a_description_that_holds_the_answer_may_be_denied(random_tiny):
    settings = settings_of(*REREAD, "rollouts.plan.deny_answer=true")
    known = golds(settings)
    say = seeing(settings)
    found, _ = run(
        random_tiny, settings, lambda n, k, v: say(n, k, v).replace("a b", f"it is {known[n.split('#')[0]].answer} !")
    )
    assert found.reward_terms["reread"].sum() == 0


def test_a_reward_of_weight_zero_leaves_the_base_as_it_is(random_tiny):
    """Vision-SR1 M: the readings take none of the answers' random numbers."""
    plain = settings_of()
    options = ["rewards={accuracy: 0.9, format: 0.1, reread: 0.0}", "rollouts.plan={kind: reread, prompt: own}"]
    neutral = settings_of(*options)
    one, _ = run(random_tiny, plain, seeing(plain))
    other, engine = run(random_tiny, neutral, seeing(neutral))
    same(one, other)
    assert len(engine.calls) == 2 and other.role_coef["answer"] == 1.0
    facts = settings_of("rewards={accuracy: 0.9, format: 0.1, facts: {kind: facts, by: rule, weight: 0.0}}")
    same(one, run(random_tiny, facts, seeing(facts))[0])


def test_trained_readings_are_a_role_with_blocks_and_groups_of_their_own(random_tiny):
    settings = settings_of("method=vision_sr1_p", "rollouts.plan.part=description", "rollouts.plan.prompt=see_first")
    found, _ = run(random_tiny, settings, seeing(settings))
    assert found.roles == ["answer", "reader"] and found.role_coef == {"answer": 0.5, "reader": 0.5}
    assert [(block.role, len(block.rows)) for block in found.blocks[:3]] == [
        ("answer", 4),
        ("reader", 1),
        ("reader", 1),
    ]
    assert found.group_N[:6].tolist() == [0, 0, 0, 0, 1, 1] and found.group_N.unique().numel() == 8
    assert found.role_N[:6].tolist() == [0, 0, 0, 0, 1, 1]
    assert not found.blocks[1].sample.images and found.blocks[1].sample.id != found.blocks[2].sample.id
    assert found.reward_N[:6].tolist() == pytest.approx([1.0, 0.1, 0.9, 0.0, 0.9, 0.9])


def test_the_rule_reads_the_facts_of_a_chain(random_tiny):
    settings = settings_of("method=vision_sr1_m")
    known = golds(settings)

    def say(name: str, k: int, view: str) -> str:
        facts = dict(known[name].facts)
        facts = facts if k == 0 else dict.fromkeys(facts, "77")
        return f"<think> look : {' , '.join(f'{a} = {b}' for a, b in facts.items())} </think> \\boxed{{nothing}}"

    found, engine = run(random_tiny, settings, say)
    assert found.reward_terms["reread"].reshape(4, 4)[:, 0].tolist() == [1.0] * 4
    assert found.reward_terms["reread"].reshape(4, 4)[:, 1:].sum() == 0 and len(engine.calls) == 1


def test_only_own_readings_can_be_trained():
    with pytest.raises(UserError, match="train_reader"):
        settings_of("rollouts.plan={kind: reread, reader: rule, train_reader: true}")


# PEARL


def checklists(settings: TrainSettings, right: Callable[[int, int], bool]) -> Say:
    """Answer question n of problem number p right if `right(p, n)`; the problem itself every second time."""
    known = golds(settings)
    place = {name: n for n, name in enumerate(known)}

    def say(name: str, k: int, view: str) -> str:
        if "#" not in name:
            return f"<think> x </think> \\boxed{{{known[name].answer if k % 2 == 0 else 'wrong'}}}"
        sample = known[name.split("#")[0]]
        probes = enumerate(sample.columns["probes"], 1)
        return "".join(f"<a{n}>{p['a'] if right(place[sample.id], n) else 'wrong'}</a{n}>" for n, p in probes)

    return say


PEARL = ["method=pearl", "rollouts.plan.ask=together", "rollouts.filter.prompts=4", "rollouts.filter.rounds=6"]


def test_the_checklist_gates_problems_and_has_a_branch_of_its_own(random_tiny):
    settings = settings_of(*PEARL, "rollouts.plan.bypass=0")
    found, engine = run(random_tiny, settings, checklists(settings, lambda p, n: p % 2 == 1 and n < 3))
    assert {one.why for one in found.discarded} == {"gated"} and len(found.samples) == 4 and found.rounds == 2
    assert found.roles == ["answer", "checklist"] and found.role_coef == {"answer": 1.0, "checklist": 0.1}
    assert [(block.role, len(block.rows)) for block in found.blocks[:2]] == [("checklist", 4), ("answer", 4)]
    assert found.reward_terms["checklist"][:8].tolist() == [0.5] * 4 + [0] * 4
    assert found.reward_N[:8].tolist() == pytest.approx([0.5] * 4 + [1.0, 0.1] * 2)
    assert found.group_N.unique().numel() == 8
    asked = [[name for name, _, _ in call] for call in engine.calls]
    assert [len(names) for names in asked] == [4, 2, 4, 2]  # those behind the gate were not asked to reason


def test_a_gated_checklist_may_be_trained_alone(random_tiny):
    settings = settings_of(*PEARL, "rollouts.plan.bypass=0", "rollouts.plan.train_gated=true", "rollouts.filter=null")
    found, _ = run(random_tiny, settings, checklists(settings, lambda p, n: p % 2 == 1))
    assert not found.discarded and [len(found.rows_of_prompt(g)) for g in range(4)] == [4, 8, 4, 8]
    assert found.mean_of_prompts(found.accuracy_N) == [0.5, 0.5]


def test_the_filter_keeps_what_is_mixed_in_any_of_its_terms(random_tiny):
    settings = settings_of(*PEARL)
    known = golds(settings)
    say = checklists(settings, lambda p, n: n == 1 or p % 2 == 1)

    def always_right(name: str, k: int, view: str) -> str:
        return say(name, k, view) if "#" in name else f"\\boxed{{{known[name].answer}}}"

    found, _ = run(random_tiny, settings, always_right)
    assert {one.why for one in found.discarded} == {"all_right"}
    assert found.accuracy_N.reshape(4, 2, 4)[:, 1].min() == 1  # kept for the checklist's sake


def test_pearl_without_gate_branch_and_weight_is_dapo(random_tiny):
    base = settings_of("method=dapo", "rollouts.filter.prompts=4", "rollouts.filter.rounds=6")
    options = [
        "rollouts.plan.gate=-1",
        "rollouts.plan.coef=0",
        "weights.seen.floor=1",
        "rollouts.filter.by=[accuracy]",
    ]
    neutral = settings_of(*PEARL, *options)
    right = lambda p, n: p % 2 == 1  # noqa: E731
    one, _ = run(random_tiny, base, checklists(base, right))
    other, engine = run(random_tiny, neutral, checklists(neutral, right))
    same(one, other)
    assert len(engine.calls) == 2 and len(other.extra_rows) == 16


def test_the_bypass_hangs_on_run_step_and_problem(random_tiny):
    settings = settings_of(*PEARL, "rollouts.plan.bypass=0.5", "rollouts.filter=null")
    say = checklists(settings, lambda p, n: False)
    first = [sample.id for sample in run(random_tiny, settings, say)[0].samples]
    assert first == [sample.id for sample in run(random_tiny, settings, say)[0].samples]
    other = replace(settings, seed=1)
    engine = Engine(say)
    found = collect(engine, random_tiny, Samples(settings.data, 0), 0, other, 1)
    assert [sample.id for sample in found.samples] != first and {d.why for d in found.discarded} == {"gated"}


def test_each_question_of_a_checklist_may_be_a_prompt_of_its_own(random_tiny):
    settings = settings_of("method=pearl", "rollouts.filter=null")
    known = golds(settings)
    found, _ = run(
        random_tiny, settings, lambda name, k, view: "nothing" if "#" in name else f"\\boxed{{{known[name].answer}}}"
    )
    own = [block for block in found.blocks if block.prompt == 0]
    assert [(block.role, len(block.rows)) for block in own] == [("checklist", 4)] * 4 + [("answer", 4)]
    assert len({block.sample.id for block in own}) == 5 and len({block.prompt_tokens for block in own}) <= 2
    gold = known[found.samples[0].id].columns["probes"]
    assert [float(probe["a"] == "nothing") for probe in gold] == found.reward_terms["checklist"][:16:4].tolist()


# Ranks


def test_two_ranks_ask_what_one_asks(random_tiny, monkeypatch):
    """Each rank drives its share; put together they are the experience of one rank."""
    settings = settings_of(*PEARL, "rollouts.plan.bypass=0")
    say = checklists(settings, lambda p, n: p % 3 > 0 and n < 3)
    whole, _ = run(random_tiny, settings, say)
    told: list[list] = []

    class Half(Ranks):
        def gather(self, items):
            told.append(items)
            other = [entry for entry in recorded[len(told) - 1] if entry.index not in {item.index for item in items}]
            return items + other

    recorded: list[list] = []
    monkeypatch.setattr(Ranks, "gather", lambda self, items: (recorded.append(items), items)[1])
    run(random_tiny, settings, say)
    for rank in (0, 1):
        told.clear()
        found = collect(Engine(say), random_tiny, Samples(settings.data, 0), 0, settings, 1, Half(rank, 2))
        same(whole, found)
