"""What a step's metrics say of its outcome: accuracy by tag, classes of error, dependency by kind of word."""

import math
from dataclasses import replace

import pytest
import torch

from analysis.taxonomy import CONSTRUCTED
from common import UserError
from configs import compose
from data.known import ERRORS
from data.mini import world
from data.sources import DataSettings, Samples
from models.response import Response
from train.checks import check
from train.experience import Block, Experience
from train.losses.batch import ScoredBatch
from train.outcomes import outcome_metrics
from train.settings import LossSettings, TrainSettings
from train.update import word_metrics
from train.words import KINDS, WordKinds


def test_tokens_have_the_kind_of_their_own_text():
    texts, asked = ["width", " 7", "=", "<think>", "½", "_"], []
    kinds = WordKinds(lambda ids: [asked.append(token) or texts[token] for token in ids])
    assert [KINDS[n] for n in kinds.of([1, 0, 2, 1])] == ["number", "word", "sign", "number"]
    assert [KINDS[n] for n in kinds.of([3, 4, 5, 1])] == ["word", "number", "sign", "number"]
    assert sorted(asked) == [0, 1, 2, 3, 4, 5] and kinds.of([]).tolist() == []  # each token is read once


def test_dependency_by_word_is_the_mean_over_the_tokens_of_that_kind():
    clean_NT, masked_NT = torch.zeros(2, 3), torch.tensor([[-1.0, -2.0, 0.0], [-1.0, -9.0, -9.0]])
    batch = ScoredBatch(
        logp_NT=clean_NT,
        mask_NT=torch.tensor([[1.0, 1.0, 1.0], [1.0, 0.0, 0.0]]),
        advantages=(clean_NT,),
        scores={"logp": clean_NT, "logp@masked": masked_NT},
        live={},
        accuracy_N=torch.ones(2),
        progress=0.0,
        losses=LossSettings(),
    )
    kinds_NT = torch.tensor([[0, 1, 1], [0, 0, 0]])  # the last two of the second row are padding
    found = word_metrics(batch, kinds_NT, counts=[2, 2, 0])
    assert found.keys() == {"dependency/word/number", "dependency/word/word"}
    assert found["dependency/word/number"].item() == pytest.approx(math.exp(-1))  # k3(d = -1) twice, over two tokens
    assert found["dependency/word/word"].item() == pytest.approx((math.exp(-2) + 1) / 2)
    assert word_metrics(replace(batch, scores={"logp": clean_NT}), kinds_NT, [2, 2, 0]) == {}


def experience_of(answers: list[tuple]) -> Experience:
    """One problem a row: sample, text, accuracy."""
    blocks = [
        Block(
            sample=s,
            prompt=n,
            rows=range(n, n + 1),
            prompt_tokens=1,
            responses=(Response(s.id, 0, "clean", text, [5], [-1.0], "stop"),),
        )
        for n, (s, text, _) in enumerate(answers)
    ]
    accuracy_N = torch.tensor([accuracy for *_, accuracy in answers])
    return Experience(
        samples=[block.sample for block in blocks],
        blocks=blocks,
        verdicts=[],
        reward_terms={},
        reward_N=accuracy_N,
        accuracy_N=accuracy_N,
        group_N=torch.arange(len(blocks)),
        role_coef={},
        discarded=[],
        generated=len(blocks),
        rounds=1,
        position=0,
    )


def test_errors_are_shares_of_all_judged_answers_and_tags_have_their_own_accuracy():
    samples = [
        replace(s, tags={**s.tags, "hint": hint})
        for s, hint in zip(world.samples("train", "counting", 4), ("aligned", "broken", "broken", ""), strict=True)
    ]
    right = "<think> no chain </think> \\boxed{1}"
    answers = [
        (samples[0], right, 1.0),
        (samples[1], "nonsense", 0.0),
        (samples[2], right, 1.0),
        (samples[3], right, math.nan),
    ]
    found = outcome_metrics(experience_of(answers), Samples(DataSettings(), 0))
    assert found["accuracy/hint/aligned"] == 1.0 and found["accuracy/hint/broken"] == 0.5
    assert {name for name in found if name.startswith("errors/")} == {f"errors/{name}" for name in ERRORS}
    assert found["errors/format"] == pytest.approx(1 / 3) and found["errors/perception"] == 0.0


def test_other_data_have_no_classes_of_error(tmp_path):
    path = tmp_path / "rows.jsonl"
    path.write_text('{"id": "a", "problem": "2 + 2 ?", "answer": "4", "images": []}\n')
    data = Samples(DataSettings(source=str(path)), 0)
    assert outcome_metrics(experience_of([(data.sample(0), "5", 0.0)]), data) == {}


def test_the_classes_that_data_tell_are_those_of_the_taxonomy():
    assert sorted(ERRORS) == sorted(CONSTRUCTED)


def test_a_view_of_the_validation_that_is_not_there_is_refused():
    options = ["scale=mini", "method=papo_g", "validate.items=9", "validate.view=maskd"]
    with pytest.raises(UserError, match=r"validate\.view is 'maskd', which `views` lacks; did you mean 'masked'"):
        check(compose(TrainSettings, options))
