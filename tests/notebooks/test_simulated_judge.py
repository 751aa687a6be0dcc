"""The simulated judge errs as stated, its labels are a real judge's rows, and correction finds the hidden truth."""

import random
from functools import cache
from pathlib import Path

import numpy as np
import pytest

from analysis.judge.classes import read_labels
from analysis.judge.summary import both_passes
from analysis.judge.wrong_items import WrongItem
from analysis.taxonomy import CLASSES
from common import UserError, write_jsonl
from data import Sample
from notebooks.simulated_judge import (
    Habits,
    confusion_frame,
    confusion_of,
    coverage,
    coverage_sentence,
    habits_sentence,
    labels_sentences,
    percent_table,
    rate_errors,
    rate_frame,
    rate_sentences,
    rate_table,
    record_of,
    simulate,
    true_shares,
)
from tests.analysis.test_errors import PLANTERS, planted

HABITS = Habits(right=0.7, favourite="reasoning", pull=0.8, repeats=0.5, silent=0.1)


@cache
def items(counts: tuple[int, ...], start: int = 0) -> list[WrongItem]:
    """Planted errors, so many of each class."""
    found = []
    for error, count in zip(PLANTERS, counts, strict=True):
        ones = [one for one in planted() if one.error == error]
        for one in random.Random(start).sample(ones, count):
            key = f"{start}/{len(found)}"
            found.append(WrongItem(key, "folder", one.sample, 0, "chart", key, one.text, one.sample.answer))
    return found


BALANCED, LOPSIDED = (60,) * 5, (120, 20, 10, 10, 5)


def test_the_stated_confusion_adds_up_and_errs_towards_the_favourite() -> None:
    table = confusion_of(HABITS)
    assert np.allclose(table.sum(axis=0), 1)
    assert np.allclose(np.diag(table), 0.7)
    assert table.loc["reasoning", "perception"] == pytest.approx(0.3 * 0.8)
    assert table.loc["format", "perception"] == pytest.approx(0.3 * 0.2 / (len(CLASSES) - 2))
    assert table.loc["format", "reasoning"] == pytest.approx(0.3 / (len(CLASSES) - 1))
    assert percent_table(table).iloc[1, 1] == "24.0"
    assert percent_table(table).columns[0] == "judge says"


def test_labels_come_at_the_stated_rates_and_passes_repeat_each_other() -> None:
    rows = simulate(items(BALANCED), HABITS)
    silent = rows.label.isna()
    assert silent.mean() == pytest.approx(0.1, abs=0.04)
    assert set(rows[silent].reason) == {"unparsed"}
    right = rows[~silent].label == rows[~silent].truth
    assert right.mean() == pytest.approx(0.7, abs=0.06)
    wrong_others = rows[~silent & (rows.truth != "reasoning") & (rows.label != rows.truth)]
    assert (wrong_others.label == "reasoning").mean() == pytest.approx(0.8, abs=0.1)
    steady = both_passes(simulate(items(BALANCED), Habits(right=0.3, repeats=1, silent=0)))
    assert (steady[1] == steady[2]).all()
    loose = both_passes(simulate(items(BALANCED), Habits(right=0.3, repeats=0, silent=0)))
    assert 0.2 < (loose[1] == loose[2]).mean() < 0.7


def test_the_draw_hangs_on_key_and_seed_alone() -> None:
    whole, part = (simulate(ones, HABITS) for ones in (items(BALANCED), items(BALANCED)[::-7]))
    labels = whole.set_index(["key", "pass"]).label
    assert all(
        labels[row.key, row["pass"]] is row.label or labels[row.key, row["pass"]] == row.label
        for _, row in part.iterrows()
    )
    assert not whole.label.equals(simulate(items(BALANCED), HABITS, seed=1).label)


def test_the_rows_are_those_of_a_real_judge(tmp_path: Path) -> None:
    rows = simulate(items(BALANCED), HABITS)
    write_jsonl(tmp_path / "labels.jsonl", rows.to_dict("records"))
    again = read_labels(tmp_path)
    assert {"key", "pass", "cluster", "truth", "label", "quote_stands", "reason"} <= set(again.columns)
    assert again.label.tolist() == rows.label.tolist()
    said = labels_sentences(record_of(again))
    assert said[0].startswith("Replies, pass 1: ")
    assert "unparsed" in said[0]
    assert any("Cohen's kappa 0." in sentence for sentence in said)


def test_correction_finds_the_rates_that_the_judge_hides() -> None:
    target = items(LOPSIDED, start=1)
    truth = true_shares(target)
    assert truth["perception"] == pytest.approx(120 / 165)
    record = record_of(simulate(target, HABITS), simulate(items(BALANCED), HABITS))
    rates = rate_frame(record, truth)
    row = rates.set_index("class").loc["perception"]
    assert row.said < row.truth - 0.1, "the judge says too little"
    assert row.said_high < row.truth
    assert abs(row.corrected - row.truth) < abs(row.said - row.truth)
    assert row.low <= row.truth <= row.high
    assert rates.set_index("class").calibrated.to_dict() == {
        name: name not in ("knowledge", "grader") for name in CLASSES
    }
    said, _ = rate_sentences(rates)
    assert f"the truth is {100 * row.truth:.1f} %" in said
    assert f"the judge says {100 * row.said:.1f} [" in said
    assert rate_table(rates).iloc[0, 1] == f"{100 * row.truth:.1f}"
    errors = rate_errors(rates)
    assert errors.group.unique().tolist() == ["as the judge says", "corrected"]
    assert errors.difference[0] == pytest.approx(100 * (row.said - row.truth))


def test_the_confusion_has_a_column_for_every_class_that_there_is() -> None:
    table = confusion_frame(record_of(simulate(items(BALANCED), HABITS)))
    assert list(table.columns) == [name for name in CLASSES if name not in ("knowledge", "grader")]
    assert list(table.index) == list(CLASSES)
    assert table.index.name == "judge"
    assert table.loc["reasoning", "perception"] > table.loc["format", "perception"]
    assert table["perception"].sum() <= 60


def test_further_judges_are_counted() -> None:
    trials = coverage(items(BALANCED), items(LOPSIDED, start=1), HABITS, trials=3)
    assert trials.trial.tolist() == [0, 1, 2]
    assert trials.said.nunique() > 1
    inside = ((trials.low <= trials.truth) & (trials.truth <= trials.high)).sum()
    said = coverage_sentence(trials)
    assert said.startswith("3 simulated judges of these habits: the interval of the perception rate holds the truth")
    assert f"{inside} times corrected" in said


def test_bad_habits_and_unknown_truths_are_refused() -> None:
    with pytest.raises(UserError, match="shares lie between 0 and 1"):
        Habits(right=1.2)
    with pytest.raises(UserError, match="favourite is one of perception"):
        Habits(favourite="laziness")
    foreign = WrongItem("k", "f", Sample("x/1", "mmk12", "?", [], "4", "number"), 0, "c", "x", "t", "4")
    with pytest.raises(UserError, match="1 of 1 responses have no true class"):
        simulate([foreign], HABITS)
    assert "72 %" in habits_sentence(Habits())
    assert habits_sentence(Habits()).startswith("SIMULATED judge")
