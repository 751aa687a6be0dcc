"""The paper's arithmetic: numbers by hand, exactly these mismatches."""

from typing import Any

import pytest

from analysis.arithmetic.checks import (
    FOLLOWS,
    OF_MEANS,
    OFF,
    UNKNOWN,
    Check,
    checks,
    fits,
    gain_rounding,
    without_column,
)
from analysis.arithmetic.run import convention, published_tables
from analysis.experiments import read_table_file

COLUMNS = [{"id": "one", "group": "general"}, {"id": "two", "group": "general"}, {"id": "three", "group": "vision"}]


def small(better: dict[str, Any], with_cells: bool = True) -> dict[str, Any]:
    """A table of two rows and three columns: 10, 20 and 30 before, 11, 24 and 33 after."""
    rows: list[dict[str, Any]] = [
        {
            "method": "old",
            "values": [10.0, 20.0, 30.0],
            "averages": {"general": 15.0, "vision": 30.0, "overall": 20.0},
        },
        {"method": "new", "values": [11.0, 24.0, 33.0], **better},
    ]
    for row in rows:
        row |= {"model": "M", "size": "1B"}
        if not with_cells:
            del row["values"]
    return {"source": {"table": 0}, "columns": COLUMNS, "baselines": {"new": "old"}, "published": rows}


def verdicts(table: dict[str, Any]) -> dict[tuple[str, str], str]:
    return {(one.number, one.group): one.verdict for one in checks([table]) if one.row == "new"}


AVERAGES = {"general": 17.5, "vision": 33.0, "overall": 22.67}


def test_gains_are_means_over_columns() -> None:
    """(10 % + 20 %) / 2 = 15 %, 10 %, and (10 + 20 + 10) / 3 = 13.33 %."""
    gains = {"general": 15.0, "vision": 10.0, "overall": 13.33}
    found = verdicts(small({"averages": AVERAGES, "relative_gains": gains}))
    assert set(found.values()) == {FOLLOWS} and len(found) == 6
    found = verdicts(small({"averages": AVERAGES, "relative_gains": gains | {"vision": 10.2}}))
    assert found.pop(("relative gain", "vision")) == OFF
    assert set(found.values()) == {FOLLOWS}


def test_a_row_whose_gains_are_all_those_of_the_averages_is_named() -> None:
    """17.5 / 15 = 1.1667, 33 / 30 = 1.1, 22.67 / 20 = 1.1333."""
    of_means = {"general": 16.67, "vision": 10.0, "overall": 13.33}
    found = verdicts(small({"averages": AVERAGES, "relative_gains": of_means}))
    assert found["relative gain", "general"] == OF_MEANS
    assert found["relative gain", "overall"] == FOLLOWS  # both ways give it here


def test_an_average_that_is_off_is_seen_and_rounding_is_not() -> None:
    assert verdicts(small({"averages": AVERAGES | {"overall": 22.66}}))["average", "overall"] == FOLLOWS
    assert verdicts(small({"averages": AVERAGES | {"overall": 22.65}}))["average", "overall"] == OFF
    assert fits(1.00, 1.01, 0.01) and not fits(1.00, 1.0101, 0.01)
    assert gain_rounding(24.0, 20.0) == pytest.approx(100 * 0.005 * (1 + 1.2) / 20)


def test_without_cells_the_overall_number_follows_from_the_groups() -> None:
    """(2 x 17.5 + 1 x 33) / 3 = 22.67; the groups' own numbers cannot be formed."""
    gains = {"general": 15.0, "vision": 10.0, "overall": 13.33}
    found = verdicts(small({"averages": AVERAGES, "relative_gains": gains}, with_cells=False))
    assert found == {
        ("average", "general"): UNKNOWN,
        ("average", "vision"): UNKNOWN,
        ("average", "overall"): FOLLOWS,
        ("relative gain", "general"): UNKNOWN,
        ("relative gain", "vision"): UNKNOWN,
        ("relative gain", "overall"): FOLLOWS,
    }
    off = {"averages": AVERAGES, "relative_gains": gains | {"overall": 13.5}}
    assert verdicts(small(off, with_cells=False))["relative gain", "overall"] == OFF


def test_a_gain_is_against_the_row_that_the_paper_names() -> None:
    table = small({"averages": AVERAGES, "relative_gains": {"vision": 10.0}})
    table["baselines"] = {"new": "other"}
    table["printed_against"] = {"new": "old"}
    assert verdicts(table)["relative gain", "vision"] == FOLLOWS


def off_in_the_paper() -> list[Check]:
    return [one for one in checks(published_tables()) if one.verdict in (OFF, OF_MEANS)]


def test_exactly_these_printed_numbers_do_not_follow() -> None:
    found = {
        (one.table, one.size, one.row, one.group): (one.printed, round(one.recomputed, 2))
        for one in off_in_the_paper()
    }
    assert found == {
        ("1", "3B", "papo_d", "vision"): (5.97, 6.22),
        ("1", "7B", "papo_d", "vision"): (19.09, 19.96),
        ("1", "2B", "papo_g", "general"): (4.52, 4.55),
        ("1", "2B", "papo_g", "vision"): (6.27, 8.76),
        ("1", "2B", "papo_g", "overall"): (5.25, 6.42),
        ("3", "7B", "papo_g_mask06", "overall"): (3.55, 3.45),
        ("4", "3B", "papo_g_gamma04", "overall"): (-28.46, -30.23),
        ("10", "7B", "dapo_entropy", "overall"): (15.86, 15.39),
        ("10", "7B", "papo_d", "vision"): (19.09, 19.96),
    }
    assert all(one.number == "relative gain" for one in off_in_the_paper())  # every checkable average follows
    assert {one.size for one in off_in_the_paper() if one.verdict == OF_MEANS} == {"2B"}


def test_three_of_them_by_hand() -> None:
    """Table 1's PAPO_D at 3B and PAPO_G at 2B over the vision columns, Table 4's collapsed row over the groups."""
    dapo, papo_d = [40.69, 74.25, 28.42, 53.09], [41.67, 83.56, 28.76, 57.72]
    grpo, papo_g = [29.84, 80.13, 20.51, 45.41], [32.83, 80.63, 23.42, 50.05]
    by_hand = {
        ("1", "3B", "papo_d", "vision"): 25 * sum(new / old - 1 for new, old in zip(papo_d, dapo, strict=True)),
        ("1", "2B", "papo_g", "vision"): 25 * sum(new / old - 1 for new, old in zip(papo_g, grpo, strict=True)),
        ("4", "3B", "papo_g_gamma04", "overall"): (5 * -43.15 + 4 * -14.09) / 9,
    }
    found = {(one.table, one.size, one.row, one.group): one.recomputed for one in off_in_the_paper()}
    assert {place: found[place] for place in by_hand} == pytest.approx(by_hand)


def test_what_counting_carries_of_table_1() -> None:
    lines = {(one.size, one.row, one.group): one for one in without_column(read_table_file("1"), "counting")}
    assert len(lines) == 10  # five rows, the vision and the overall average
    one = lines["3B", "papo_g", "vision"]
    without = (38.67 + 27.11 + 53.95 - 38.14 - 25.66 - 52.26) / 3
    assert (one.points, one.points_without) == pytest.approx((45.5725 - 42.9675, without))
    one = lines["7B", "papo_g", "overall"]
    assert (round(one.points, 2), round(one.points_without, 2)) == (2.89, 1.27)
    assert (round(one.gain, 2), round(one.gain_without, 2)) == (4.39, 2.26)


def test_the_convention_is_counted() -> None:
    found = list(checks([small({"averages": AVERAGES, "relative_gains": {"general": 15.0, "vision": 10.2}})]))
    assert "Of 2 relative gains whose cells are printed, 1 are the mean" in convention(found)
    assert "0 are the relative gain of the averages, and 1 are neither" in convention(found)
