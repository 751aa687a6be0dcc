"""Right and wrong suggestions: accuracies and paired differences by hand."""

import numpy as np
import pandas as pd
import pytest

from analysis import hints
from analysis.items import collect_items

NAMES = {"grpo": "GRPO", "papo_g": "PAPO_G"}


def answers(method: str, seed: int, right: dict[str, int]) -> pd.DataFrame:
    """Ten items in each state, of which so many are right in all of two responses."""
    rows = []
    for state, count in right.items():
        for item in range(10):
            rows += [
                {
                    "sample_id": f"{state or 'plain'} {item}",
                    "k": k,
                    "column": "a",
                    "subset": "",
                    "cluster": f"{state} {item}",
                    "vision_need": "high",
                    "version": "",
                    "hint": state,
                    "correct": item < count,
                    "method": method,
                    "seed": seed,
                }
                for k in range(2)
            ]
    return pd.DataFrame(rows)


def test_sentences_name_every_run_and_the_paired_difference() -> None:
    runs = {
        "base": answers("base", 0, {"aligned": 6, "broken": 2, "": 5}),
        "grpo": answers("grpo", 0, {"aligned": 9, "broken": 5, "": 5}),
    }
    wrong, right = hints.sentences(runs, [("base", "grpo")])
    assert "a fact that is wrong (10 items)" in wrong and "base 20.0 [" in wrong and "grpo 50.0 [" in wrong
    assert "grpo minus base +30.0 [" in wrong
    assert "a fact that is right (10 items)" in right and "grpo minus base +30.0" in right


def test_without_suggestions_nothing_is_said() -> None:
    frame = answers("base", 0, {"": 5})
    assert hints.sentences({"base": frame}, []) == []
    assert hints.sentences({"base": frame.drop(columns="hint")}, []) == []


def test_the_table_has_intervals_over_trainings() -> None:
    frames = [answers("base", 0, {"aligned": 6, "broken": 2})]
    frames += [answers("grpo", seed, {"aligned": 8, "broken": 4 + seed}) for seed in range(3)]
    frames += [answers("papo_g", seed, {"aligned": 8, "broken": 5 + 2 * seed}) for seed in range(3)]
    header, rows = hints.table(collect_items(pd.concat(frames)), NAMES, {"papo_g": "grpo", "papo_d": "dapo"})
    cells = {row[0]: row[1:] for row in rows}
    assert header == ["row", "suggestion is wrong, %", "suggestion is right, %"]
    assert cells["base"] == ["20.0", "60.0"]
    # 40, 50, 60 %: mean 50, standard error 10 / sqrt 3, t(2) = 4.303: half 24.8
    assert cells["GRPO"][0] == "50.0 [25.2, 74.8]"
    # paired by seed: +10, +20, +30
    assert cells["PAPO_G - GRPO"][0] == "+20.0 [-4.8, +44.8]"
    assert list(cells) == ["base", "GRPO", "PAPO_G", "PAPO_G - GRPO"]
    drawn = hints.gain_rows(collect_items(pd.concat(frames)), NAMES, {"papo_g": "grpo", "papo_d": "dapo"})
    assert drawn.group.tolist() == ["the suggestion is wrong", "the suggestion is right"]
    assert drawn.loc[0, ["difference", "low", "high"]].tolist() == pytest.approx([20.0, -4.84, 44.84], abs=0.01)


def test_items_of_records_without_suggestions_have_an_empty_column() -> None:
    items = collect_items(answers("base", 0, {"": 5}).drop(columns="hint"))
    assert items.frame.hint.tolist() == [""] * 10
    assert items.mean("base", ["a"]).value == pytest.approx(np.mean([1] * 5 + [0] * 5))
