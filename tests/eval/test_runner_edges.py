"""Edges of an evaluation with the shipped tiny model: pictures beside rows, doubtful golds, broken templates."""

import json
import os
import re
import shutil
from pathlib import Path

import pytest
from PIL import Image

from configs import command, compose
from eval.compare import EvalCompareSettings, compare
from eval.loading import UNUSABLE
from eval.runner import scored_items
from eval.sampling import made_by
from eval.settings import EvalSettings
from eval.store import PictureFiles
from eval.tasks import tasks_of
from tests.eval.make_fixtures import FOLDER
from tests.eval.test_runner import FEW, FIXTURES, MINI, TINY, files_in, run, scores_in


@pytest.fixture(scope="module")
def few(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two benchmarks of nine items."""
    out = tmp_path_factory.mktemp("few")
    run(out, *FEW, "page=0")
    return out


def test_pictures_that_change_beside_their_rows_are_answered_anew(few: Path, tmp_path: Path) -> None:
    """Only those that a row names count, by their content, for all of the benchmark whatever part of it is asked."""
    data, out = tmp_path / "data", tmp_path / "out"
    for name in ("mmstar", "pope"):
        shutil.copytree(FOLDER / name, data / name)
    shutil.copytree(few, out)
    picture = data / "mmstar" / "images" / "bars.png"
    shutil.copy(picture, picture.with_name("nobody.png"))
    os.utime(picture, (0, 0))
    run(out, *FEW, f"data={data}")
    assert files_in(out) == files_in(few)
    with Image.open(picture) as image:
        image.transpose(Image.Transpose.FLIP_LEFT_RIGHT).save(picture)
    run(out, *FEW, f"data={data}")
    (new,) = files_in(out).keys() - files_in(few).keys()
    assert new.startswith("mmstar-") and files_in(out)[new].count(b"\n") == 3 * 2
    assert files_in(out).items() > files_in(few).items()


def test_a_picture_that_is_gone_is_counted_and_named(few: Path, tmp_path: Path) -> None:
    data, out = tmp_path / "data", tmp_path / "out"
    for name in ("mmstar", "pope"):
        shutil.copytree(FOLDER / name, data / name)
    shutil.copytree(few, out)
    rows = data / "mmstar" / "val-val.jsonl"
    rows.write_text(rows.read_text().replace("bars.png", "gone.png", 1))
    found = run(out, *FEW, f"data={data}")["benchmarks"]
    (told,) = found["mmstar"]["unusable"]
    assert re.match(r"row 0 of mmstar \(val-val\) names the picture .*gone.png, which does not exist; unpack", told)
    assert (found["mmstar"]["items"], found["mmstar"]["left_out"]) == (2, {UNUSABLE: 1})
    assert found["pope"]["unusable"] == []


def test_addresses_without_pictures_beside_rows_stay_what_they_were() -> None:
    settings = compose(EvalSettings, MINI)
    (task,) = tasks_of(settings)
    assert task.pictures == PictureFiles() and "pictures" not in made_by(task, settings, "any")
    (there,) = tasks_of(compose(EvalSettings, [*FIXTURES, "bench=mmstar"]))
    assert made_by(there, settings, "any")["pictures"] == there.pictures.digest


def test_a_doubtful_gold_is_counted_in_the_result(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    data = tmp_path / "data"
    shutil.copytree(FOLDER / "mmstar", data / "mmstar")
    rows = data / "mmstar" / "val-val.jsonl"
    rows.write_text(rows.read_text().replace('"answer": "D"', '"answer": "E"'))
    scores = run(tmp_path / "out", *FIXTURES, "bench=mmstar", f"data={data}", "k=1")
    doubt = "row 2 of mmstar (val-val): E, not one of A, B, C, D; correct the row"
    assert scores["benchmarks"]["mmstar"]["doubtful_golds"] == [doubt] and scores["benchmarks"]["mmstar"]["items"] == 3
    assert (
        f"mmstar: scored on 3 of 3 items; 1 kept with a gold letter that no option of the question has ({doubt})"
        in capsys.readouterr().out
    )


def test_items_that_have_no_score_are_not_called_scored(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Without a judge MM-Vet's rule leaves everything open; the robust grader reads every response."""
    run(tmp_path / "official", *FIXTURES, "bench=mmvet", "grader=official")
    said = " ".join(capsys.readouterr().out.split())
    assert "mmvet: scored on 0 of 3 items; " in said and "6 responses unscored by official" in said
    run(tmp_path / "both", *FIXTURES, "bench=mmvet", "scorers=[official]")
    assert "mmvet: scored on 3 by robust, 0 by official of 3 items; " in " ".join(capsys.readouterr().out.split())


def test_the_number_of_scored_items_leaves_out_long_prompts_and_open_answers() -> None:
    """Of 9 rows 7 are items; 2 have too long prompts, and official leaves out 4 of the others."""
    scorers = {"official": {"items_left_out": 4}}
    bench = {"rows": 9, "items": 7, "too_long": ["a", "b"], "scorers": scorers}
    assert scored_items(bench) == "1 of 9 items"
    assert scored_items(bench | {"rows": 0}) == "1 of 7 items"
    assert scored_items(bench | {"scorers": scorers | {"robust": {"items_left_out": 0}}}) == (
        "1 by official, 5 by robust of 9 items"
    )


@pytest.mark.parametrize(
    ("template", "sentence"),
    [
        (None, "has no chat template"),
        ("{{ oops", "cannot make a prompt (unexpected end of template"),
        ("{{ raise_exception('no pictures here') }}", "cannot make a prompt (no pictures here); put"),
        ("{{ messages[0].role }}", "gives a picture no place in the prompt; put a chat_template.jinja"),
    ],
)
def test_a_model_that_cannot_be_asked_gets_one_sentence(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], template: str | None, sentence: str
) -> None:
    model = tmp_path / "model"
    shutil.copytree(TINY, model)
    (model / "chat_template.jinja").unlink()
    if template:
        (model / "chat_template.jinja").write_text(template)
    argv = [*FEW, f"model.path={model}", f"out={tmp_path / 'out'}"]
    assert command(EvalSettings, "eval.runner:evaluate", argv, prog="python -m eval", summary="") == 2
    said = [line for line in capsys.readouterr().err.splitlines() if not line.startswith("eval tiny: ")]
    assert len(said) == 1 and said[0].startswith("error: ") and sentence in said[0]


def test_the_unscored_part_of_a_suite_is_left_out_of_a_comparison(tmp_path: Path) -> None:
    first, second = tmp_path / "first", tmp_path / "second"
    suite = [*FIXTURES, "bench=mmvet,mmstar", "grader=official", "page=0"]
    run(first, *suite)
    run(second, *suite, "view.kind=blank")
    compare(compose(EvalCompareSettings, [f"first={first}", f"second={second}"]))
    record = json.loads((second / "compare.json").read_text())
    vet, star, overall = record["lines"]
    assert (vet["part"], vet["items"], vet["left_out"], vet["left_out_both"]) == ("mmvet", 0, 3, 3)
    assert (star["items"], overall["items"], overall["left_out"]) == (3, 3, 3) and record["without_items"] == ["mmvet"]
    for folder, share in ((first, overall["first"]), (second, overall["second"])):
        assert share == pytest.approx(scores_in(folder)["columns"]["mmstar"]["mean"])
        assert "mmvet" not in scores_in(folder)["columns"]


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        (["scorers=[offical]"], "no scorer 'offical'; did you mean 'official'"),
        (["grader=offical"], "no scorer 'offical'; did you mean 'official'"),
        (["judge={model: x}"], "and only robust would score; add grader=official or scorers=[official], or leave"),
        (["k=0"], "k is 0; it must lie in [1, inf)"),
        (["seed=-1"], "seed is -1; it must lie in [0, inf)"),
        (["bench=mmstr"], "no benchmark 'mmstr'; did you mean 'mmstar'?"),
        (["items=-1"], "items is -1; it must lie in [0, inf)"),
        (["page=-1"], "page is -1; it must lie in [0, inf)"),
        (["preset=nucleus"], "unknown preset 'nucleus'"),
        (["prompt=polite"], "prompt=polite is no template"),
        (["view.kind=sepia"], "kind of view 'sepia'"),
        (["view.kind=blank", "view.draw=per_response"], "view.draw=per_response is for training"),
        (["sampling.temperature=-1"], "sampling.temperature is -1.0; it must lie in [0, inf)"),
        (["sampling.top_p=0"], "sampling.top_p is 0.0; it must lie in (0, 1]"),
        (["sampling.top_k=-3"], "sampling.top_k is -3; it must"),
        (["sampling.batch=0"], "sampling.batch is 0; it must"),
        (["sampling.max_new_tokens=0"], "sampling.max_new_tokens is 0; it must"),
        (["model.max_prompt_tokens=3"], "every prompt is longer than model.max_prompt_tokens; raise it"),
        (["engine=server", "server.base_url=http://127.0.0.1:9/v1"], "cannot be reached"),
        (["run=runs/nobody/knows"], "runs/nobody/knows is no run folder"),
        (["model.dtype=int3"], "'model.dtype' must be float32 | bfloat16"),
        (["out="], "give run=<run folder>, or model=<name> together with out="),
        (["data=nowhere/at/all"], "data=nowhere/at/all is not a folder"),
    ],
)
def test_bad_input_gets_one_sentence(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], changes: list[str], sentence: str
) -> None:
    argv = [*FEW, f"out={tmp_path}", *changes]
    assert command(EvalSettings, "eval.runner:evaluate", argv, prog="python -m eval", summary="") == 2
    said = [line for line in capsys.readouterr().err.splitlines() if not line.startswith("eval tiny: ")]
    assert len(said) == 1 and said[0].startswith("error: ") and sentence in said[0]
    assert not (tmp_path / "scores.json").exists()
