"""The judge's command with a real server and a tiny model, and with replies that only look like labels."""

import os
import shutil
import subprocess
import sys
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from analysis.judge.__main__ import main
from analysis.judge.classes import NO_PICTURE, read_labels
from common import read_jsonl
from common.endpoint import SERVER_KEY, Endpoint
from configs import compose, save_resolved
from eval.runner import evaluate
from eval.settings import EvalSettings
from eval.tasks import tasks_of
from tests.analysis.test_judge_classes import chosen, record_of, reply, right, run, truths
from tests.eval.make_fixtures import FOLDER
from tests.models.vllm_server import POSITIONS, ROOT, SECRET, Server, needs_vllm
from tests.recorded_server import Play, says
from verify.llm_judge import JUDGE_KEY

ITEMS = 10
NONSENSE = {"unparsed", "cut"}


def with_a_long_response(evaluation: Path, folder: Path) -> Path:
    """Two wrong responses of an evaluation, one of them longer than the model has positions."""
    folder.mkdir()
    frame = pd.read_parquet(evaluation / "predictions.parquet").query("not correct").head(2).reset_index(drop=True)
    frame.loc[0, "text"] = "red " * POSITIONS
    frame.to_parquet(folder / "predictions.parquet")
    return folder


def words(folder: Path, evaluation: Path, out: str, port: int) -> list[str]:
    return [
        f"eval={evaluation}",
        f"out={folder / out}",
        f"items={ITEMS}",
        f"judge.cache={folder / 'cache.jsonl'}",
        f"judge.base_url=http://127.0.0.1:{port}/v1",
        "judge.model=tiny",
        "judge.max_reply_tokens=24",
        "judge.workers=4",
    ]


def check_nothing_was_guessed(folder: Path, wrong: int) -> dict[str, Any]:
    """Every reply of both passes is counted, kept as it came, and no class; returns the record."""
    rows, record = read_labels(folder / "out"), record_of(folder / "out")
    page = (folder / "out" / "judge_classes.md").read_text()
    kept = {row["key"]: row["text"] for row in read_jsonl(folder / "cache.jsonl")}
    assert (record["items"], record["wrong"]) == (ITEMS, wrong) and len(rows) == 2 * ITEMS
    # Equal questions would have one key: the two passes did ask in different words.
    assert len(kept) == 2 * ITEMS and Counter(kept.values()) == Counter(rows.reply)
    assert rows.label.isna().all() and record["rates"] is None and record["corrected"] is None
    assert set(rows.truth) > {"perception"} and set(rows.reason) <= NONSENSE
    for number in (1, 2):
        counts = record["reasons"][str(number)]
        assert counts == dict(Counter(rows.reason[rows["pass"] == number])) and sum(counts.values()) == ITEMS
        told = ", ".join(f"{count} {reason}" for reason, count in sorted(counts.items()))
        assert f"pass {number}: {told}" in page
    assert f"{ITEMS} of {wrong} wrong responses" in page and "No response has two labels" in page
    return record


@pytest.mark.slow
@needs_vllm
def test_a_tiny_model_as_judge_is_asked_twice_and_never_believed(
    server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.delenv(JUDGE_KEY, raising=False)
    monkeypatch.setenv(SERVER_KEY, SECRET)
    evaluation = tmp_path / "eval"
    evaluate(compose(EvalSettings, ["model=tiny", "bench=mini", "items=5", "k=1", f"out={evaluation}"]))
    wrong = int((~pd.read_parquet(evaluation / "predictions.parquet").correct).sum())
    asking = words(tmp_path, evaluation, "out", server.port)
    line = [sys.executable, "-m", "analysis.judge", *asking]
    done = subprocess.run(line, cwd=ROOT, env=os.environ, capture_output=True, text=True, timeout=240)
    assert done.returncode == 0, done.stderr
    files = {path.name: path.read_bytes() for path in (tmp_path / "out").iterdir()}
    cache = (tmp_path / "cache.jsonl").read_bytes()
    judge = check_nothing_was_guessed(tmp_path, wrong)["judge"]
    assert (judge["calls"], judge["cached"], judge["unscored"]) == (2 * ITEMS, 0, 2 * ITEMS)
    assert judge["prompt_tokens"] > 2 * ITEMS * 3900 and SECRET not in str(files)
    longer = with_a_long_response(evaluation, tmp_path / "longer")
    assert main(words(tmp_path, longer, "refused", server.port)) == 0

    rows = read_labels(tmp_path / "refused")
    assert Counter(rows.reason)["refused"] == 2 and rows[rows.reason == "refused"].reply.str.contains("HTTP 400").all()
    assert "pass 1: " in (page := (tmp_path / "refused" / "judge_classes.md").read_text()) and "1 refused" in page
    monkeypatch.setattr(Endpoint, "request", None)  # everything is in the cache
    (tmp_path / "cache.jsonl").write_bytes(cache)
    capsys.readouterr()
    assert main(asking) == 0
    judge = record_of(tmp_path / "out")["judge"]
    assert (judge["calls"], judge["cached"], judge["tries"]) == (0, 2 * ITEMS, 0)
    assert (tmp_path / "cache.jsonl").read_bytes() == cache and capsys.readouterr().out == done.stdout
    assert all((tmp_path / "out" / name).read_bytes() == files[name] for name in ("labels.jsonl", "judge_classes.md"))


def test_replies_that_only_look_like_labels_are_counted_and_shown_nowhere(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Unknown and several classes, wrong JSON, HTML around a label, a filtered reply, an empty one."""
    html = "<script>alert(1)</script>"
    plays = {
        "unknown class": says(reply("vision")),
        "two classes": says('{"primary": ["format", "perception"], "secondary": [], "quote": null}'),
        "two objects": says(reply("format") + reply("perception")),
        "half an object": says(reply("format")[:-1]),
        "another key": says('{"class": "format"}'),
        "around": says(f"<p>{reply('format')}</p>{html}"),
        "filtered": says(reply("format"), "content_filter"),
        "empty": says(""),
    }
    bad = dict(zip(list(truths()), plays.values(), strict=False))
    quoting = list(truths())[len(plays)]
    marked = says(reply(truths()[quoting], quote=html))

    def answer(text: str, order: list[str]) -> Play:
        return marked if text == quoting else bad.get(text) or right(text, order)

    run(tmp_path, answer)
    rows, record = read_labels(tmp_path / "out"), record_of(tmp_path / "out")
    counts = {"labelled": len(chosen()) - len(plays), "unparsed": len(plays) - 1, "refused": 1}
    assert record["reasons"] == {"1": counts, "2": counts}
    said = {play.body["choices"][0]["message"]["content"] for play in plays.values()}
    unread = rows[rows.label.isna()]
    assert set(unread.reply) == said and len(unread) == 2 * len(plays)
    assert (rows.label.dropna() == rows.truth[rows.label.notna()]).all()
    assert rows[rows.quote == html].quote_stands.eq(False).all() and (rows.quote == html).sum() == 2
    page = capsys.readouterr().out
    assert "script" not in page and f"{len(plays) - 1} unparsed" in page and "2 of 2 quoted statements" in page
    assert run(tmp_path, answer) == []  # what could not be read is not paid for again


def lose(picture: Path) -> None:
    picture.unlink()


def spoil(picture: Path) -> None:
    picture.write_bytes(picture.read_bytes()[:40])


@pytest.mark.parametrize("harm", [lose, spoil])
def test_picture_files_that_are_gone_or_broken_are_named_and_counted(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], harm: Callable[[Path], None]
) -> None:
    """Of a local benchmark's two pictures one is lost after the evaluation; its items are not asked about."""
    shutil.copytree(FOLDER / "clevr_math", tmp_path / "data" / "clevr_math")
    options = ["model=qwen2_5_vl_3b", "bench=clevr_math", f"data={tmp_path / 'data'}", "preset=neutral"]
    settings = compose(EvalSettings, options)
    (task,) = tasks_of(settings)
    rows = [
        {
            "sample_id": one.id,
            "k": 0,
            "column": task.name,
            "cluster": one.id,
            "text": f"It is {one.id} .",
            "gold": one.answer,
            "correct": False,
        }
        for one in task.samples
    ]
    (tmp_path / "eval").mkdir()
    pd.DataFrame(rows).to_parquet(tmp_path / "eval" / "predictions.parquet")
    save_resolved(settings, tmp_path / "eval" / "config.yaml")
    picture = tmp_path / "data" / "clevr_math" / "images" / "red_square.png"
    gone = [one.id for one in task.samples if one.images[0].path == picture]
    harm(picture)
    asked = run(tmp_path, lambda *_: says(reply("reasoning")))
    labels = read_labels(tmp_path / "out")
    assert 0 < len(gone) < len(rows) and len(asked) == 2 * (len(rows) - len(gone))
    assert set(labels.sample_id[labels.reason == NO_PICTURE]) == set(gone) and len(labels) == 2 * len(rows)
    assert record_of(tmp_path / "out")["reasons"]["2"] == {"labelled": len(rows) - len(gone), NO_PICTURE: len(gone)}
    assert f"{len(gone)} whose picture cannot be opened ({gone[0]}" in capsys.readouterr().out
