"""Table 1 as the paper prints it: which of its derived numbers follow from its own values."""

from __future__ import annotations

from pathlib import Path
from statistics import fmean
from typing import Any

import pytest

from configs.groups import read_yaml

TABLE = read_yaml(Path(__file__).resolve().parents[2] / "configs" / "tables" / "table1.yaml", "table1.yaml")
GROUPS = ("general", "vision", "overall")
HALF_DIGIT = 0.005  # every number is printed to 0.01


def values_of(row: dict[str, Any], group: str) -> list[float]:
    columns = zip(TABLE["columns"], row["values"], strict=True)
    return [value for column, value in columns if group in ("overall", column["group"])]


def baseline_of(row: dict[str, Any]) -> dict[str, Any]:
    wanted = (row["model"], row["size"], TABLE["baselines"][row["method"]])
    return next(other for other in TABLE["published"] if (other["model"], other["size"], other["method"]) == wanted)


def relative_gain(row: dict[str, Any], group: str) -> float:
    """Mean over columns of the gain relative to the baseline, in percent: the paper's stated formula."""
    pairs = zip(values_of(row, group), values_of(baseline_of(row), group), strict=True)
    return 100 * fmean(value / baseline - 1 for value, baseline in pairs)


def rounding_of_gain(row: dict[str, Any], group: str) -> float:
    """How far rounding of the values and of the result alone can move a printed gain, in percentage points."""
    pairs = zip(values_of(row, group), values_of(baseline_of(row), group), strict=True)
    return HALF_DIGIT + 100 * fmean(HALF_DIGIT * (1 + value / baseline) / baseline for value, baseline in pairs)


def test_every_printed_average_follows() -> None:
    for row in TABLE["published"]:
        means = {group: fmean(values_of(row, group)) for group in GROUPS}
        assert row["averages"] == pytest.approx(means, abs=2.001 * HALF_DIGIT), (row["size"], row["method"])


def test_exactly_these_printed_gains_do_not_follow() -> None:
    off = {
        (row["model"], row["size"], row["method"], group): round(relative_gain(row, group), 2)
        for row in TABLE["published"]
        for group, printed in row.get("relative_gains", {}).items()
        if abs(relative_gain(row, group) - printed) > rounding_of_gain(row, group)
    }
    assert off == {
        ("Qwen2.5-VL", "3B", "papo_d", "vision"): 6.22,
        ("Qwen2.5-VL", "7B", "papo_d", "vision"): 19.96,
        ("Qwen3-VL-Thinking", "2B", "papo_g", "general"): 4.55,
        ("Qwen3-VL-Thinking", "2B", "papo_g", "vision"): 8.76,
        ("Qwen3-VL-Thinking", "2B", "papo_g", "overall"): 6.42,
    }


def test_the_qwen3_gains_are_ratios_of_averages_instead() -> None:
    row = next(row for row in TABLE["published"] if row["size"] == "2B" and row["method"] == "papo_g")
    averages, baselines = row["averages"], baseline_of(row)["averages"]
    ratios = {group: 100 * (averages[group] / baselines[group] - 1) for group in GROUPS}
    assert row["relative_gains"] == pytest.approx(ratios, abs=0.02)


def test_the_table_is_whole() -> None:
    assert len(TABLE["published"]) == 10
    assert all(len(row["values"]) == len(TABLE["columns"]) == 9 for row in TABLE["published"])
    assert all(set(column["vision_need"]) <= {"low", "medium", "high"} for column in TABLE["columns"])
    assert [column["group"] for column in TABLE["columns"]] == ["general"] * 5 + ["vision"] * 4
    assert sum(column["items"] for column in TABLE["columns"]) == 11206
    assert all(("relative_gains" in row) == (row["method"] in TABLE["baselines"]) for row in TABLE["published"])
