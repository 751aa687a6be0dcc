"""Rows to samples: file forms, checks with their sentences, subsets, shared steps, suites."""

import base64
import dataclasses
import io
import json
import shutil
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from statistics import mean
from typing import Any

import datasets
import pandas as pd
import pyarrow
import pyarrow.parquet
import pytest
from PIL import Image

from common import UserError
from configs.groups import read_yaml
from data import Sample
from data.images import BytesImage, FileImage
from eval import rows as steps
from eval.benchmark import Benchmark, Part, Where
from eval.benchmarks import BENCHMARKS
from eval.loading import UNUSABLE, Loaded, load, subset
from eval.suites import AVERAGES, SUITES
from tests.eval.make_fixtures import FOLDER, MATHVISTA, TRIANGLE, drawing
from verify import Verdict

ROOT = Path(__file__).resolve().parent.parent.parent
WHERE = Where("toy", Part(None, "test"), 3, Path("folder"))


def read_toy(row: Any, where: Where) -> Sample | str:
    if row["answer"] == "skip":
        return "nothing to answer"
    question, count = row["question"], row.get("pictures", 1)
    images = [steps.picture(row["image"], where)] * count
    tags = {"problem": str(row.get("problem", "p"))}
    kind, choices = row.get("kind", "choice"), row.get("choices", ["ten", "twenty"])
    name = steps.sample_id(where, row["id"])
    return Sample(name, where.bench, question, images, row["answer"], kind, choices, tags=tags)


TOY = Benchmark(
    name="toy",
    title="Toy",
    version="toy/1",
    hub="owner/Shared",
    parts=(Part(None, "test"),),
    licence="MIT",
    columns=("id", "question", "image", "answer"),
    read=read_toy,
    official=lambda sample, text, k: None,
    cluster="problem",
    rows=3,
)


def toy_row(identity: int = 0, **changes: Any) -> dict[str, Any]:
    return {"id": identity, "question": "<image>How many?", "image": TRIANGLE, "answer": "A"} | changes


@pytest.fixture
def toy(tmp_path: Path) -> Callable[..., Loaded]:
    """Loads a benchmark of the given rows, written as JSONL beside one picture."""
    home = tmp_path / "toy"
    (home / "images").mkdir(parents=True)
    drawing(TRIANGLE).save(home / TRIANGLE)

    def loaded(*table: dict[str, Any], **arguments: Any) -> Loaded:
        (home / "default-test.jsonl").write_text("".join(json.dumps(row) + "\n" for row in table))
        return load(TOY, tmp_path, **arguments)

    return loaded


def as_bytes(row: dict[str, Any]) -> dict[str, Any]:
    content = (FOLDER / "mathvista" / row["image"]).read_bytes()
    return row | {"decoded_image": {"bytes": content, "path": None}, "image": "elsewhere/1.png"}


def as_tsv(folder: Path) -> None:
    """Lists and structs as JSON, missing cells empty, pictures as base64."""
    rows = []
    for row in MATHVISTA:
        cells = {name: json.dumps(value) if isinstance(value, dict | list) else value for name, value in row.items()}
        cells["image"] = base64.b64encode((FOLDER / "mathvista" / row["image"]).read_bytes()).decode()
        rows.append(cells)
    pd.DataFrame(rows).to_csv(folder / "default-testmini.tsv", sep="\t", index=False)


@pytest.mark.parametrize("form", ["parquet", "tsv", "hub"])
def test_every_form_of_a_table_gives_the_same_samples(
    form: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    benchmark, home = BENCHMARKS["mathvista"], tmp_path / "mathvista"
    home.mkdir()
    if form == "parquet":
        table = pyarrow.Table.from_pylist([as_bytes(row) for row in MATHVISTA])
        pyarrow.parquet.write_table(table, home / "default-testmini.parquet")
    elif form == "tsv":
        as_tsv(home)
    asked = []

    def load_dataset(hub: str, config: str | None, split: str) -> datasets.Dataset:
        asked.append((hub, config, split))
        data = datasets.Dataset.from_list([as_bytes(row) for row in MATHVISTA])
        return data.cast_column("decoded_image", datasets.Image())

    monkeypatch.setattr(datasets, "load_dataset", load_dataset)
    loaded = load(benchmark, None if form == "hub" else tmp_path)
    plain = load(benchmark, FOLDER)
    assert [sample.record() for sample in loaded.samples] == [sample.record() for sample in plain.samples]
    assert loaded.left_out == plain.left_out == Counter({"no gold answer (test split)": 1})
    assert all(isinstance(image, BytesImage) for sample in loaded.samples for image in sample.images)
    assert loaded.samples[0].images[0].open().tobytes() == plain.samples[0].images[0].open().tobytes()
    assert asked == ([("AI4Math/MathVista", "default", "testmini")] if form == "hub" else [])


def test_hub_files_are_named_with_their_revision(monkeypatch: pytest.MonkeyPatch) -> None:
    content = io.BytesIO()
    drawing(TRIANGLE).save(content, "PNG")
    picture = {"bytes": content.getvalue(), "path": None}
    data = datasets.Dataset.from_list([toy_row(image=picture)])
    data.info.download_checksums = {"hf://datasets/owner/Shared@0123abc/test.parquet": {"num_bytes": 1}}
    monkeypatch.setattr(datasets, "load_dataset", lambda *arguments, **options: data)
    assert load(TOY, None).files == ["hf://datasets/owner/Shared@0123abc/test.parquet"]


@pytest.mark.parametrize("error", [ConnectionError("no network"), ValueError("no split"), RuntimeError("a script")])
def test_a_hub_that_does_not_answer_is_a_sentence(error: Exception, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*arguments: Any, **options: Any) -> None:
        raise error

    monkeypatch.setattr(datasets, "load_dataset", fail)
    with pytest.raises(UserError, match=f"owner/Shared.*{error}.*local copy"):
        load(TOY, None)
    with pytest.raises(UserError, match="toy has no hub copy"):
        load(dataclasses.replace(TOY, hub=""), None)


WRONG_ROWS = {
    "row 1 of toy (default-test) lacks the column(s) image, answer and has id, question;": {"id": 1, "question": "?"},
    "row 1 of toy (default-test) names the picture": toy_row(1, image="images/none.png"),
    "has the gold answer 'a', which is no capital letter": toy_row(1, answer="a"),
    "has the gold answer 'ten', which is no capital letter": toy_row(1, answer="ten", choices=[]),
    "has no gold answer": toy_row(1, answer=" ", kind="text"),
    "repeats the id toy/0 of row 0 of toy (default-test); remove": toy_row(0),
    "has 0 <image> placeholder(s) for 1 picture(s); make": toy_row(1, question="How many?"),
    "has 2 pictures where toy has 1 at most; correct": toy_row(1, question="<image><image>", pictures=2),
    "holds a picture that is neither a path with an ending nor base64": toy_row(1, image="12"),
    "row 1 of toy (default-test) holds an image that is neither a path nor bytes": toy_row(1, image=7),
}


@pytest.mark.parametrize("sentence", WRONG_ROWS)
def test_a_wrong_row_is_counted_and_named_and_the_others_stay(sentence: str, toy: Callable[..., Loaded]) -> None:
    loaded = toy(toy_row(0), WRONG_ROWS[sentence], toy_row(2))
    assert [sample.id for sample in loaded.samples] == ["toy/0", "toy/2"]
    assert (loaded.rows, loaded.kept, loaded.left_out) == (3, 2, Counter({UNUSABLE: 1}))
    assert len(loaded.unusable) == 1 and sentence in loaded.unusable[0]
    assert loaded.deviation == "toy: 2 of 3 items that its authors publish"


def test_where_no_row_can_be_used_the_first_reason_is_told(toy: Callable[..., Loaded]) -> None:
    with pytest.raises(UserError, match=r"2 left out: rows that cannot be used, the first: row 0 of toy .* lacks the"):
        toy({"id": 0}, {"id": 1})


def test_a_picture_that_does_not_open_costs_its_row(toy: Callable[..., Loaded], tmp_path: Path) -> None:
    folder = tmp_path / "toy" / "images"
    (folder / "text.png").write_text("no picture")
    (folder / "cut.png").write_bytes((tmp_path / "toy" / TRIANGLE).read_bytes()[:60])
    Image.new("1", (3000, 4)).save(folder / "strip.png")
    Image.new("1", (20_000, 20_000)).save(folder / "bomb.png")
    table = [toy_row(0), *(toy_row(name, image=f"images/{name}.png") for name in ("text", "cut", "strip", "bomb"))]
    loaded = toy(*table)
    assert [sample.id for sample in loaded.samples] == ["toy/0"] and loaded.left_out == Counter({UNUSABLE: 4})
    assert [name for name, said in zip(("text", "cut", "strip", "bomb"), loaded.unusable, strict=True) if name in said]
    assert len(toy(*table, gone_pictures=True).samples) == 5


@pytest.mark.parametrize(
    ("cell", "said"),
    [(None, "TypeError"), (7, "TypeError"), ({}, "KeyError('source')"), ("text", "string indices must be integers")],
)
def test_a_cell_of_another_form_is_named_with_its_row(cell: Any, said: str, tmp_path: Path) -> None:
    """MMStar's meta_info is a struct that has a source; another cell must not end in a traceback."""
    shutil.copytree(FOLDER / "mmstar", tmp_path / "mmstar")
    path = tmp_path / "mmstar" / "val-val.jsonl"
    table = [json.loads(line) for line in path.read_text().splitlines()]
    table[2]["meta_info"] = cell
    path.write_text("".join(json.dumps(row) + "\n" for row in table))
    loaded = load(BENCHMARKS["mmstar"], tmp_path)
    (told,) = loaded.unusable
    assert told.startswith("row 2 of mmstar (val-val) has a cell of another form than Lin-Chen")
    assert said in told and 'in mmstar.py at `"origin": text_of(row["meta_info"]' in told and len(loaded.samples) == 2


def test_a_row_without_an_id_is_named() -> None:
    for key in (None, "", " "):
        with pytest.raises(UserError, match=r"row 3 of toy \(default-test\) has no id; give every row one"):
            steps.sample_id(WHERE, key)
    assert steps.sample_id(WHERE, 0) == "toy/0"


def test_a_gold_letter_that_the_question_does_not_list_is_told(toy: Callable[..., Loaded]) -> None:
    """Such a row stays: its authors count it, and the list may be misread from free text."""
    asked = "<image>Which? A. ten B. twenty C. thirty"
    table = [
        toy_row(0, question=asked, choices=[], answer="C"),
        toy_row(1, question=asked, choices=[], answer="D"),
        toy_row(2, question=asked, choices=[], answer="A, E"),
        toy_row(3, choices=[], answer="D"),
        toy_row(4, question=asked, choices=[], answer="thirty", kind="text"),
        toy_row(5, answer="A, C"),
    ]
    loaded = toy(*table, items=1)
    assert loaded.kept == 6 and loaded.doubtful_golds == [
        "row 1 of toy (default-test): D, not one of A, B, C; correct the row",
        "row 2 of toy (default-test): A, E, not one of A, B, C; correct the row",
        "row 5 of toy (default-test): A, C, not one of A, B; correct the row",
    ]


def test_the_pictures_that_rows_name_are_known_whatever_the_subset(toy: Callable[..., Loaded], tmp_path: Path) -> None:
    folder = tmp_path / "toy" / "images"
    for name in ("a.png", "b.png", "nobody.png", "skipped.png"):
        drawing(TRIANGLE).save(folder / name)
    inside = base64.b64encode((folder / "a.png").read_bytes()).decode()
    rows = [
        toy_row(0, image="images/b.png"),
        toy_row(1, image="images/a.png"),
        toy_row(2, image="images/b.png"),
        toy_row(3, image=inside),
        toy_row(4, image="images/skipped.png", answer="skip"),
    ]
    assert toy(*rows).pictures == toy(*rows, items=1).pictures == [folder / "b.png", folder / "a.png"]


def test_good_golds_pass(toy: Callable[..., Loaded]) -> None:
    golds = [
        toy_row(0),
        toy_row(1, answer="A, B"),
        toy_row(2, answer="J", choices=[]),
        toy_row(3, answer="x", kind=None),
    ]
    assert len(toy(*golds).samples) == 4


def test_left_out_rows_are_counted_and_a_deviation_is_told(toy: Callable[..., Loaded]) -> None:
    loaded = toy(toy_row(0), toy_row(1, answer="skip"), toy_row(2), items=1)
    assert (loaded.rows, loaded.kept, loaded.left_out) == (3, 2, Counter({"nothing to answer": 1}))
    assert loaded.deviation == "toy: 2 of 3 items that its authors publish"
    assert toy(*map(toy_row, range(3)), items=1).deviation == ""
    assert dataclasses.replace(loaded, benchmark=dataclasses.replace(TOY, rows=None)).deviation == ""
    assert [Path(name).name for name in loaded.files] == ["default-test.jsonl"]


def test_an_empty_benchmark_is_an_error(toy: Callable[..., Loaded]) -> None:
    with pytest.raises(UserError, match=r"toy holds no item to answer \(it has no rows\); check .*default-test"):
        toy()
    with pytest.raises(UserError, match="1 left out: nothing to answer"):
        toy(toy_row(answer="skip"))


def test_local_files_are_found_and_doubtful_ones_refused(toy: Callable[..., Loaded], tmp_path: Path) -> None:
    toy(toy_row())
    (tmp_path / "toy").rename(tmp_path / "Shared")
    loaded = load(TOY, tmp_path)
    assert [Path(name).parent.name for name in loaded.files] == ["Shared"]
    assert isinstance(loaded.samples[0].images[0], FileImage)
    (tmp_path / "Shared" / "default-test.tsv").write_text("id\n")
    with pytest.raises(UserError, match=r"holds default-test\.jsonl and default-test\.tsv; keep one"):
        load(TOY, tmp_path)
    with pytest.raises(UserError, match=r"no local copy of toy: expected .*toy/default-test or .*Shared/default-test"):
        load(TOY, tmp_path / "elsewhere")


SNAPSHOTS = {
    (None, "test"): ["data/test-00000-of-00002.parquet", "data/test-00001-of-00002.parquet"],
    ("default", "testmini"): [f"data/testmini-0000{number}-of-00002-0123abcd.parquet" for number in range(2)],
    ("standard (10 options)", "test"): [f"standard (10 options)/test-0000{n}-of-00002.parquet" for n in range(2)],
    ("testmini", "testmini"): ["testmini.parquet"],
    ("val", "val"): ["toystar.parquet"],
}


@pytest.mark.parametrize("part", SNAPSHOTS)
def test_a_downloaded_snapshot_is_read_as_it_is(part: tuple[str | None, str], tmp_path: Path) -> None:
    home, content = tmp_path / "Shared", io.BytesIO()
    drawing(TRIANGLE).save(content, "PNG")
    table = [toy_row(number, image={"bytes": content.getvalue(), "path": None}) for number in range(3)]
    names = SNAPSHOTS[part]
    for name, rows in zip(names, (table[:1], table[1:]) if len(names) == 2 else (table,), strict=True):
        (home / name).parent.mkdir(parents=True, exist_ok=True)
        pyarrow.parquet.write_table(pyarrow.Table.from_pylist(rows), home / name)
    (home / "data").mkdir(exist_ok=True)
    if len(names) == 2:
        pyarrow.parquet.write_table(pyarrow.Table.from_pylist(table), home / "data" / "train-00000-of-00001.parquet")
    benchmark = dataclasses.replace(TOY, parts=(Part(*part),))
    loaded = load(benchmark, tmp_path)
    assert [sample.id for sample in loaded.samples] == ["toy/0", "toy/1", "toy/2"] and not loaded.missing
    assert loaded.files == [str(home / name) for name in names]
    if len(names) == 2:
        (home / names[0]).unlink()
        loaded = load(benchmark, tmp_path)
        assert len(loaded.samples) == 2 and loaded.missing[0].startswith("shard 00000 of 2 of ")
        assert loaded.deviation.startswith("toy: 2 of 3 items that its authors publish; shard 00000 of 2")


def test_no_other_configuration_is_taken_for_a_part(tmp_path: Path) -> None:
    (tmp_path / "Shared" / "data").mkdir(parents=True)
    pyarrow.parquet.write_table(pyarrow.Table.from_pylist([toy_row()]), tmp_path / "Shared" / "data" / "test.parquet")
    with pytest.raises(UserError, match="no local copy of toy"):
        load(dataclasses.replace(TOY, parts=(Part("a", "test"), Part("b", "test"))), tmp_path)


def test_json_of_a_repository_is_a_list_or_an_object_by_id(tmp_path: Path) -> None:
    (tmp_path / "toy" / "images").mkdir(parents=True)
    drawing(TRIANGLE).save(tmp_path / "toy" / TRIANGLE)
    path = tmp_path / "toy" / "default-test.json"
    by_id = {row.pop("id"): row for row in map(toy_row, ("x", "y"))}
    for text in (json.dumps([toy_row("x"), toy_row("y")]), json.dumps(by_id), f"{json.dumps(toy_row('x'))}\n" * 1):
        path.write_text(text)
        assert [sample.id for sample in load(TOY, tmp_path).samples] == ["toy/x", "toy/y"][: text.count("images")]
    path.write_text("[1]")
    with pytest.raises(UserError, match="neither a list of rows nor an object of rows by id"):
        load(TOY, tmp_path)


@pytest.mark.parametrize(
    ("name", "sentence"),
    [("parquet", "as Parquet"), ("tsv", "as tab-separated text"), ("jsonl", "as JSON lines in UTF-8")],
)
def test_a_broken_file_is_a_sentence(name: str, sentence: str, tmp_path: Path) -> None:
    (tmp_path / "toy").mkdir()
    (tmp_path / "toy" / f"default-test.{name}").write_bytes(b"id\tquestion\n\xff\xfe\t1\t2\t3\n")
    with pytest.raises(UserError, match=f"cannot be read {sentence}"):
        load(TOY, tmp_path)


def test_a_cell_of_a_tsv_is_json_only_if_it_parses(tmp_path: Path) -> None:
    (tmp_path / "toy" / "images").mkdir(parents=True)
    drawing(TRIANGLE).save(tmp_path / "toy" / TRIANGLE)
    line = f'1\t<image>[0, 1) or {{x}}?\t{TRIANGLE}\tB\t"[""NA"", ""null""]"\n'
    (tmp_path / "toy" / "default-test.tsv").write_text(f"id\tquestion\timage\tanswer\tchoices\n{line}")
    sample = load(TOY, tmp_path).samples[0]
    assert sample.question == "<image>[0, 1) or {x}?"
    assert sample.choices == ["NA", "null"]


def clustered(count: int = 20, size: int = 5) -> list[Sample]:
    names = [(cluster, item) for cluster in range(count) for item in range(size)]
    return [Sample(f"{c}/{i}", "toy", "", (), "A", tags={"problem": str(c)}) for c, i in names]


def test_a_subset_is_made_of_whole_clusters() -> None:
    samples = clustered()
    few, more = subset(TOY, samples, 8), subset(TOY, samples, 31)
    assert len(few) == 10
    assert set(Counter(sample.tags["problem"] for sample in few).values()) == {5}
    assert len(more) == 35
    assert {sample.id for sample in few} < {sample.id for sample in more}
    assert subset(TOY, samples[::-1], 8) == few[::-1]
    assert [sample for sample in samples if sample in few] == few
    assert subset(TOY, samples, 1000) == samples
    assert len(subset(dataclasses.replace(TOY, cluster=""), samples, 8)) == 8
    with pytest.raises(UserError, match="items=0 leaves nothing of toy"):
        subset(TOY, samples, 0)


@pytest.mark.parametrize(
    ("question", "options"),
    [
        ("Options: A: yes, it is, B: no, C: 3.5", ("yes, it is", "no", "3.5")),
        ("Plan A: x fits.\nChoices:\nA:65\nB:70\nC:80", ("65", "70", "80")),
        ("(A) ten (B) twenty", ("ten", "twenty")),
        ("A. F;    B. D;    C. B;    D. I; E. No correct answer", ("F", "D", "B", "I", "No correct answer")),
        ("A. 1.5\nB. D.C. power\nC. A. B.\n", ("1.5", "D.C. power", "A. B.")),
        ("A) 10 B) 12 C) 14 D) 16", ("10", "12", "14", "16")),
        ("A. 1;B．2;C.D.;D. 4", ("1", "2", "D.", "4")),
        ("Take A, B or C.(A) 1 (B)is doubled(C) 9(D)8", ("1", "is doubled", "9", "8")),
        ("Points (A), (B), (C). Options: A: (A), B: (B), C: (C)", ("(A)", "(B)", "(C)")),
        ("Find P(A) and P(B).", ()),
        ("(A) P(B) (B) P(A) (C) 1", ("P(B)", "P(A)", "1")),
        ("Which of A, B and C?", ()),
        ("A. only one", ()),
        ("", ()),
    ],
)
def test_options_inside_a_question(question: str, options: tuple[str, ...]) -> None:
    assert steps.inline_options(question) == options


@pytest.mark.parametrize(
    ("gold", "options", "letters"),
    [
        ("B", ("x", "y"), "B"),
        ("(B)", ("x", "y"), "B"),
        ("B.", (), "B"),
        ("A\nB", ("x", "y"), "A, B"),
        ("B, D", (), "B, D"),
        ("C", ("x", "y"), None),
        ("False", ("True", "False"), "B"),
        ("053 ^\\circ T", ("x", "y"), None),
        ("", ("x", "y"), None),
    ],
)
def test_letters_of_a_gold(gold: str, options: tuple[str, ...], letters: str | None) -> None:
    assert steps.gold_letters(gold, options) == letters


def test_unreadable_options_leave_the_letter() -> None:
    assert steps.listed_choice("A: x, B: y", "B") == ("B", ("x", "y"))
    assert steps.listed_choice("A: x, B: y", "C") == ("C", ())
    assert steps.listed_choice("A: x, B: y", "north") == (None, ())


def test_lists_in_cells() -> None:
    assert steps.text_list("['a', \"b's\"]", WHERE, "options") == ["a", "b's"]
    assert steps.text_list([1, " two "], WHERE, "options") == ["1", "two"]
    assert steps.text_list(None, WHERE, "options") == steps.text_list("", WHERE, "options") == []
    for bad in ("[1, 2", "f(1)", "7", "{'a': 1}", "[" * 200_000):
        with pytest.raises(UserError, match=r"row 3 of toy \(default-test\) holds .*options.*write it as"):
            steps.text_list(bad, WHERE, "options")


def test_labels_and_answer_types() -> None:
    assert steps.option_lines(["ten", "{}"]) == "(A) ten\n(B) {}"
    assert steps.option_lines(["ten"], "{}. {}") == "A. ten"
    assert [steps.number_or_math(gold) for gold in ("-3.5", "7", ".5", "1/2", "60°", "")] == ["number"] * 3 + [
        "math"
    ] * 3
    assert steps.tag_values(steps.joined(["a", "b"])) == ["a", "b"]
    assert steps.with_pictures("What?", 2) == "<image><image>What?"
    assert steps.with_pictures("See <image>.", 1) == "See <image>."


def test_pictures_of_a_row() -> None:
    assert steps.pictures(None, WHERE) == []
    assert [image.path for image in steps.pictures(["a.png", "b.png"], WHERE)] == [
        WHERE.folder / "a.png",
        WHERE.folder / "b.png",
    ]
    assert isinstance(steps.first_picture({"a": None, "b": {"bytes": b"x"}}, ("a", "b"), WHERE), BytesImage)
    with pytest.raises(UserError, match="has no picture in a or b; fill the column"):
        steps.first_picture({"a": None}, ("a", "b"), WHERE)


def test_the_table_of_verdicts_and_its_mean_over_rounds() -> None:
    sample = Sample("toy/1", "toy", "", (), "A", tags={"problem": "p"})
    judged = [(sample, k, Verdict("A", k == 0, True, "g/1", "letter")) for k in range(4)]
    table = steps.verdict_table(judged)
    assert list(table.columns) == ["sample_id", "k", "gold", "extracted", "correct", "score", "problem"]
    shares = dataclasses.replace(BENCHMARKS["wemath"], metrics=lambda part: {"share": part.correct.mean()})
    assert shares.summary(table) == {"share": 0.25}
    with pytest.raises(AssertionError, match="called like a column"):
        steps.verdict_table([(dataclasses.replace(sample, tags={"k": "1"}), 0, judged[0][2])])


def test_suites_name_benchmarks() -> None:
    assert {name for suite in SUITES.values() for name in suite} <= BENCHMARKS.keys()
    assert len(SUITES["papo_suite"]) == 9
    parts = {suite: {*sum(averages.values(), ())} for suite, averages in AVERAGES.items()}
    assert all(columns <= {*SUITES[suite]} for suite, columns in parts.items() if suite != "mini")


def test_averages_give_those_of_the_paper() -> None:
    table = read_yaml(ROOT / "configs" / "tables" / "table1.yaml", "table1")
    titles = [column["benchmark"] for column in table["columns"]]
    names = [next(n for n in SUITES["papo_suite"] if BENCHMARKS[n].title.endswith(f" {title}")) for title in titles]
    assert [BENCHMARKS[name].rows for name in names] == [column["items"] for column in table["columns"]]
    for row in table["published"]:
        values = dict(zip(names, row["values"], strict=True))
        ours = {name: mean(values[c] for c in columns) for name, columns in AVERAGES["papo_suite"].items()}
        assert ours == pytest.approx(row["averages"], abs=0.01)  # values and averages are printed with two decimals
