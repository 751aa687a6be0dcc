"""What a real run and its evaluation leave for W&B, read back from the offline files; and the workspace's layout."""

import json
import re
from pathlib import Path
from typing import Any

import pytest
import wandb
from wandb_workspaces.reports.v2 import interface

from analysis.dashboard.__main__ import main
from analysis.dashboard.curves import read_trainings
from analysis.dashboard.page import render_dashboard
from analysis.dashboard.sections import SECTIONS, panels
from analysis.dashboard.settings import DashboardSettings
from analysis.dashboard.table_report import report_of
from analysis.dashboard.workspace import workspace_of
from analysis.report.board import send
from analysis.runs import open_runs
from common import UserError
from configs import Run, compose
from configs.wandb_run import WandbRun, group_of
from eval.runner import evaluate
from eval.settings import EvalSettings
from tests.wandb_files import OfflineRun
from train.board import Board
from train.loop import train
from train.settings import TrainSettings
from train.tracking import Tracker

ROOT = Path(__file__).resolve().parents[2]
ONLY_WITH_A_GPU = {"perf/max_gpu_memory_gb"}
OPTIONS = (
    "scale=mini",
    "method=papo_g",
    "rollouts.prompts=4",
    "rollouts.group=4",
    "rollouts.sampling.max_new_tokens=24",
    "optimiser.minibatch_prompts=4",
    "validate.items=3",
    "validate.k=1",
    "validate.every=1",
    "validate.view=masked",
    "keep.rollouts_every=1",
    "weights.kept={kind: top, score: k3@masked}",
)


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run of one step, goes on for another, and is evaluated; W&B offline."""
    run = tmp_path_factory.mktemp("runs") / "mini" / "dose_0.2" / "seed0"
    for steps in (1, 2):
        train(compose(TrainSettings, [*OPTIONS, f"steps={steps}", f"run={run}"]))
    evaluate(compose(EvalSettings, [f"run={run}", "items=5", "k=2", "page=5"]))
    return run


@pytest.mark.slow
def test_every_panel_shows_a_metric_that_a_real_run_logs(home):
    """On W&B and on the page; and rollouts stand with their pictures."""
    (training,) = read_trainings([home])
    sent = {name for row in OfflineRun(home).rows.values() for name in row}
    for names in (training.curves, sent):
        assert {panel.metric for panel in panels() if not panel.members(names)} == ONLY_WITH_A_GPU
    shown = {name.partition("/")[0] for name in sent | OfflineRun(home / "eval" / "mini").summary.keys()}
    assert {key for section in SECTIONS for key in (*section.pictures, *section.tables)} <= shown
    page = render_dashboard([training])
    assert page.count('<article class="problem">') == 4 and page.count("the picture, masked") == 4


@pytest.mark.slow
def test_a_run_has_its_place_and_goes_on_under_its_stored_id(home):
    sent, record = OfflineRun(home), WandbRun.of(home)
    assert {(run.run_id, run.project, run.run_group, run.job_type) for run in sent.runs} == {
        (record.id, "percept", "mini/dose_0.2", "train")
    }
    assert len(sent.runs) == 3  # begun, gone on with, and again for the evaluation's scores
    assert re.fullmatch("[0-9a-f]{16}", record.id)
    commit = Run.load(home / "run.json").commit[:7]
    assert set(sent.runs[0].tags) == {"mini", "tiny", "papo_g", commit} and sent.runs[0].display_name == record.name
    assert sent.config["commit"] == commit and sent.config["losses"]["perception_kl"]["coef"] == 0.02
    assert sorted(sent.rows) == [0, 1, 2] and "critic/rewards/mean" not in sent.rows[0]
    assert all("validation/accuracy" in row for row in sent.rows.values())
    assert {metric.name for metric in sent.metrics} >= {"collapse/onset", "timing_s/step"}
    assert {(artifact.type, artifact.name) for artifact in sent.artifacts} == {
        ("run", f"run-{record.id}"),
        ("model", f"weights-{record.id}"),
    }
    weights = next(artifact for artifact in sent.artifacts if artifact.type == "model").manifest.contents
    assert any(entry.ref == (home / "final" / "model.safetensors").resolve().as_uri() for entry in weights)


@pytest.mark.slow
def test_scores_with_their_interval_reach_the_training_and_predictions_a_run_of_their_own(home):
    training, sent = OfflineRun(home), OfflineRun(home / "eval" / "mini")
    scores = json.loads((home / "eval" / "mini" / "scores.json").read_text())["averages"]["overall"]
    for front in ("final", "eval/mini"):
        found = [training.summary[f"{front}/overall{part}"] for part in ("", "_low", "_high")]
        assert found == pytest.approx([scores["mean"], scores["low"], scores["high"]])
    rows = [json.loads(line) for line in (home / "validation.jsonl").read_text().splitlines()]
    best = max(rows, key=lambda row: row["accuracy"])
    assert (training.summary["best_step"], training.summary["best_accuracy"]) == (best["step"], best["accuracy"])
    (run,) = sent.runs
    assert (run.job_type, run.run_group) == ("eval", "mini/dose_0.2") and run.run_id != WandbRun.of(home).id
    assert sent.config["trained_by"] == WandbRun.of(home).id and sent.summary["eval/overall"] == scores["mean"]
    assert sent.summary["predictions/nrows"] == 45 and sent.summary["predictions/ncols"] == 10
    files = next(artifact for artifact in sent.artifacts if artifact.type == "predictions").manifest.contents
    assert {"predictions.parquet", "scores.json", "page.html"} <= {entry.path for entry in files}
    path = next(home.glob(f"eval/mini/wandb/offline-run-*/files/{sent.summary['predictions/path']}"))
    table = json.loads(path.read_text())
    cells = [dict(zip(table["columns"], row, strict=True)) for row in table["data"]]
    (table,) = [artifact for artifact in sent.artifacts if artifact.type == "run_table"]
    assert sum(entry.path.startswith("media/images/") for entry in table.manifest.contents) > 20
    assert all((cell["error"] == "right") == cell["correct"] for cell in cells)
    assert "perception" in {cell["error"] for cell in cells}
    assert all(cell["page"] == f"page.html#item={cell['item']}" for cell in cells)


@pytest.mark.slow
def test_a_report_is_an_artifact_of_an_analysis(tmp_path, home):
    opened = open_runs(str(home))
    (tmp_path / "report.html").write_text("<p>findings</p>")
    send(tmp_path / "report.html", opened.views)
    sent = OfflineRun(tmp_path / "report")
    (run,), (artifact,) = sent.runs, sent.artifacts
    assert (run.job_type, run.run_group, run.display_name) == ("analysis", "mini/dose_0.2", "mini/dose_0.2/report")
    assert artifact.type == "report" and [entry.path for entry in artifact.manifest.contents] == ["report.html"]
    assert sent.config["trained_by"] == [WandbRun.of(home).id]


@pytest.fixture
def small(tmp_path) -> tuple[Path, TrainSettings]:
    """A run folder that has its record, and its settings."""
    settings = compose(TrainSettings, [*OPTIONS, f"run={tmp_path}/run"])
    Run.collect(settings, revisions={}).save(tmp_path / "run" / "run.json")
    return tmp_path / "run", settings


@pytest.mark.slow
def test_an_alert_is_sent_once_at_the_onset_of_a_collapse(small):
    run, settings = small
    tracker = Tracker(run, settings, 0)
    new = []
    for step, reward in enumerate([0.7, 0.72, 0.71, 0.7, 0.71, 0.2, 0.1, 0.1, 0.1], start=1):
        tracker.log(step, {"critic/rewards/mean": reward}, {"timing_s/step": 1.0}, 10)
        new.append(tracker.collapsed())
    assert new.count(True) == 1
    tracker.board.wandb.finish()
    (alert,) = OfflineRun(run).alerts
    assert alert.title == "collapse" and f"collapses at step {new.index(True) + 1} " in alert.text


@pytest.mark.slow
def test_a_view_that_cannot_be_drawn_stops_no_run(small, monkeypatch, capsys):
    run, settings = small

    def refuse(*_: object) -> None:
        raise UserError("the picture is gone")

    monkeypatch.setattr(Board, "pictures", refuse)
    board = Board(run, settings)
    nothing: Any = None
    board.show(3, nothing, nothing)
    board.log(3, {"critic/rewards/mean": 0.5})
    board.wandb.finish()
    assert "step 3 has no pictures on W&B: the picture is gone" in capsys.readouterr().err
    assert OfflineRun(run).rows[3]["critic/rewards/mean"] == 0.5


def test_groups_are_rows_of_a_table_or_methods():
    assert group_of(Path("runs/mini/dose_0.2/seed1"), "mini", "papo_g") == "mini/dose_0.2"
    assert group_of(Path("elsewhere"), "7b", "papo_g") == "7b/papo_g"


def test_a_damaged_record_is_refused_with_the_remedy(tmp_path):
    assert WandbRun.of(tmp_path) is None
    (tmp_path / "wandb.json").write_text('{"id": "a"}')
    with pytest.raises(UserError, match=r"is not the record of a W&B run .*; remove it"):
        WandbRun.of(tmp_path)


def test_the_workspace_has_every_panel_and_is_plain_json():
    workspace = workspace_of(DashboardSettings(entity="team", project="vision"))
    view = json.loads(workspace._to_model().model_dump_json(by_alias=True))
    assert (view["entity"], view["project"], view["displayName"]) == ("team", "vision", "Percept")
    sections = view["spec"]["section"]["panelBankConfig"]["sections"]
    assert [section["name"] for section in sections] == [section.name for section in SECTIONS]
    plots = [panel["config"] for section in sections for panel in section["panels"] if "chartTitle" in panel["config"]]
    plots = [plot for plot in plots if "metrics" in plot]
    assert len(plots) == len(list(panels()))
    for plot, panel in zip(plots, panels(), strict=True):
        names = ["loss/ppo", "loss/a.b", "lossy", "critic/rewards/mean", "reward/format", "validation/accuracy"]
        asked = [n for n in names if re.search(plot["metricRegex"], n)] if plot.get("metricRegex") else plot["metrics"]
        assert asked == (panel.members(names) if panel.metric.endswith("*") else [panel.metric])


def test_a_report_has_the_table_as_written_and_the_runs_of_its_rows(monkeypatch):
    """The one question that the library asks the server while it builds, a project's number, is answered here."""
    monkeypatch.setattr(interface, "_get_api", lambda: None)
    monkeypatch.setattr(interface, "execute_graphql", lambda *_: {"project": {"internalId": "1"}})
    report = report_of(DashboardSettings(entity="team", table="results/table1_mini"))
    spec = json.loads(json.dumps(report._to_model().model_dump(by_alias=True, mode="json")["spec"]))
    spec = json.loads(spec) if isinstance(spec, str) else spec
    table = (ROOT / "results" / "table1_mini" / "table.md").read_text()
    (text,) = [block["content"] for block in spec["blocks"] if block["type"] == "markdown-block"]
    assert report.title == "Table 1 at mini scale" and text == table.partition("\n")[2].strip()
    grids = [block["metadata"] for block in spec["blocks"] if block["type"] == "panel-grid"]
    assert len(grids) == 3 and all("mini/papo_g" in json.dumps(grid["runSets"]) for grid in grids)
    with pytest.raises(UserError, match=r"table\.md does not exist; give the folder"):
        report_of(DashboardSettings(entity="team", table="results/none"))


def test_a_workspace_without_a_key_is_refused_in_a_sentence(monkeypatch, capsys):
    monkeypatch.setattr(wandb, "api", type("Api", (), {"api_key": None}))
    assert main(["entity=team"]) == 2
    assert "the workspace needs a W&B key; run wandb login, or leave entity out" in capsys.readouterr().err
