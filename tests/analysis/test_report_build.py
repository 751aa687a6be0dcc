"""Reports built from real evaluations of the shipped tiny model: their numbers are those of the functions below."""

import dataclasses
import html
import json
import os
import re
import shutil
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch

from analysis import outputs
from analysis.breakdown import PERCEPTION, errors_of
from analysis.dependency.patches import patch_maps
from analysis.figures.forest import difference_text
from analysis.hints import with_hint
from analysis.protocol.flow import ALL, Repair, findings
from analysis.protocol.transitions import Resampling, Share, states_of
from analysis.report import Front, Report, Table, build, render_report, workers
from analysis.report.build import Extra, build_report
from analysis.report.comparing import forest_of
from analysis.report.figures import training_figure
from analysis.report.items import NO_PICTURE, NO_SAMPLE
from analysis.report.numbers import Numbers, numbers_of
from analysis.report.scores import VIEW, VIEW_SEED, Scored
from analysis.report.summary import verdict_on_repairs
from analysis.runs import OpenedRun, OpenRuns, open_runs
from analysis.settings import PageSettings, ReportSettings
from common import UserError
from configs import compose
from data.images import FileImage
from data.mini.diagnosis import diagnose
from data.mini.world import sample_by_id
from eval.items import chosen_items
from eval.paired import compare_items, pair
from eval.runner import evaluate
from eval.settings import EvalSettings
from models.dependency import k3
from models.parts import Group
from tests.eval.make_fixtures import FOLDER

SETTINGS = ReportSettings(samples=18, patches=9)
QUICK = ["model=tiny", "k=2", "page=0", "sampling.max_new_tokens=40"]


def run(out: Path, *overrides: str) -> Path:
    evaluate(compose(EvalSettings, [*QUICK, *overrides, f"out={out}"]))
    return out


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """One model, two seeds."""
    home = tmp_path_factory.mktemp("runs")
    first, second = (run(home / name, "bench=mini", "items=5", f"seed={n}") for n, name in enumerate(("one", "two")))
    return first, second


@pytest.fixture(scope="module")
def opened(folders: tuple[Path, Path]) -> OpenRuns:
    return open_runs(folders)


@pytest.fixture(scope="module")
def report(opened: OpenRuns) -> Report:
    return build_report(opened, SETTINGS)


@pytest.fixture
def no_figures(monkeypatch: pytest.MonkeyPatch) -> None:
    """Drawing takes seconds; `report` has all figures."""
    monkeypatch.setattr(build, "figures_of", lambda *_: [])
    monkeypatch.setattr(build, "front_figures", lambda *_: [])


@pytest.fixture(scope="module")
def numbers(opened: OpenRuns) -> Numbers:
    return numbers_of(opened.views)


@pytest.fixture
def only_items(no_figures: None, numbers: Numbers, monkeypatch: pytest.MonkeyPatch) -> None:
    """For what concerns samples and scores: the numbers are those of the runs as they were."""
    monkeypatch.setattr(build, "numbers_of", lambda views, baselines: numbers)


def copied(folder: Path, name: str, change: Callable[[pd.DataFrame], pd.DataFrame]) -> Path:
    """The evaluation with other predictions."""
    out = folder.parent / name
    shutil.copytree(folder, out, dirs_exist_ok=True)
    change(pd.read_parquet(folder / "predictions.parquet")).to_parquet(out / "predictions.parquet")
    return out


def changed(opened: OpenRuns, change: Callable[[OpenedRun], OpenedRun]) -> OpenRuns:
    """The same runs, the second one changed."""
    return dataclasses.replace(opened, views=[opened.views[0], change(opened.views[1])])


def table_of(report: Report, title: str) -> dict[str, list[str]]:
    """The rows of a table by their first cell."""
    table = next(one for one in report.tables if one.title == title)
    return {row[0]: row for row in table.rows}


def test_accuracy_is_that_of_the_evaluation(report, opened, folders, numbers):
    scores = json.loads((folders[0] / "scores.json").read_text())["columns"]
    lines = numbers.accuracy[numbers.accuracy.run == "one"].set_index("part")
    for column in lines.index[:-1]:
        assert lines.loc[column, ["mean", "low", "high"]].tolist() == [
            scores[column][n] for n in ("mean", "low", "high")
        ]
    mean = opened.views[0].predictions.groupby("column").correct.mean().mean()
    assert numbers.overall("one")["mean"] == pytest.approx(mean)
    assert table_of(report, "Accuracy")["one"][-1].startswith(f"{100 * mean:.1f} [")
    assert report.summary[0].startswith(f"one: {100 * mean:.1f} [")


def test_differences_and_repairs_are_those_of_the_paired_functions(report, opened):
    first, second = (view.predictions for view in opened.views)
    line = compare_items(pair(first, second, ("one", "two")))[-1]
    row = table_of(report, "two against one")["overall"]
    told = f"{100 * line.difference:+.1f} [{100 * line.low:+.1f}, {100 * line.high:+.1f}]"
    assert row[4] == told and row[6] == f"{line.p_difference_holm:.2g}"
    assert told.replace(" [", " points [") in report.front.finding
    found = findings({"first": first, "second": second}, 50, 0)
    repair = next(one for one in found.forward if one.name == PERCEPTION)
    numbers = [f"{100 * edge:.1f}" for edge in (repair.other.value, repair.other.low, repair.other.high)]
    said = next(sentence for sentence in report.summary if sentence.startswith("Of one's"))
    assert (
        f"{repair.errors} perception errors" in said and f"{numbers[0]} [{numbers[1]}, {numbers[2]}] % right" in said
    )


def said_of(report: Report, question: str) -> set[str]:
    """Every value with its interval that the page gives for the overall difference of two, or for one's accuracy."""
    page = html.unescape(re.sub(r"<script.*", "", render_report(report), flags=re.DOTALL))
    lines = re.sub(r"</(?:p|li|tr|h1)>", "\n", page)
    texts = [" ".join(re.sub(r"<[^>]+>", " ", line).split()) for line in lines.splitlines() if line.strip()]
    joined = "\n".join(texts)
    value = r"([+-]\d+\.\d)(?: points)? (\[[^\]]+\])"
    return {" ".join(found) for found in re.findall(question.replace("VALUE", value), joined)}


def test_one_question_has_one_number_on_the_whole_page(report, opened):
    """Finding, large number, table and figure give the same difference with the same interval."""
    line = compare_items(pair(*(view.predictions for view in opened.views), ("one", "two")))[-1]
    told = line.estimate.text("+")
    places = [r"(?:two is \w+ than one|two and one cannot be told apart): VALUE", r"VALUE accuracy: two minus one"]
    for question in places:
        assert said_of(report, question) == {told}, question
    assert table_of(report, "two against one")["overall"][4] == told
    forest = forest_of(numbers_of(opened.views)).iloc[-1]
    assert difference_text(*forest[["difference", "low", "high"]]).replace("−", "-") == told
    broken = {
        name: with_hint(view.predictions, "broken") for name, view in zip(("one", "two"), opened.views, strict=True)
    }
    means = [100 * frame.correct.mean() for frame in broken.values()]
    (hint,) = said_of(report, r"VALUE accuracy where the suggestion is wrong: two minus one")
    assert said_of(report, r"a fact that is wrong .*?Paired: two minus one VALUE") == {hint}
    assert float(hint.split()[0]) == pytest.approx(means[1] - means[0], abs=0.06)


def test_the_first_screen_has_finding_numbers_figures_and_an_example(report):
    front = report.front
    assert len(front.numbers) == 3 and all(one.interval.startswith("[") for one in front.numbers)
    assert [one.title.split()[0] for one in front.figures] == ["Accuracy", "Why"]
    flags = {one.run: one.correct for one in front.example.answers}
    assert set(flags) == {"one", "two"} and len(set(flags.values())) == 2 and front.example.pictures
    differing = [item for item in report.items if len({one.correct for one in item.answers}) == 2]
    assert front.among.startswith(f"One of {len(differing)} of 18 shown samples")
    page = render_report(report)
    places = [page.index(text) for text in (front.numbers[0].label, 'class="example"', 'href="#samples"', "<nav")]
    assert places == sorted(places)


def test_the_share_of_perception_errors_is_counted_by_hand(report, opened):
    frame = opened.views[0].predictions
    wrong = frame[~frame.correct]
    truth = [diagnose(sample_by_id(row.sample_id), row.text, False).primary for row in wrong.itertuples()]
    states = states_of(frame, ("right", *sorted(set(truth))), sorted(frame.sample_id.unique()))
    errors = errors_of(states, Resampling(states, 0))
    assert errors.counts[ALL] == len(wrong) and errors.counts[PERCEPTION] == truth.count(PERCEPTION) > 0
    share = errors.shares[PERCEPTION]
    assert share.value == pytest.approx(truth.count(PERCEPTION) / len(wrong)) and share.low < share.value < share.high
    said = next(sentence for sentence in report.summary if sentence.startswith("one gives"))
    assert f"{len(wrong)} wrong responses of {len(frame)}; {100 * share.value:.1f} [{100 * share.low:.1f}" in said


@pytest.mark.parametrize(
    ("edges", "says", "never"),
    [
        (
            (0.1, 0.05, 0.15),
            "Beyond chance new repairs +10.0 [+5.0, +15.0] points, about 20 [10, 30] of the 200",
            "may",
        ),
        ((0.1, -0.01, 0.2), "may be 0, so no repair beyond chance is shown", "repairs"),
        ((-0.1, -0.2, -0.05), "new gets fewer of them right than that", "repairs"),
        ((None, None, None), "is no measure of repair", "Beyond"),
    ],
)
def test_repair_is_claimed_only_beyond_chance(edges, says, never):
    again = Share(0.3, 0.25, 0.35)
    said = verdict_on_repairs(Repair(PERCEPTION, 100, 200, Share(0.4, 0.3, 0.5), again, Share(*edges)), "new", "old")
    assert says in said and never not in said


def test_tokens_carry_the_scores_of_the_loss(report, opened):
    """k3 from log-probs taken one by one; those behind the real picture are also the sampler's own."""
    view = opened.views[1]
    model = view.load_model()
    for item in report.items[:4]:
        drawn = sample_by_id(item.id)
        row = view.predictions.set_index(["sample_id", "k"]).loc[item.id, 0]
        ids = row.token_ids.tolist()
        prompts = [model.encoder.encode(drawn), model.encoder.encode(drawn, VIEW, VIEW_SEED)]
        own_T, masked_T = (model.score([Group(prompt, [ids])]).logprobs_NT[0].detach() for prompt in prompts)
        tokens = item.answers[1].tokens
        assert [token.text for token in tokens] == model.token_texts(ids)
        torch.testing.assert_close(
            torch.tensor([t.scores["k3"] for t in tokens]), k3(own_T, masked_T), atol=2e-5, rtol=1e-3
        )
        assert {"k1", "k3", "probability_drop", "entropy_change"} <= set(tokens[0].scores)


@pytest.mark.parametrize("bench", ["bench=mini", "bench=papo_geometry3k,mmstar"])
def test_tokens_are_scored_behind_the_prompt_that_was_asked(bench, folders, tmp_path, no_figures):
    """Two benchmarks with templates of their own: every log-prob is the one that the sampler wrote down."""
    folder = folders[0]
    if "mini" not in bench:
        folder = run(tmp_path / "real", bench, f"data={FOLDER}", "items=0", "model.max_prompt_tokens=1200")
    lines = [json.loads(x) for path in (folder / "responses").iterdir() for x in path.read_text().splitlines()]
    sampled = {row["sample_id"]: row["logprobs"] for row in lines if row["k"] == 0}
    built = build_report(open_runs([folder]), dataclasses.replace(SETTINGS, patches=2))
    assert len({item.column for item in built.items}) > 1
    assert {item.answers[0].patches.grid for item in built.items if item.answers[0].patches} == {(4, 4)}
    for item in built.items:
        assert item.question and item.pictures and len(item.masked) == len(item.pictures)
        found = [token.logprob for token in item.answers[0].tokens]
        assert found == pytest.approx(sampled[item.id], abs=2e-4) and len(found) > 3, item.id


def test_items_bring_every_answer_with_its_state_and_facts(report, opened):
    frame = opened.views[0].predictions
    assert [item.id for item in report.items] == chosen_items(frame, 18)
    for item in report.items:
        assert item.note is None and len(item.pictures) == len(item.masked) == 1 and item.tags["vision_need"]
        for view, answer in zip(opened.views, item.answers, strict=True):
            rows = view.predictions[view.predictions.sample_id == item.id].set_index("k")
            assert (answer.run, answer.text, answer.state) == (view.name, rows.text[0], rows.state[0])
            assert [(other.text, other.state) for other in answer.others] == [(rows.text[1], rows.state[1])]
            facts = diagnose(sample_by_id(item.id), answer.text, answer.correct).facts
            assert [(f.name, f.stated, f.truth) for f in answer.facts] == [(f.name, f.stated, f.truth) for f in facts]
            assert answer.note is None and answer.tokens


def test_as_many_of_every_column_get_a_patch_map(report, opened):
    mapped = [item for item in report.items if item.answers[0].patches]
    assert sorted(item.column for item in mapped) == sorted(opened.views[0].predictions.column.unique())
    answer = mapped[0].answers[1]
    ids = opened.views[1].predictions.set_index(["sample_id", "k"]).token_ids[mapped[0].id, 0]
    effects = patch_maps(opened.views[1].load_model(), sample_by_id(mapped[0].id), ids, (4, 4))
    assert np.array(answer.patches.effects).shape == (len(answer.tokens), 4, 4)
    np.testing.assert_allclose(answer.patches.effects, effects, atol=1e-5)


def dependency_table(report: Report) -> Table:
    return next(table for table in report.tables if "hangs on" in table.title)


@pytest.fixture
def side_by_side(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(workers, "SIDE_BY_SIDE_FROM", 1)
    monkeypatch.setattr(workers.torch.cuda, "is_available", lambda: False)
    monkeypatch.setattr(workers.os, "cpu_count", lambda: 2)


@pytest.mark.slow
def test_runs_scored_side_by_side_have_the_same_scores(report, opened, only_items, side_by_side):
    built = build_report(opened, SETTINGS)
    for item, other in zip(report.items, built.items, strict=True):
        for own, again in zip(item.answers, other.answers, strict=True):
            assert [t.text for t in own.tokens] == [t.text for t in again.tokens]
            assert [t.logprob for t in own.tokens] == pytest.approx([t.logprob for t in again.tokens], abs=1e-5)
            assert (own.patches is None) == (again.patches is None) and own.note == again.note
    runs, again = ([row[0] for row in table.rows] for table in (dependency_table(report), dependency_table(built)))
    assert runs == again


@pytest.mark.slow
def test_runs_come_in_their_order_whichever_is_scored_first(opened, side_by_side, monkeypatch):
    """The first run's process ends last."""

    def named(view: OpenedRun, ids: list[str], *_: object) -> Scored:
        time.sleep(0.3 * (view.name == opened.views[0].name))
        return Scored(left_out=[f"{view.name} in {os.getpid()}"])

    monkeypatch.setattr(workers, "score_run", named)
    with workers.started(opened.views, workers.Work(["a"], {}, [], 4)) as scores:
        found = scores()
    assert list(found) == [view.name for view in opened.views]
    assert len({one.left_out[0].split()[-1] for one in found.values()} | {str(os.getpid())}) == 3


def test_only_small_work_and_large_weights_are_scored_one_after_another(opened, side_by_side, monkeypatch):
    views = opened.views
    assert workers.processes_for(views, 16) == 2 and workers.processes_for(views * 2, 16) == 2
    assert workers.processes_for(views[:1], 16) == 1
    monkeypatch.setattr(workers, "SIDE_BY_SIDE_FROM", 17)
    assert workers.processes_for(views, 16) == 1 and workers.processes_for(views, 17) == 2
    monkeypatch.setattr(workers, "TINY_BYTES", 1000)
    assert workers.processes_for(views, 17) == 1


def test_the_page_has_all_samples_and_all_tables(report, opened, only_items):
    built = build_report(opened, dataclasses.replace(SETTINGS, samples=0, patches=0))
    page = render_report(built)
    assert "data:image/png" in render_report(report)
    ids = opened.views[0].predictions.sample_id.unique()
    assert len(built.items) == len(ids) == 45 and all(f'"{name}"' in page for name in ids)
    assert all(table.title.replace("'", "&#39;") in page for table in built.tables)
    assert not any(item.answers[0].patches for item in built.items)
    assert not any("browser shows" in line for line in built.left_out)


def test_what_is_shown_of_all_samples_is_said(report):
    text = " ".join(report.left_out)
    assert "18 of 45 samples" in text and "9 of the shown samples (patches=9)" in text
    assert "No run has training curves" in text
    titles = [figure.title for figure in report.figures]
    assert "Training" not in titles and {"Differences", "From one to two"} <= set(titles)
    facts = dict(report.provenance)
    assert facts["weights"].startswith("sha256:") and "seed 1" in facts["sampling of two"]


def test_one_run_alone_has_a_report(folders, no_figures):
    built = build_report(open_runs([folders[0]]), dataclasses.replace(SETTINGS, samples=8, patches=0))
    assert [answer.run for answer in built.items[0].answers] == ["one"]
    assert not any("against" in table.title for table in built.tables) and "baseline" not in " ".join(built.summary)


def test_a_table_adds_its_own_part(opened, only_items):
    table = Table("Theirs", "", ["a"], [["1"]])
    extra = Extra(summary=["A sentence."], tables=[table], title="Table")
    built = build_report(opened, dataclasses.replace(SETTINGS, samples=8, patches=0), extra)
    assert (built.title, built.summary[-1], built.tables[-1]) == ("Table", "A sentence.", table)


def test_training_curves_come_from_the_run_folder(folders, tmp_path):
    home = tmp_path / "trained"
    shutil.copytree(folders[1], home / "eval" / "mini")
    rows = [{"step": n, "reward/accuracy": 0.1 * n} for n in range(3)]
    (home / "metrics.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    curves = build.curves_of(open_runs([folders[0], home]).views)
    (name,) = curves
    assert name.endswith("trained")
    (figure,) = training_figure(curves)
    assert (figure.title, "One training each" in figure.caption) == ("Training", True) and training_figure({}) == []
    assert f"{name} 2 seeds" in training_figure({name: curves[name] * 2})[0].caption


def test_seeds_of_a_method_are_told_as_such(folders, tmp_path, no_figures):
    """Four runs of two methods, of which one responded like the other; without weights that could score them."""
    homes = [tmp_path / method / f"seed{seed}" for method in ("grpo", "papo_g") for seed in (0, 1)]
    for home, folder in zip(homes, [*folders, *folders], strict=True):
        shutil.copytree(folder, home / "eval" / "mini")
        for path in (home / "eval" / "mini").glob("config.yaml"):
            path.write_text(re.sub(r"path: \S*tiny/base", "path: models/gone", path.read_text()))
    built = build_report(open_runs(homes), dataclasses.replace(SETTINGS, samples=8, patches=0))
    assert built.title == "grpo (2 seeds) and papo_g (2 seeds) on Mini world"
    assert built.front.finding.startswith("papo_g and grpo cannot be told apart: +0.0 points [")
    assert "(the 2 trainings agree exactly: the interval does not cover another)" in built.front.finding
    assert "grpo (seeds 0, 1), papo_g (seeds 0, 1)" in " ".join(built.summary)
    assert any("papo_g/seed1 with grpo/seed1" in sentence for sentence in built.summary)
    assert not any(sentence.startswith("grpo/seed1 and grpo/seed0") for sentence in built.summary)
    assert [table.title for table in built.tables[:2]] == ["Accuracy", "Methods over seeds"]
    assert "grpo/seed1 against grpo/seed0" in [table.title for table in built.tables]
    accuracy, means = table_of(built, "Accuracy"), table_of(built, "Methods over seeds")
    each = [float(accuracy[f"grpo/seed{seed}"][-1].split()[0]) for seed in (0, 1)]
    assert float(means["grpo, 2 seeds"][1]) == pytest.approx(np.mean(each), abs=0.11)
    assert "Methods over seeds" in render_report(built)


def unscored(report: Report) -> list[str]:
    """Notes of the second run's answers that have no tokens."""
    return [str(item.answers[1].note) for item in report.items if not item.answers[1].tokens]


def test_predictions_without_token_ids_are_named(folders, only_items):
    bare = copied(folders[1], "bare", lambda frame: frame.drop(columns="token_ids"))
    built = build_report(open_runs([folders[0], bare]), SETTINGS)
    assert len(unscored(built)) == 18 and all("hold no token ids" in note for note in unscored(built))
    assert "bare: no token is scored: its predictions hold no token ids." in built.left_out
    assert all(item.answers[0].tokens for item in built.items)
    assert [row[0] for row in next(t for t in built.tables if "hangs on" in t.title).rows].count("bare") == 0


def test_responses_without_tokens_are_counted(folders, report, opened, only_items):
    image = opened.views[0].load_model().image_token_id
    odd = {report.items[0].id: [], report.items[1].id: [image, 40]}

    def emptied(frame: pd.DataFrame) -> pd.DataFrame:
        return frame.assign(
            token_ids=[odd.get(name, ids) for name, ids in zip(frame.sample_id, frame.token_ids, strict=True)]
        )

    built = build_report(open_runs([folders[0], copied(folders[1], "emptied", emptied)]), SETTINGS)
    assert [("no tokens" in note, "an image token" in note) for note in unscored(built)] == [
        (True, False),
        (False, True),
    ]
    counts = [
        line for line in built.left_out if re.match(r"emptied, 1 of 18 first responses: tokens not scored", line)
    ]
    assert len(counts) == 2


@pytest.mark.parametrize(("path", "says"), [("models/gone", "does not exist"), ("gone/too", "no longer those")])
def test_a_run_whose_weights_are_gone_keeps_its_numbers(opened, folders, path, says, no_figures):
    def moved(view: OpenedRun) -> OpenedRun:
        out = copied(folders[1], "moved", lambda frame: frame)
        text = (out / "config.yaml").read_text()
        (out / "config.yaml").write_text(re.sub(r"path: \S*tiny/base", f"path: {path}", text))
        record = json.loads((out / "run.json").read_text())
        if "models/" in path:  # no revision to compare with, as of a model from the hub
            record["revisions"]["model"] = f"{path}@newest"
            (out / "run.json").write_text(json.dumps(record))
        return dataclasses.replace(view, evaluation=out)

    built = build_report(changed(opened, moved), SETTINGS)
    assert len(unscored(built)) == 18 and all(says in note for note in unscored(built))
    assert [line for line in built.left_out if line.startswith("two: no token is scored") and says in line]
    assert "two" in table_of(built, "Accuracy") and "overall" in table_of(built, "two against one")


def test_pictures_and_samples_that_are_gone_are_named(opened, report, monkeypatch, only_items):
    names = [item.id for item in report.items[:2]]
    whole = OpenedRun.samples

    def fewer(view: OpenedRun, ids: list[str]) -> dict:
        found = whole(view, ids)
        found[names[0]] = dataclasses.replace(found[names[0]], images=[FileImage(Path("gone.png"))])
        found.pop(names[1])
        return found

    monkeypatch.setattr(OpenedRun, "samples", fewer)
    built = build_report(opened, SETTINGS)
    broken, gone = built.items[:2]
    assert str(broken.note).startswith(NO_PICTURE) and "gone.png" in str(broken.note) and broken.question
    assert gone.note == NO_SAMPLE and not gone.question and gone.gold and gone.answers[0].text
    assert not broken.pictures and not broken.answers[0].tokens and "not scored" in str(broken.answers[0].note)
    assert f"1 of 18 shown samples ({names[0]}): {NO_PICTURE}." in built.left_out
    assert f"1 of 18 shown samples ({names[1]}): {NO_SAMPLE}." in built.left_out
    assert all(item.answers[0].tokens for item in built.items[2:])
    assert names[1] in render_report(built)


def test_runs_that_do_not_belong_together_are_refused(folders):
    fewer = copied(folders[1], "fewer", lambda frame: frame[~frame.sample_id.str.endswith("/0")])
    with pytest.raises(UserError, match="different items"):
        open_runs([folders[0], fewer])
    unjudged = copied(
        folders[1], "unjudged", lambda f: f.assign(correct=f.correct.astype("boolean").where(f.k > 0, pd.NA))
    )
    with pytest.raises(UserError, match="45 responses of unjudged have no verdict"):
        open_runs([folders[0], unjudged])


@pytest.mark.parametrize("brackets", ["{}", "[{}]"])
def test_the_command_takes_folders_with_commas(brackets, folders, monkeypatch, capsys):
    from analysis.report import paper

    taken = []

    def few(opened: OpenRuns, settings: PageSettings, extra: Extra | None = None) -> Report:
        taken.extend(view.evaluation for view in opened.views)
        return Report("t", Front("", [], []), [], [], [], [], [], [])

    monkeypatch.setattr(paper, "build_report", few)
    text = "runs=" + brackets.format(f"{folders[0]},{folders[1]}")
    outputs.run(compose(ReportSettings, [text]))
    assert taken == list(folders) and f"report: {folders[1] / 'report.html'}" in capsys.readouterr().out
