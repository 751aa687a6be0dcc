"""`python -m train.rewards`: rewards on rows from a file, judge's ticks given."""

import json

import pytest

from common import UserError, read_jsonl
from configs import compose
from train.rewards_command import RewardsCommand
from train.rewards_on_rows import run

FACTS = {"visual_facts": ["a is 1", "b is 2", "c is 3", "d is 4"]}
RIGHT = {
    "prompt": 1,
    "response": "<think> a b </think> \\boxed{4}",
    "answer": "4",
    "columns": FACTS,
    "ticks": [1, 1, 0, 1],
}
WORDS = {"prompt": 1, "response": "same " * 40, "answer": "4", "columns": FACTS, "ticks": [0, 0, 0, 0]}


def rewarded(folder, rows, *options):
    (folder / "in.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    run(compose(RewardsCommand, [*options, f"rows={folder}/in.jsonl", f"out={folder}/out.jsonl"]))
    return read_jsonl(folder / "out.jsonl")


def test_stated_facts_and_repetition_add_to_accuracy_and_form(tmp_path):
    right, words = rewarded(tmp_path, [RIGHT, WORDS], "method=perception_r1")
    assert right["terms"] == {"accuracy": 1, "format": 1, "facts": 0.75, "repetition": 0}
    assert right["reward"] == pytest.approx(0.9 + 0.1 + 0.7 * 0.75)  # 1.525
    assert words["reward"] == pytest.approx(-2 * (1 - 1 / 21))  # 21 sequences of 20 words, all the same: -1.905


def test_ticks_that_a_judge_left_out_count_as_facts_not_stated(tmp_path):
    """The public code divides by the ticks that came back, so a short answer of the judge raises the reward."""
    short = RIGHT | {"ticks": [1, 1]}
    assert rewarded(tmp_path, [short], "method=perception_r1")[0]["terms"]["facts"] == 0.5


def test_mistakes_are_one_sentence(tmp_path):
    with pytest.raises(UserError, match="has no rows"):
        rewarded(tmp_path, [], "method=grpo")
    with pytest.raises(UserError, match="column 'visual_facts'"):
        rewarded(tmp_path, [RIGHT | {"columns": {}}], "method=perception_r1")
    with pytest.raises(UserError, match="'answr'"):
        rewarded(tmp_path, [RIGHT | {"answr": "4"}], "method=grpo")
    with pytest.raises(UserError, match="prompt"):
        rewarded(tmp_path, [{"response": "x", "answer": "y"}], "method=grpo")
