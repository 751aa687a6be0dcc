"""A table's file that says what no table can say is refused with the key and the nearest one that is known."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from analysis import experiments
from analysis.experiments import TABLES, read_table_file, table_names
from common import UserError

GOOD: dict[str, Any] = {
    "based_on": 1,
    "title": "Mine",
    "rows": [{"id": "base", "name": "base"}, {"id": "grpo", "name": "GRPO", "set": ["method=grpo"]}],
    "baselines": {"grpo": "base"},
    "also": {"blank": ["view.kind=blank"]},
    "measures": [{"id": "blank", "name": "black pictures, %", "accuracy": "blank"}],
}
GRPO = GOOD["rows"][1]
MEASURE = {"id": "k3", "name": "k3", "metric": "dependency/k3_mean", "over": "last"}


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    (tmp_path / "table1.yaml").write_text((TABLES / "table1.yaml").read_text())
    monkeypatch.setattr(experiments, "TABLES", tmp_path)
    yield tmp_path


def test_every_committed_table_is_accepted() -> None:
    for name in table_names():
        read_table_file(name)


def test_a_table_of_ones_own_is_one_file(folder: Path) -> None:
    (folder / "mine.yaml").write_text(yaml.safe_dump(GOOD))
    found = read_table_file("mine")
    assert [row["id"] for row in found["rows"]] == ["base", "grpo"] and "mini" in found["scales"]


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ({"baseline": {}}, "mine.yaml has no setting 'baseline'; did you mean 'baselines'"),
        ({"baselines": {"grpo": "bsae"}}, "baselines names 'bsae', which is not there; did you mean 'base'"),
        ({"demo": ["papo"]}, "demo names 'papo'"),
        ({"rows": []}, "has no rows"),
        ({"rows": "grpo"}, "rows is a list"),
        ({"rows": ["grpo"]}, "rows is a list"),
        ({"rows": [GRPO, GRPO], "baselines": {}}, "has the id grpo twice"),
        ({"rows": [GRPO | {"id": "a/b"}], "baselines": {}}, "has the id 'a/b'; use small letters"),
        ({"rows": [{"id": "grpo", "nam": "x"}]}, "row grpo has no setting 'nam'; did you mean 'name'"),
        ({"rows": [{"id": "grpo"}]}, "row grpo lacks 'name'"),
        ({"rows": [*GOOD["rows"], GRPO | {"id": "opd", "teacher": "grop"}]}, "teacher names 'grop'"),
        (
            {"rows": [*GOOD["rows"], GRPO | {"id": "opd", "teacher": "opd"}]},
            "row opd learns from opd; name another row",
        ),
        ({"rows": [*GOOD["rows"], GRPO | {"id": "opd", "teacher": "base"}]}, "row opd learns from base; name another"),
        ({"scales": {}}, "has no scales; add based_on: 1"),
        ({"scales": {"mini": {"model": "tiny", "bench": "mini"}}}, "scale mini lacks 'preset'"),
        ({"curves": [{"metric": "a", "label": "b", "row": ["grpo"]}]}, "a curve has no setting 'row'; did you mean"),
        ({"curves": [{"metric": "a", "label": "b", "rows": ["gspo"]}]}, "a curve names 'gspo'"),
        ({"measures": [MEASURE, MEASURE]}, "measures has the id k3 twice"),
        ({"measures": [MEASURE | {"over": "lest"}]}, "measure k3: over names 'lest', which is not there"),
        ({"measures": [{"id": "a", "name": "b", "metrc": "c"}]}, "measure a has no setting 'metrc'; did you mean"),
        ({"measures": [{"id": "a", "name": "b"}]}, "measure a needs one of metric, accuracy, states, attention"),
        ({"measures": [{"id": "a", "name": "b", "accuracy": "blur"}]}, "accuracy names 'blur'"),
        ({"published": [{"model": "Q", "size": "3B"}]}, "a published row lacks 'method'"),
    ],
)
def test_what_no_table_can_say_is_refused(folder: Path, change: dict[str, Any], sentence: str) -> None:
    (folder / "mine.yaml").write_text(yaml.safe_dump(GOOD | change))
    with pytest.raises(UserError, match=sentence):
        read_table_file("mine")


def test_only_the_papers_tables_need_no_title(folder: Path) -> None:
    (folder / "mine.yaml").write_text(yaml.safe_dump({name: GOOD[name] for name in GOOD if name != "title"}))
    with pytest.raises(UserError, match=r"mine\.yaml has no title"):
        read_table_file("mine")
