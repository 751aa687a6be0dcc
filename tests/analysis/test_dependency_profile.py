"""Profiles of dependency: kinds of words, positions and means by hand, and what the shipped base does."""

import dataclasses

import numpy as np
import pandas as pd
import pytest
import torch

from analysis.dependency.profile import (
    by_error,
    by_outcome,
    by_position,
    by_word_class,
    profile,
    token_frame,
    word_classes,
)
from common import UserError
from data import Sample
from data.mini.chains import work, write_chain
from data.mini.world import sample
from data.views import Blank
from models.dependency import ViewScores, score_two_views

CHAIN = "<think> look : width = 5 , height = 3 . 5 + 3 = 8 . 8 * 2 = 16 </think> \\boxed{16}"


def pieces(text: str) -> list[str]:
    """Words with the blank before them, boxes cut as the tiny model's tokenizer cuts them."""
    marked = text.replace("\\boxed{", " \\boxed{\0").replace("}", "\0}")
    return [p for word in marked.split(" ") for p in (" " + word).split("\0")]


def scored(sample_id: str, logprobs: list[float], masked: list[float]) -> ViewScores:
    return ViewScores(sample_id, tuple(range(len(logprobs))), torch.tensor(logprobs), torch.tensor(masked))


def kinds_of(text: str, kind: str, mini: bool) -> list[str]:
    words = pieces(text)
    return [w.strip() for w, found in zip(words, word_classes(words, mini), strict=True) if found == kind]


def test_kinds_of_words_in_a_chain():
    assert kinds_of(CHAIN, "fact", True) == ["5", "3"]
    assert kinds_of(CHAIN, "number", True) == ["5", "3", "8", "8", "2", "16"]
    assert kinds_of(CHAIN, "operation", True) == ["+", "=", "*", "="]
    assert kinds_of(CHAIN, "boxed", True) == ["16"]
    others = [":", "width", "=", ",", "height", "=", ".", ".", "</think>"]
    assert [w for w in kinds_of(CHAIN, "other", True) if w] == ["<think>", "look", *others, "\\boxed{", "}"]
    row = "<think> guess : A = red , B = blue . odd is blue </think> \\boxed{blue} <|im_end|>"
    assert kinds_of(row, "fact", True) == ["red", "blue"] and kinds_of(row, "operation", True) == ["odd", "is", "blue"]
    assert "<|im_end|>" in kinds_of(row, "other", True)
    broken = CHAIN.replace("</think>", "")
    assert set(word_classes(pieces(broken), True)) == {"unreadable", "other"}  # other: pieces without a sign
    assert word_classes(["", " "], True) == ["other", "other"]


def test_kinds_of_words_in_any_other_text():
    text = "<think> The diagram shows AB as 3.5 units. Then 2 times 4 - 1 is x. Not \\boxed{9} but \\boxed{ 7 } is 7"
    assert kinds_of(text, "fact", False) == ["The", "diagram", "shows", "AB", "as", "3.5", "units."]
    assert kinds_of(text, "operation", False) == ["times", "-"]
    assert kinds_of(text, "number", False) == ["2", "4", "1", "9", "7"]
    assert kinds_of(text, "boxed", False) == ["7"]
    assert word_classes(["so \\boxed{", " 7", " }", " is 7"], False) == ["other", "boxed", "other", "number"]
    assert kinds_of("a right-angled triangle", "operation", False) == []
    assert word_classes(["\\boxed{(a+b)*2", "}"], False) == ["boxed", "other"]


def small_frame() -> pd.DataFrame:
    """Two clusters: a with a right and a wrong response, b with a wrong one; k1 is easy to see."""
    samples = {name: Sample(name, "test", "?", (), "1") for name in "ab"}
    rows = pd.DataFrame(
        {
            "sample_id": ["a", "a", "b"],
            "text": "",
            "correct": [True, False, False],
            "error_class": [None, "perception", "reasoning"],
        }
    )
    scores = [scored("a", [4.0, 0.0], [0.0, 0.0]), scored("a", [1.0], [0.0]), scored("b", [3.0, 1.0, 2.0], [0.0] * 3)]
    return token_frame(rows, samples, scores, [["2", " +"], ["3"], ["x", "y", "z"]])


def test_a_frame_has_one_row_per_token():
    frame = small_frame()
    assert frame.k1.tolist() == [4, 0, 1, 3, 1, 2] and frame.response.tolist() == [0, 0, 1, 2, 2, 2]
    assert frame.position.tolist() == pytest.approx([0.25, 0.75, 0.5, 1 / 6, 0.5, 5 / 6])
    assert frame.error.tolist() == ["right"] * 2 + ["perception"] + ["reasoning"] * 3
    assert frame.word_class.tolist() == ["number", "operation", "number", "other", "other", "other"]
    assert {"k3", "probability_drop"} < set(frame.columns)


def test_responses_keep_their_number_and_a_score_that_one_lacks_is_a_gap():
    samples = {name: Sample(name, "test", "?", (), "1") for name in "abc"}
    rows = pd.DataFrame(
        {"sample_id": ["a", "b", "c"], "text": "", "correct": [True, None, False], "cluster": [7, 8, 7]}
    )
    full = dataclasses.replace(scored("c", [1.0, 2.0], [0.0, 0.0]), kl_T=torch.tensor([0.5, 0.25]))
    frame = token_frame(rows, samples, [scored("a", [3.0], [0.0]), scored("b", [], []), full], [["x"], [], ["1", "y"]])
    assert frame.response.tolist() == [0, 2, 2] and frame.cluster.tolist() == [7, 7, 7]
    assert frame.k1.tolist() == [3, 1, 2] and frame.text.tolist() == ["x", "1", "y"]
    assert np.isnan(frame.kl[0]) and frame.kl[1:].tolist() == [0.5, 0.25]
    assert frame.correct.tolist() == [True, False, False] and frame.index.tolist() == [0, 1, 2]


def test_a_response_counts_once_however_long_it_is():
    found = by_outcome(small_frame(), "k1").set_index("outcome")
    assert found.loc["wrong", "mean"] == (1 + 2) / 2 and found.loc["right", "mean"] == 2
    assert found.loc["wrong", ["responses", "clusters", "tokens"]].tolist() == [2, 2, 4]
    assert (found.loc["wrong", "low"], found.loc["wrong", "high"]) == (1, 2)  # a alone, b alone
    assert np.isnan(found.loc["right", ["low", "high"]].astype(float)).all()  # one cluster has no interval
    assert by_error(small_frame(), "k1").set_index("error")["mean"].to_dict() == {
        "right": 2,
        "perception": 1,
        "reasoning": 2,
    }


def test_positions_are_binned_along_the_chain():
    found = by_position(small_frame(), "k1", bins=2)
    assert found.position.tolist() == [0.25, 0.75]
    assert found["mean"].tolist() == [(4 + 3) / 2, (0 + 1 + (1 + 2) / 2) / 3] and found.tokens.tolist() == [2, 4]
    crossed = by_position(small_frame(), "k1", bins=2, by=["correct"])
    assert list(zip(crossed.correct, crossed.position, strict=True)) == [
        (False, 0.25),
        (False, 0.75),
        (True, 0.25),
        (True, 0.75),
    ]
    kinds = by_word_class(small_frame(), "k1", by=["correct"])
    assert list(zip(kinds.correct, kinds.word_class, kinds["mean"], strict=True)) == [
        (False, "number", 1),
        (False, "other", 2),
        (True, "operation", 0),
        (True, "number", 4),
    ]


def test_intervals_cover_a_known_mean_about_as_often_as_they_say():
    """Clusters of three alike responses: an interval over responses alone would be far too narrow."""
    rng, covered = np.random.default_rng(0), 0
    for trial in range(100):
        cluster = np.repeat(np.arange(30), 3)
        values = rng.normal(size=30)[cluster] + 0.1 * rng.normal(size=90)
        frame = pd.DataFrame({"response": np.arange(90), "cluster": cluster, "k1": values, "all": 1})
        row = profile(frame, "k1", ["all"], seed=trial).iloc[0]
        covered += row.low <= 0 <= row.high
    assert 88 <= covered <= 99


def test_errors_of_the_mini_world_are_classified_where_nobody_did():
    drawn = sample("test", "counting", 1)
    name, value = next(iter(drawn.facts.items()))
    wrong = str((int(value) + 1) % 9)
    texts = [write_chain("look", {name: v}, [], v) for v in (value, wrong)] + ["no chain", "no verdict"]
    rows = pd.DataFrame({"sample_id": drawn.id, "text": texts, "correct": [True, False, False, None]})
    frame = token_frame(rows, {drawn.id: drawn}, [scored(drawn.id, [1.0], [0.0])] * 4, [[t] for t in texts])
    assert frame.error.tolist() == ["right", "perception", "format", "unjudged"]
    assert frame.word_class.tolist() == ["fact", "fact", "unreadable", "unreadable"]
    assert set(by_outcome(frame).outcome) == {"right", "wrong", "unjudged"}
    other = Sample("o", "geo3k", "?", (), "1")
    frame = token_frame(rows.assign(sample_id="o")[:2], {"o": other}, [scored("o", [1.0], [0.0])] * 2, [["a"], ["b"]])
    assert frame.error.tolist() == ["right", "unclassified"]


def test_what_is_left_out_is_said_and_what_does_not_fit_is_refused(capsys):
    samples, rows = (
        {"a": Sample("a", "test", "?", (), "1")},
        pd.DataFrame({"sample_id": ["a", "a"], "text": "", "correct": True}),
    )
    full, empty = scored("a", [1.0], [0.0]), scored("a", [], [])
    assert len(token_frame(rows, samples, [full, empty], [["x"], []])) == 1
    assert "1 of 2 responses have no token" in capsys.readouterr().err
    with pytest.raises(UserError, match="no response has a token"):
        token_frame(rows, samples, [empty, empty], [[], []])
    with pytest.raises(UserError, match="2 responses, 1 scores"):
        token_frame(rows, samples, [full], [["x"]])
    with pytest.raises(UserError, match="answers a, its scores b"):
        token_frame(rows, samples, [full, scored("b", [1.0], [0.0])], [["x"], ["x"]])
    with pytest.raises(UserError, match="no column 'kl'"):
        by_error(small_frame(), "kl")


def test_the_shipped_base_looks_where_it_states_facts(shipped_tiny):
    """Measured on these 40 true chains; the intervals do not touch."""
    samples = [
        sample("test", column, i) for column in ("chart", "versions", "inpicture", "counting") for i in range(10)
    ]
    texts = []
    for drawn in samples:
        worked = work(drawn.solution, drawn.facts)
        texts.append(write_chain("look", drawn.facts, worked.steps, worked.answer))
    token_ids = shipped_tiny.tokenizer(texts)["input_ids"]
    scores = score_two_views(shipped_tiny, samples, token_ids, Blank(), kl=True)
    rows = pd.DataFrame({"sample_id": [s.id for s in samples], "text": texts, "correct": True})
    frame = token_frame(rows, {s.id: s for s in samples}, scores, [shipped_tiny.token_texts(i) for i in token_ids])
    for score in ("k1", "kl"):
        found = by_word_class(frame, score).set_index("word_class")
        assert set(found.index) == {"fact", "operation", "number", "boxed", "other"}
        assert all(found.low["fact"] > found.high[kind] for kind in found.index if kind != "fact"), found
