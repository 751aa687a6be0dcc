"""Table 1 as the paper prints it is whole; tests/analysis/test_arithmetic.py recomputes it."""

from pathlib import Path

from configs.groups import read_yaml

TABLE = read_yaml(Path(__file__).resolve().parents[2] / "configs" / "tables" / "table1.yaml", "table1.yaml")


def test_the_table_is_whole() -> None:
    assert len(TABLE["published"]) == 10
    assert all(len(row["values"]) == len(TABLE["columns"]) == 9 for row in TABLE["published"])
    assert all(set(column["vision_need"]) <= {"low", "medium", "high"} for column in TABLE["columns"])
    assert [column["group"] for column in TABLE["columns"]] == ["general"] * 5 + ["vision"] * 4
    assert sum(column["items"] for column in TABLE["columns"]) == 11206
    assert all(("relative_gains" in row) == (row["method"] in TABLE["baselines"]) for row in TABLE["published"])
