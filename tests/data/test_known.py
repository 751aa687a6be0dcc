"""What the mini world knows of its problems, and the command that writes it."""

import json
import pickle
from itertools import islice
from pathlib import Path

import pytest
from PIL import Image

from common import UserError
from data.build import BuildSettings, run
from data.columns import COLUMNS
from data.mini.columns import COLUMNS as MINI_COLUMNS
from data.mini.known import PROBES
from data.mini.scene import GRID, describe_cell
from data.mini.world import problem, sample, samples, stream
from data.sources import DataSettings


def test_every_known_column_fits_its_type_and_lies_in_the_picture():
    for drawn in islice(stream("train"), 200):
        assert all(COLUMNS[name].fits(value) for name, value in drawn.columns.items())
        scene, columns = drawn.images[0], drawn.columns
        cells = {(row, column): scene.cells[row * GRID + column] for row in range(GRID) for column in range(GRID)}
        assert all(cells[tuple(place)] for place in columns["evidence"])
        for probe in columns["probes"]:
            words = probe["q"].split()
            assert describe_cell(cells[int(words[4]) - 1, int(words[6]) - 1]) == probe["a"]
        assert len({probe["q"] for probe in columns["probes"]}) == PROBES


def test_facts_that_the_text_states_are_no_visual_facts():
    texts = {version: n for n, version in enumerate(("dominant", "lite", "intensive", "vision", "only"))}
    found = {name: next(stream("train", 4 + 9 * n)) for name, n in texts.items()}
    facts = {name: one.columns["visual_facts"] for name, one in found.items()}
    width, height = (f"{name} is {found['lite'].facts[name]}" for name in ("width", "height"))
    assert facts == {
        "dominant": [],
        "lite": [height],
        "intensive": [width],
        "vision": [width, height],
        "only": [width, height],
    }
    assert found["dominant"].columns["evidence"] == []


def test_the_evidence_of_a_count_is_every_object_counted():
    for index in range(40):
        found = problem("train", "counting", index)
        ((name, count),) = found.facts.items()
        counted = next(stream("train", 6 + 9 * index))
        assert len(counted.columns["evidence"]) == int(count), name


def test_the_command_writes_a_column_and_takes_values_from_a_file(tmp_path: Path):
    out, rows, values = tmp_path / "out.jsonl", tmp_path / "rows.jsonl", tmp_path / "values.jsonl"
    run(BuildSettings(column="visual_facts", count=5, out=str(out)))
    assert [json.loads(line)["visual_facts"] for line in out.read_text().splitlines()] == [
        one.columns["visual_facts"] for one in islice(stream("train"), 5)
    ]
    rows.write_text('{"id": "a", "problem": "?", "answer": "1"}\n')
    settings = BuildSettings(column="probes", data=DataSettings(source=str(rows)), values=str(values), out=str(out))
    values.write_text('{"id": "b", "probes": [{"q": "x", "a": "y"}]}\n')
    with pytest.raises(UserError, match=r"sample a has no probes"):
        run(settings)
    values.write_text('{"id": "a", "probes": [{"q": "x", "a": "y"}]}\n')
    run(settings)
    assert json.loads(out.read_text())["probes"] == [{"q": "x", "a": "y"}]


def test_the_cells_of_a_fact_hold_what_it_says():
    """A changed cell of a near miss is a cell of the fact that changed, or becomes one."""
    for column in MINI_COLUMNS:
        for missed in samples("near", column, 60):
            found = sample("test", column, int(missed.id.rsplit("/", 1)[1]))
            (place,) = [n for n in range(GRID**2) if missed.images[0].cells[n] != found.images[0].cells[n]]
            (name,) = [name for name in found.facts if found.facts[name] != missed.facts[name]]
            cells = found.columns["evidence_by_fact"][name] + missed.columns["evidence_by_fact"][name]
            assert [place // GRID, place % GRID] in cells


def test_a_sample_travels_between_processes_with_its_columns():
    for column in MINI_COLUMNS:
        drawn = sample("train", column, 3)
        again = pickle.loads(pickle.dumps(drawn))
        assert dict(again.columns) == dict(drawn.columns)
        assert (again.id, again.question, again.images) == (drawn.id, drawn.question, drawn.images)


def test_pictures_of_a_column_are_written_beside_the_file(tmp_path):
    run(BuildSettings(column="negative", data=DataSettings(), count=2, out=str(tmp_path / "rows.jsonl")))
    rows = [json.loads(line) for line in (tmp_path / "rows.jsonl").read_text().splitlines()]
    for row, drawn in zip(rows, stream("train"), strict=False):
        (path,), (scene,) = row["negative"], drawn.columns["negative"]
        assert COLUMNS["negative"].fits(row["negative"]) and Path(path).parent == tmp_path / "rows"
        assert Image.open(path).tobytes() == scene.open().tobytes()
