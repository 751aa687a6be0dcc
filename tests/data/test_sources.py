"""Samples from files in both row schemas, their order, what is refused, and the command line."""

import io
import json
import os
import re
import resource
import subprocess
import sys
from itertools import islice
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from PIL import Image

from common import UserError
from data.images import BytesImage, FileImage, PillowImage, png_bytes
from data.mini.columns import COLUMNS
from data.prompts import THINK_AND_BOX, chat_messages, user_text
from data.sample import Sample
from data.sources import DataSettings, Samples, StageSettings, sample_from_row
from data.views import PatchBlack, apply_view

ROOT = Path(__file__).resolve().parents[2]
COLOURS = [(250, 0, 0), (0, 250, 0), (0, 0, 250)]


def png(colour: tuple[int, int, int], size: tuple[int, int] = (4, 3)) -> bytes:
    return png_bytes(Image.new("RGB", size, colour))


def jsonl(folder: Path, *rows: dict) -> str:
    path = folder / "train.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return str(path)


def parquet(folder: Path, *rows: dict) -> str:
    path = folder / "train.parquet"
    pq.write_table(pa.Table.from_pylist(list(rows)), path)
    return str(path)


def read(source: str, **settings: str) -> list[Sample]:
    samples = Samples(DataSettings(source=source, **settings), seed=0)
    return [samples.sample(place) for place in range(len(samples))]


def colour_of(sample: Sample, number: int = 0) -> tuple[int, ...]:
    image = sample.images[number].open()
    assert image.mode == "RGB"
    return image.getpixel((0, 0))


def refusal(source: str) -> str:
    """The one sentence with which a source is refused."""
    with pytest.raises(UserError) as refused:
        read(source)
    assert "\n" not in str(refused.value)
    return str(refused.value)


def private_bytes() -> int:
    """Memory of this process that is not a mapped file."""
    status = Path("/proc/self/status").read_text()
    return 1024 * int(re.search(r"RssAnon:\s+(\d+) kB", status)[1])


def numbered(folder: Path, count: int) -> DataSettings:
    return DataSettings(source=jsonl(folder, *({"problem": "How many?", "answer": n} for n in range(count))))


def test_problem_rows_with_image_paths_beside_the_file(tmp_path: Path) -> None:
    (tmp_path / "pictures").mkdir()
    (tmp_path / "pictures" / "a.png").write_bytes(png(COLOURS[0]))
    (tmp_path / "b.png").write_bytes(png(COLOURS[1]))
    source = jsonl(
        tmp_path,
        {"problem": "<image> and <image>?", "answer": " 7 ", "images": ["pictures/a.png", str(tmp_path / "b.png")]},
        {"problem": "1 + 1?", "answer": 2},
        {"problem": "1 + 2?", "answer": "3", "images": None, "id": "mine"},
    )
    first, second, third = read(source)
    assert (first.question, first.answer) == ("<image> and <image>?", "7")
    assert [colour_of(first, 0), colour_of(first, 1)] == COLOURS[:2]
    assert (second.question, second.answer, list(second.images)) == ("1 + 1?", "2", [])
    assert [first.id, second.id, third.id] == [f"{source}/0", f"{source}/1", "mine"]


def test_image_folder_moves_relative_paths(tmp_path: Path) -> None:
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "elsewhere" / "a.png").write_bytes(png(COLOURS[2]))
    source = jsonl(tmp_path, {"problem": "<image>?", "answer": "7", "images": ["a.png"]})
    (sample,) = read(source, image_folder=str(tmp_path / "elsewhere"))
    assert colour_of(sample) == COLOURS[2]


def test_one_image_needs_no_list(tmp_path: Path) -> None:
    (tmp_path / "a.png").write_bytes(png(COLOURS[0]))
    (sample,) = read(jsonl(tmp_path, {"problem": "What?", "answer": "7", "images": "a.png"}))
    assert colour_of(sample) == COLOURS[0]
    (sample,) = read(parquet(tmp_path, {"problem": "What?", "answer": "7", "images": png(COLOURS[1])}))
    assert colour_of(sample) == COLOURS[1]


def test_problem_rows_with_bytes_structs_in_parquet(tmp_path: Path) -> None:
    (tmp_path / "c.png").write_bytes(png(COLOURS[2]))
    structs = [{"bytes": png(COLOURS[0]), "path": "a.png"}, {"bytes": None, "path": "c.png"}]
    source = parquet(
        tmp_path,
        {"id": "x", "problem": "<image><image>?", "answer": "A", "images": structs},
        {"id": None, "problem": "no picture", "answer": "B", "images": None},
    )
    first, second = read(source)
    assert [colour_of(first, 0), colour_of(first, 1)] == [COLOURS[0], COLOURS[2]]
    assert [first.id, second.id] == ["x", f"{source}/1"]


def test_parquet_with_bare_bytes(tmp_path: Path) -> None:
    source = parquet(tmp_path, {"problem": "<image>?", "answer": "A", "images": [png(COLOURS[1])]})
    assert colour_of(read(source)[0]) == COLOURS[1]


def test_decoded_pictures_of_a_hub_row() -> None:
    row = {"problem": "<image>?", "answer": "A", "images": [Image.new("1", (2, 2), 1)]}
    sample = sample_from_row(row, 0, "owner/name", Path())
    assert isinstance(sample.images[0], PillowImage)
    assert colour_of(sample) == (255, 255, 255)


def test_message_rows(tmp_path: Path) -> None:
    parts = [{"type": "image"}, {"type": "text", "text": "What is "}, {"type": "text", "text": "it?"}]
    source = jsonl(
        tmp_path,
        {"messages": [{"role": "user", "content": parts}, {"role": "assistant", "content": "seven"}], "images": ["a"]},
        {
            "messages": [
                {"role": "system", "content": "Be brief."},
                {"role": "user", "content": "Look <image> here"},
                {"role": "assistant", "content": [{"type": "text", "text": "eight"}]},
            ],
            "images": ["a"],
        },
    )
    assert [(s.question, s.answer) for s in read(source)] == [
        ("<image>What is it?", "seven"),
        ("Look <image> here", "eight"),
    ]


def test_message_rows_in_parquet(tmp_path: Path) -> None:
    turns = [
        {"role": "user", "content": [{"type": "image", "text": None}, {"type": "text", "text": "What?"}]},
        {"role": "assistant", "content": [{"type": "text", "text": "7"}]},
    ]
    (sample,) = read(parquet(tmp_path, {"messages": turns, "images": [{"bytes": png(COLOURS[0])}]}))
    assert (sample.question, sample.answer, colour_of(sample)) == ("<image>What?", "7", COLOURS[0])


def test_missing_placeholders_go_in_front(tmp_path: Path) -> None:
    source = jsonl(tmp_path, {"problem": "Which one?", "answer": "A", "images": ["a", "b"]})
    assert read(source)[0].question == "<image><image>Which one?"


def test_every_epoch_is_a_new_order_of_all_rows(tmp_path: Path) -> None:
    samples = Samples(numbered(tmp_path, 7), seed=0)
    answers = [sample.answer for sample in samples.take(0, 28)]
    epochs = [answers[start : start + 7] for start in range(0, 28, 7)]
    assert all(sorted(epoch) == list("0123456") for epoch in epochs)
    assert len({tuple(epoch) for epoch in epochs}) == 4
    again = Samples(numbered(tmp_path, 7), seed=0).take(0, 28)
    assert [sample.answer for sample in again] == answers
    other = Samples(numbered(tmp_path, 7), seed=1).take(0, 28)
    assert [sample.answer for sample in other] != answers


def test_resuming_at_any_position_equals_the_straight_stream(tmp_path: Path) -> None:
    samples = Samples(numbered(tmp_path, 5), seed=3)
    straight = [sample.id for sample in islice(samples.from_position(0), 23)]
    for position in range(23):
        resumed = [sample.id for sample in islice(samples.from_position(position), 23 - position)]
        assert resumed == straight[position:]


def test_the_mini_world_resumes_and_seeds_see_different_problems() -> None:
    samples = Samples(DataSettings(), seed=2)
    straight = samples.take(0, 24)
    assert samples.take(11, 13) == straight[11:]
    assert {sample.tags["column"] for sample in straight} == set(COLUMNS)
    assert not {s.id for s in straight} & {s.id for s in Samples(DataSettings(), seed=0).take(0, 24)}


def test_a_missing_image_is_named_with_its_row_when_opened(tmp_path: Path) -> None:
    source = jsonl(tmp_path, {"problem": "?", "answer": "1"}, {"problem": "?", "answer": "1", "images": ["gone.png"]})
    image = read(source)[1].images[0]
    with pytest.raises(UserError, match=rf"{tmp_path}/gone.png does not exist \(needed by row 1 of {source}\); check"):
        image.open()


def test_rows_stay_on_disk_and_their_pictures_stay_bytes_until_they_open(tmp_path: Path) -> None:
    """30 MB of pictures: a few samples hold their own alone."""
    noise, sources = os.urandom(30_000_000), []
    rows = [
        {"problem": f"{n}?", "answer": str(n), "images": [{"bytes": noise[n * 30_000 :][:30_000]}]}
        for n in range(1000)
    ]
    source = parquet(tmp_path, *rows)
    del rows
    samples = Samples(DataSettings(source=source), seed=0)
    before = private_bytes()
    sources = samples.take(0, 50)
    assert private_bytes() - before < 10_000_000
    assert len(samples) == 1000
    assert all(s.images[0].content == noise[int(s.answer) * 30_000 :][:30_000] for s in sources)


def test_bad_rows_are_left_out_and_counted_up_to_a_share(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    rows = [{"problem": "?", "answer": str(n)} for n in range(50)]
    rows[7] = {"problem": "?", "answer": " "}
    samples = Samples(DataSettings(source=jsonl(tmp_path, *rows)), seed=0)
    assert {s.answer for s in samples.take(0, 98)} == {str(n) for n in range(50)} - {"7"}
    assert re.search("1 of 50 rows are left out, the first because row 7 of .* has no answer", capsys.readouterr().err)
    rows[8] = rows[7]
    assert "row 7 of" in refusal(jsonl(tmp_path, *rows)) and "2 of 50 rows cannot be used" in refusal(
        jsonl(tmp_path, *rows)
    )


def test_a_row_whose_picture_is_missing_is_a_sample_that_fails_when_it_opens(tmp_path: Path) -> None:
    rows = [{"problem": "<image>?", "answer": "1", "images": [{"bytes": png(COLOURS[0]), "path": None}]}] * 60
    rows[5] = {"problem": "<image>?", "answer": "1", "images": [{"bytes": None, "path": None}]}
    samples = Samples(DataSettings(source=parquet(tmp_path, *rows)), seed=0)
    broken = [s for s in samples.take(0, 60) if not s.answer]
    with pytest.raises(UserError, match=r"row 5 of .* holds an image that is neither"):
        broken[0].images[0].open()
    samples.count_broken(["row 5 cannot be used"] * 10)
    with pytest.raises(UserError, match=r"row 6 cannot be used .11 of the last 60 samples"):
        samples.count_broken(["row 6 cannot be used"])


@pytest.mark.parametrize("content", [b"", b"no picture", png(COLOURS[0], (50, 50))[:-40]])
def test_a_corrupt_image_is_named_with_its_row(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "a.png").write_bytes(content)
    with pytest.raises(UserError, match=r"a.png cannot be read \(needed by row 3 of x\)"):
        FileImage(tmp_path / "a.png", "row 3 of x").open()
    with pytest.raises(UserError, match="image bytes of row 3 of x cannot be read"):
        BytesImage(content, "row 3 of x").open()


def test_a_truncated_jpeg_is_refused() -> None:
    buffer = io.BytesIO()
    Image.effect_noise((64, 64), 80).save(buffer, format="JPEG")
    assert BytesImage(buffer.getvalue()).open().size == (64, 64)
    with pytest.raises(UserError, match="image bytes of a row cannot be read"):
        BytesImage(buffer.getvalue()[: len(buffer.getvalue()) // 2]).open()


@pytest.mark.parametrize(
    ("row", "named"),
    [
        ({"problem": "?", "answer": None}, "has no answer; remove the row or fill its answer"),
        ({"problem": "?", "answer": "  "}, "has no answer"),
        ({"messages": [{"role": "user", "content": "?"}]}, "has no answer"),
        ({"question": "?", "answer": "1"}, "has the columns answer, question; expected problem, answer"),
        ({"problem": "?"}, "has the columns problem; expected"),
        ({"problem": "<image>?", "answer": "1", "images": ["a", "b"]}, r"has 1 <image> placeholder\(s\) for 2 image"),
        ({"problem": "<image>?", "answer": "1"}, r"has 1 <image> placeholder\(s\) for 0 image"),
        ({"problem": "?", "answer": "1", "images": [7]}, "neither a path nor bytes nor a picture; fix its images"),
        ({"problem": "?", "answer": "1", "images": [{"path": None}]}, "neither a path nor bytes"),
        ({"messages": [{"from": "human", "value": "?"}]}, "not a turn with role and content"),
        ({"messages": "?"}, "not a turn with role and content"),
        ({"messages": [{"role": "user", "content": None}]}, "not a turn with role and content"),
        (
            {"messages": [{"role": r, "content": "?"} for r in ("user", "assistant", "user", "assistant")]},
            "several turns of one role; keep one",
        ),
    ],
)
def test_a_bad_row_is_named(tmp_path: Path, row: dict, named: str) -> None:
    sentence = refusal(jsonl(tmp_path, {"problem": "?", "answer": "1"}, row))
    assert re.search(rf"row 1 of {tmp_path}/train.jsonl .*{named}", sentence)


def test_a_bad_source_is_named(tmp_path: Path) -> None:
    assert (
        refusal(jsonl(tmp_path)) == f"data.source '{tmp_path}/train.jsonl' has no rows; there is nothing to learn from"
    )
    pq.write_table(pa.table({"problem": [], "answer": []}), tmp_path / "empty.parquet")
    assert refusal(f"{tmp_path}/empty.parquet").endswith("empty.parquet' has no rows; there is nothing to learn from")
    row = {"problem": "?", "answer": "1", "id": "one"}
    assert "repeats 2 id(s); ids must be unique" in refusal(jsonl(tmp_path, row, row, row))
    assert refusal(f"{tmp_path}/none.jsonl") == f"the data file {tmp_path}/none.jsonl does not exist; check the path"
    (tmp_path / "folder.jsonl").mkdir()
    assert refusal(f"{tmp_path}/folder.jsonl").endswith("folder.jsonl is no file; check the path")
    assert (
        refusal(f"{tmp_path}/none.parquet") == f"the data file {tmp_path}/none.parquet does not exist; check the path"
    )
    assert "'train.csv' is neither mini, a .jsonl or .parquet file, a folder, nor a hub id" in refusal("train.csv")
    assert "holds no train-*.parquet; check data.source and data.split" in refusal(str(tmp_path))
    assert "row 0 of" in (said := refusal(jsonl(tmp_path, row | {"answer": float("nan")}))) and "no answer" in said


def test_a_downloaded_folder_that_lacks_a_shard_is_refused(tmp_path: Path) -> None:
    (tmp_path / "data").mkdir()
    for number in (0, 1):
        rows = [{"problem": f"{number}?", "answer": "1"}]
        pq.write_table(pa.Table.from_pylist(rows), tmp_path / "data" / f"train-0000{number}-of-00002.parquet")
    assert len(read(str(tmp_path))) == 2
    (tmp_path / "data" / "train-00000-of-00002.parquet").unlink()
    said = refusal(str(tmp_path))
    assert said == f"shard 00000 of 2 of train is not in {tmp_path}/data; finish the download of {tmp_path}"


def test_broken_files_are_named(tmp_path: Path) -> None:
    (tmp_path / "train.jsonl").write_text('{"problem": "?", "answer": "1"}\n{"problem": \n')
    assert re.search(r"train.jsonl, line 2 is not valid JSON", refusal(f"{tmp_path}/train.jsonl"))
    (tmp_path / "train.jsonl").write_bytes(b'{"problem": "\xff"}\n')
    assert re.search(r"train.jsonl cannot be read as JSON lines in UTF-8: ", refusal(f"{tmp_path}/train.jsonl"))
    (tmp_path / "train.parquet").write_bytes(b"this is no table")
    assert re.search(r"train.parquet cannot be read as Parquet: ", refusal(f"{tmp_path}/train.parquet"))


def test_a_hub_data_set_that_cannot_be_had_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    import datasets

    def refuse(*arguments: object, **settings: object) -> None:
        raise ConnectionError("Couldn't reach 'nobody/nothing' on the Hub")

    monkeypatch.setattr(datasets, "load_dataset", refuse)
    assert re.search(
        r"hub data set nobody/nothing \(train\) cannot be loaded: Couldn't reach", refusal("nobody/nothing")
    )


def test_an_unknown_split_of_the_mini_world_is_refused_at_once() -> None:
    with pytest.raises(UserError, match="no split 'holdout'; use one of train, validation, test"):
        Samples(DataSettings(split="holdout"), seed=0)


def test_prompts_put_the_instruction_after_the_question() -> None:
    sample = Sample("s", "test", "Look <image> and <image>?", [PillowImage(Image.new("1", (1, 1)))] * 2, "1")
    assert user_text(sample, "question_only") == "Look <image> and <image>?"
    assert user_text(sample, "papo") == "Look <image> and <image>?\n\n" + THINK_AND_BOX
    (turn,) = chat_messages(sample, "question_only")
    image = {"type": "image"}
    texts = [{"type": "text", "text": text} for text in ("Look ", " and ", "?")]
    assert turn == {"role": "user", "content": [texts[0], image, texts[1], image, texts[2]]}


def test_prompts_refuse_what_does_not_fit() -> None:
    sample = Sample("s", "test", "Look <image>?", [], "1")
    with pytest.raises(UserError, match=r"sample s has 0 image\(s\) but 1 <image> placeholder"):
        chat_messages(sample, "papo")
    with pytest.raises(UserError, match="no prompt template 'poem'; use one of papo, roles, question_only"):
        user_text(sample, "poem")


def data_command(*arguments: str) -> subprocess.CompletedProcess:
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    return subprocess.run(
        [sys.executable, "-m", "data", *arguments], cwd=ROOT, env=environment, capture_output=True, text=True
    )


@pytest.mark.slow
def test_help_is_quick_and_lists_the_settings() -> None:
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    done = data_command("--help")
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    assert done.returncode == 0
    assert all(f"  {name} " in done.stdout for name in ("view", "image", "out", "seed", "columns"))
    # Processor time, so that a busy machine does not fail it.
    assert after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime < 5


@pytest.mark.slow
def test_the_command_corrupts_one_image(tmp_path: Path) -> None:
    image = Image.effect_noise((40, 30), 90).convert("P")
    image.save(tmp_path / "a.png")
    out = tmp_path / "new" / "b"
    done = data_command("view.ratio=0.5", "view.size=8", f"image={tmp_path}/a.png", f"out={out}", "seed=4")
    assert (done.returncode, done.stdout, done.stderr) == (0, f"{out}\n", "")
    expected = apply_view(image, PatchBlack(size=8, ratio=0.5), 4)
    with Image.open(out) as written:
        assert (written.format, written.tobytes()) == ("PNG", expected.tobytes())


@pytest.mark.slow
def test_the_command_draws_a_contact_sheet(tmp_path: Path) -> None:
    out = tmp_path / "sheet"
    done = data_command("view=blank", "columns=[counting,versions]", "count=3", f"out={out}")
    assert (done.returncode, done.stderr) == (0, "")
    with Image.open(out) as sheet:
        width, height = 2 * 128 + 3 * 10, 128 + 2 * 10 + 5 * 13
        assert (sheet.format, sheet.size) == ("PNG", (3 * width, 2 * height))
        assert sheet.crop((148, 10, 276, 138)).getextrema() == ((0, 0),) * 3  # the corrupted twin
        assert sheet.crop((10, 10, 138, 138)).getextrema()[0][1] == 250


@pytest.mark.slow
@pytest.mark.parametrize(
    ("arguments", "named"),
    [
        (["view=sharpen"], "kind of view 'sharpen'"),
        (["columns=[colours]"], "no column 'colours'; use some of geometry"),
        (["image=none.png"], "none.png does not exist"),
        (["count=0"], "count is 0; it must lie in [1, inf)"),
        (["image=none", "views.b=blank"], "views are drawn on the sheet of a folder"),
    ],
)
def test_the_command_refuses_in_one_sentence(tmp_path: Path, arguments: list[str], named: str) -> None:
    done = data_command(*arguments, f"out={tmp_path}/out.png")
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.startswith("error: ")
    assert named in done.stderr
    assert done.stderr.count("\n") == 1


def facts_rows(folder: Path) -> str:
    rows = [
        {"id": str(n), "problem": "?", "answer": "1", "form": "yesno" if n % 2 else "open", "visual_facts": ["a is 1"]}
        for n in range(6)
    ]
    return jsonl(folder, *rows)


def test_further_columns_come_along_and_known_ones_are_checked(tmp_path: Path) -> None:
    row = {"problem": "?", "answer": "1", "visual_facts": ["a is 1"], "level": 3, "answer_type": "set", "source": "x"}
    (sample,) = read(jsonl(tmp_path, row))
    assert sample.columns == {"visual_facts": ["a is 1"], "level": 3}
    assert (sample.answer_type, sample.source) == ("set", "x")
    assert "visual_facts" in refusal(jsonl(tmp_path, {**row, "visual_facts": "a is 1"}))
    assert "visual_facts" in refusal(jsonl(tmp_path, {**row, "visual_facts": ["a is 1", ""]}))


def test_a_missing_column_is_named_with_the_command_that_builds_it(tmp_path: Path) -> None:
    source = jsonl(tmp_path, {"problem": "?", "answer": "1", "visual_fact": ["a"]}, {"problem": "?", "answer": "2"})
    samples = Samples(DataSettings(source=source), 0)
    with pytest.raises(UserError, match=r"'probes', which 2 of 2 .*python -m data\.build probes data\.source="):
        samples.require({"probes"}, "rollouts.plan")
    with pytest.raises(UserError, match=r"'visual_fact' meant"):
        samples.require({"visual_facts"}, "rewards.facts")
    Samples(DataSettings(), 0).require({"probes", "visual_facts"}, "rewards.facts")


def test_stages_choose_samples_by_progress_and_resume_at_any_position(tmp_path: Path) -> None:
    stages = [StageSettings(0.3, {"form": "yesno"}), StageSettings(0.6, {"form": "open"})]
    samples = Samples(DataSettings(source=facts_rows(tmp_path), stages=stages), seed=1)
    ids = {progress: [s.id for s in samples.take(0, 6, progress)] for progress in (0.0, 0.29, 0.3, 0.59, 0.6, 1.0)}
    assert sorted(ids[0.0]) == ["1", "1", "3", "3", "5", "5"] and ids[0.29] == ids[0.0]
    assert sorted(ids[0.3]) == ["0", "0", "2", "2", "4", "4"] and ids[0.59] == ids[0.3]
    assert sorted(ids[0.6]) == list("012345") and ids[1.0] == ids[0.6]
    assert [s.id for s in samples.take(4, 2, 0.1)] == ids[0.0][4:]
    stages = [StageSettings(0.5, {"form": "drawing"})]
    with pytest.raises(UserError, match=r"data\.stages"):
        Samples(DataSettings(source=facts_rows(tmp_path), stages=stages), seed=1)


def test_stages_of_the_mini_world_are_random_access() -> None:
    samples = Samples(DataSettings(stages=[StageSettings(0.5, {"column": "counting"})]), seed=1)
    straight = samples.take(0, 5, 0.2)
    assert {s.tags["column"] for s in straight} == {"counting"} and len({s.id for s in straight}) == 5
    assert [s.id for s in samples.take(3, 2, 0.2)] == [s.id for s in straight[3:]]
    assert samples.take(0, 3, 0.7) == Samples(DataSettings(), seed=1).take(0, 3)
    with pytest.raises(UserError, match=r"data\.stages"):
        Samples(DataSettings(stages=[StageSettings(0.5, {"column": "poems"})]), seed=1).take(0, 1)


def test_stages_with_several_values_take_the_mini_worlds_in_turn() -> None:
    stage = StageSettings(1.0, {"column": "word|logic|chart", "hint": "broken"})
    samples = Samples(DataSettings(stages=[stage]), seed=1)
    columns = [sample.tags["column"] for sample in samples.take(0, 9, 0.5)]
    assert columns[:3] * 3 == columns and sorted(columns[:3]) == ["chart", "logic", "word"]
    assert [sample.tags["hint"] for sample in samples.take(4, 3, 0.99)] == ["broken"] * 3
    with pytest.raises(UserError, match=r"'column': 'poems'"):
        Samples(DataSettings(stages=[StageSettings(1.0, {"column": "word|poems"})]), seed=1).take(0, 2)


def test_stages_with_several_values_take_the_rows_that_have_any(tmp_path: Path) -> None:
    stages = [StageSettings(1.0, {"form": "yesno|open"})]
    samples = Samples(DataSettings(source=facts_rows(tmp_path), stages=stages), seed=1)
    assert sorted(sample.id for sample in samples.take(0, 6)) == list("012345")
