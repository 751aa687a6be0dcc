"""Shares of a class of error by parts, and what repairs and new errors come to: hand-worked."""

from pathlib import Path

import pandas as pd
import pytest

from analysis.breakdown import balance_sentence, class_shares, share_table
from analysis.protocol.flow import findings
from analysis.runs import OpenedRun
from common import UserError

STATES = {  # two responses to each item
    "a": ["perception", "right"],
    "b": ["perception", "perception"],
    "c": ["format", "right"],
    "d": ["right", "right"],
}
PARTS = {"a": "low", "b": "high", "c": "low", "d": "medium"}


def run_view(states: dict[str, list[str]], name: str = "one", **changes: object) -> OpenedRun:
    rows = [
        {
            "sample_id": item,
            "k": k,
            "state": state,
            "column": "chart",
            "cluster": item,
            "correct": state == "right",
            "misread": state == "perception",
            "vision_need": PARTS.get(item, ""),
        }
        for item, own in states.items()
        for k, state in enumerate(own)
    ]
    return OpenedRun(name, Path(name), Path(name), pd.DataFrame(rows).assign(**changes))


def test_a_share_is_of_the_wrong_responses() -> None:
    (row,) = class_shares([run_view(STATES)]).to_dict("records")
    assert (row["run"], row["part"]) == ("one", "all")
    assert (row["responses"], row["wrong"], row["errors"]) == (8, 4, 3)
    assert row["share"] == pytest.approx(3 / 4)
    assert 0 <= row["low"] < 3 / 4 < row["high"] <= 1


def test_parts_add_up_and_levels_stand_in_their_order() -> None:
    rows = class_shares([run_view(STATES)], by="vision_need")
    assert rows.part.tolist() == ["low", "medium", "high"]
    assert rows[["responses", "wrong", "errors"]].to_numpy().tolist() == [[4, 2, 1], [2, 0, 0], [2, 2, 2]]
    assert rows.share[0] == pytest.approx(1 / 2)
    assert pd.isna(rows.share[1])
    assert rows.share[2] == pytest.approx(1)


def test_another_class_and_one_that_does_not_occur() -> None:
    assert class_shares([run_view(STATES)], of="format").share[0] == pytest.approx(1 / 4)
    none = class_shares([run_view(STATES)], of="reasoning").iloc[0]
    assert (none.errors, none.share) == (0, 0)
    assert none.high > 0


def test_the_table_has_a_column_per_run_and_a_dash_where_nothing_is_wrong() -> None:
    views = [run_view(STATES), run_view(STATES | {"b": ["right", "right"]}, "two")]
    table = share_table(class_shares(views, by="vision_need"), "vision_need")
    assert list(table.columns) == ["vision_need", "one", "two"]
    assert table.vision_need.tolist() == ["low", "medium", "high"]
    assert table.one[0].startswith("50.0 [")
    assert table.one[0].endswith(" of 2")
    assert table.two.tolist()[1:] == ["—", "—"]


def test_items_without_a_part_are_a_part_and_unknown_columns_are_named() -> None:
    view = run_view(STATES, vision_need=None)
    assert class_shares([view], by="vision_need").part.tolist() == ["(none)"]
    with pytest.raises(UserError, match="no column 'level'; they have sample_id, k"):
        class_shares([view], by="level")


def test_errors_without_classes_are_refused() -> None:
    with pytest.raises(UserError, match="errors of one have no classes"):
        class_shares([run_view({"a": ["wrong", "right"]})])


def test_repairs_and_new_errors_are_balanced() -> None:
    """Pairs of another number: a and b go from perception to right in 3 of 4, c from right to perception in 1 of 2."""
    first = {"a": ["perception", "right"], "b": ["perception", "perception"], "c": ["right", "right"]}
    second = {"a": ["right", "right"], "b": ["right", "right"], "c": ["perception", "right"]}
    frames = {"first": run_view(first).predictions, "second": run_view(second).predictions}
    said = balance_sentence(findings(frames, 3, 0), ("one", "two"))
    assert said.startswith("Of all responses 50.0 % are perception errors under one and 16.7 % under two, -33.3 [")
    assert "50.0 % of the pairs of responses go from such an error to right, 16.7 % the other way." in said
    clean = {"first": run_view({"a": ["right", "right"]}).predictions}
    clean["second"] = run_view({"a": ["format", "right"]}).predictions
    assert balance_sentence(findings(clean, 1, 0), ("one", "two")) == "Neither one nor two makes a perception error."
