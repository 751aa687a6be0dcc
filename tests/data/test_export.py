"""The mini world as files: rows that train here and elsewhere, and a card that names every file by its hash."""

import hashlib
import json
from pathlib import Path

import pytest

from common import UserError, read_jsonl
from configs import compose
from data.export import FIELDS, ExportSettings, run
from data.mini.world import sample
from data.sources import DataSettings, Samples


def export(folder: Path, *options: str) -> Path:
    run(compose(ExportSettings, ["columns=[counting,relay]", "count=6", *options, f"out={folder}"]))
    return folder


def test_rows_are_a_source_with_the_same_pictures(tmp_path: Path) -> None:
    folder = export(tmp_path)
    found = Samples(compose(DataSettings, [f"source={folder}/test.jsonl"]), 0)
    assert len(found) == 12
    for place, (column, number) in enumerate([("counting", 0), ("counting", 1)]):
        ours, wanted = found.sample(place), sample("test", column, number)
        assert (ours.question, ours.answer) == (wanted.question, wanted.answer)
        assert ours.images[0].open().tobytes() == wanted.images[0].open().tobytes()


def test_the_card_names_files_by_their_hash_and_every_field(tmp_path: Path) -> None:
    first, second = export(tmp_path / "first"), export(tmp_path / "second")
    card = json.loads((first / "croissant.json").read_text())
    assert (first / "croissant.json").read_bytes() == (second / "croissant.json").read_bytes()
    rows = list(read_jsonl(first / "test.jsonl"))
    table, pictures = card["distribution"]
    assert table["sha256"] == hashlib.sha256((first / table["contentUrl"]).read_bytes()).hexdigest()
    digest = hashlib.sha256(b"".join((first / row["image"]).read_bytes() for row in rows)).hexdigest()
    assert digest in pictures["description"]
    fields = {one["source"]["extract"]["column"] for one in card["recordSet"][0]["field"]}
    assert fields == set(FIELDS) and all(fields < row.keys() for row in rows)
    (first / "images" / "test_relay_0.png").write_bytes(b"")
    assert digest != hashlib.sha256(b"".join((first / row["image"]).read_bytes() for row in rows)).hexdigest()


@pytest.mark.parametrize(
    ("option", "sentence"),
    [
        ("split=tests", "no split 'tests'"),
        ("columns=[colour]", "no column 'colour'"),
        ("count=0", r"count is 0; it must lie in \[1, inf\)"),
        ("count=401", "400 problems"),
    ],
)
def test_what_cannot_be_written_is_one_sentence(tmp_path: Path, option: str, sentence: str) -> None:
    with pytest.raises(UserError, match=sentence):
        export(tmp_path, option)
    assert not list(tmp_path.rglob("*.png"))
