"""The paper's tables: every row composes at every scale, every printed number that follows from others follows."""

from statistics import fmean

import pytest

from analysis.experiments import read_table_file, rows_of, suite_of, table_names
from analysis.recipes import compared
from analysis.table import columns_of, names_of, ordered, paper_gains, paper_rows, published_mean
from analysis.table_schema import OWN
from common import UserError
from configs import compose
from train.settings import TrainSettings

NAMES = table_names()
GROUPS = ("general", "vision", "overall")
every_table = pytest.mark.parametrize("name", NAMES)


def test_these_tables_have_a_file() -> None:
    figures = [f"figure{number}" for number in (1, 10, 11, 12, 4, 5, 9)]
    studies = [
        "blind_dose",
        "corruptions",
        "dose",
        "dose_entropy",
        "easy_vqa",
        "entropy",
        "entropy_parts",
        "family",
        "family_again",
        *figures,
    ]
    studies += ["losers", "oracles", "pepo", "room", "room_again", "room_controls", "tau", "teachers"]
    assert [*(str(number) for number in range(1, 15)), *studies] == NAMES


@every_table
def test_every_row_composes_at_every_scale_under_its_own_folder(name: str) -> None:
    table = read_table_file(name)
    for scale in table["scales"]:
        assert suite_of(table, scale).scale == scale
        settings = [compose(TrainSettings, [*row.set, f"scale={scale}"]) for row in rows_of(table) if row.set]
        assert len({repr(one) for one in settings}) == len(settings)  # no two rows are the same run
    assert set(table["baselines"]) <= set(names_of(table))


def test_rows_of_one_id_are_one_run_in_all_tables() -> None:
    """A finished run is reused by its folder, which the id names."""
    found: dict[str, str] = {}
    for name in NAMES:
        for row in rows_of(read_table_file(name)):
            settings = repr(compose(TrainSettings, [*row.set, "scale=mini"])) if row.set else ""
            assert found.setdefault(row.id, settings) == settings, (name, row.id)


@every_table
def test_printed_averages_follow_from_the_values(name: str) -> None:
    table = read_table_file(name)
    for row in table["published"]:
        assert row["method"] in names_of(table)
        for group, printed in row["averages"].items():
            mean = published_mean(table, row, group)
            assert mean == pytest.approx(printed, abs=0.0101), (row["method"], row["size"], group)
    assert not table["published"] or set(paper_rows(table).heading) >= {"overall"}


def test_table_1_has_the_rows_that_other_tables_repeat() -> None:
    """Numbers that occur in two tables are equal, but for those that the paper gives two recipes."""
    first = {
        (row["size"], row["method"]): row["averages"]
        for row in read_table_file("1")["published"]
        if row["size"] != "2B"
    }
    for name in NAMES[1:]:
        for row in read_table_file(name)["published"]:
            known = first.get((row["size"], row["method"]), {})
            for group, value in row["averages"].items():
                assert known.get(group, value) == value, (name, row["method"])


def test_a_row_of_the_paper_alone_is_said_and_not_run() -> None:
    table = read_table_file("3")
    assert "papo_g_semantic" not in [row.id for row in rows_of(table)]
    assert "semantic" in table["left_out"]
    with pytest.raises(UserError, match="has no row papo_g_semantic"):
        rows_of(table, ["papo_g_semantic"])


def test_gains_come_from_averages_where_no_values_are_printed() -> None:
    table = read_table_file("4")
    assert paper_gains(table, "papo_g_gamma02", "overall") == "+2.00 (3B)"
    assert paper_gains(table, "papo_g_gamma04", "overall") == "-13.54 (3B)"
    columns = columns_of(read_table_file("2"), "general")
    assert len(columns) == 5
    first = read_table_file("2")["published"][0]
    assert published_mean(read_table_file("2"), first, "general") == pytest.approx(fmean(first["values"][:5]))


def test_table_6_is_what_our_recipes_resolve_to() -> None:
    found = compared(read_table_file("6"))
    assert len(found) == 70 and [one.text() for one in found if not one.agrees] == []
    changed = {"settings": {"gamma": "losses.perception_kl.coef"}}
    changed["printed"] = [{"method": "papo_g", "scale": "2b", "values": {"gamma": 0.02}}]
    assert [one.text() for one in compared(changed)] == ["0.01 (paper: 0.02)"]
    changed["printed"] = [{"method": "grpo", "scale": "2b", "values": {}}]
    assert [one.text() for one in compared(changed)] == ["—"]


@every_table
def test_what_measures_name_is_there(name: str) -> None:
    """Measures read evaluations that the table makes at every scale, and its published numbers are of them."""
    table = read_table_file(name)
    asked = {measure["id"]: measure for measure in table.get("measures", [])}
    found = [one["accuracy"] for one in asked.values() if "accuracy" in one]
    read = {name for names in found for name in ([names] if isinstance(names, str) else names)}
    for scale in table["scales"] if asked else ():
        assert read <= {OWN, *suite_of(table, scale).also}
    for row in table.get("published_measures", []):
        assert set(row["values"]) <= set(asked) and row["method"] in names_of(table)


def test_an_unknown_table_names_those_that_exist() -> None:
    with pytest.raises(UserError, match="configs/tables has 1, 2, 3"):
        read_table_file("qqq")


def test_a_table_of_one_group_has_one_mean() -> None:
    assert ordered(read_table_file("easy_vqa")) == ["easy_vqa", "overall"]
    assert [name for name in ordered(read_table_file("1")) if name in GROUPS] == list(GROUPS)
