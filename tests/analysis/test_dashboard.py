"""The local dashboard: which runs it takes, what it draws of them, and that real runs log what its panels show."""

import json
import subprocess
from pathlib import Path

import pandas as pd
import pytest

from analysis.dashboard.__main__ import main
from analysis.dashboard.curves import chosen_folders, read_trainings
from analysis.dashboard.page import charts_of, dashes_of, evaluation_rows, render_dashboard, title_of_page
from analysis.dashboard.sections import SECTIONS, Panel, panels
from analysis.figures import run_looks
from common import UserError, write_jsonl
from data.mini import world
from models.judged import write_judged
from tests.browser import CHROMIUM, FLAGS, HOSTILE, Tags, needs_chromium


def made_run(folder: Path, rewards: list[float], **more: float) -> Path:
    rows = [{"step": n, "critic/rewards/mean": reward, **more} for n, reward in enumerate(rewards, start=1)]
    write_jsonl(folder / "metrics.jsonl", rows)
    write_jsonl(folder / "timing.jsonl", [{"step": row["step"], "timing_s/gen": 0.5} for row in rows])
    return folder


def chart_of(trainings: list, metric: str) -> dict:
    groups = list(dict.fromkeys(one.group for one in trainings))
    charts = [chart for section in SECTIONS for chart in charts_of(section, trainings, groups)]
    return next(chart for chart in charts if chart["metric"] == metric)


def test_a_folder_of_seeds_stands_for_them_and_nothing_given_for_all(tmp_path):
    runs = [
        made_run(tmp_path / "mini" / name, [0.5]) for name in ("grpo/seed0", "grpo/seed10", "grpo/seed2", "one/seed0")
    ]
    assert chosen_folders(str(tmp_path / "mini" / "grpo"), tmp_path) == [runs[0], runs[2], runs[1]]
    assert set(chosen_folders("", tmp_path)) == set(runs)
    with pytest.raises(UserError, match=r"is no training: it has neither metrics\.jsonl"):
        chosen_folders(str(tmp_path / "mini"), tmp_path)
    with pytest.raises(UserError, match="no training lies below"):
        chosen_folders("", tmp_path / "empty")


def test_seeds_share_a_line_and_names_keep_the_point_in_them(tmp_path):
    folders = [
        made_run(tmp_path / "dose_0.2" / "seed0", [0.5, 0.6]),
        made_run(tmp_path / "dose_0.2" / "seed1", [0.7]),
        made_run(tmp_path / "dose_0.5" / "seed0", [0.4], **{"loss/ppo": 0.25}),
    ]
    trainings = read_trainings(folders)
    assert [one.group for one in trainings] == ["dose_0.2", "dose_0.2", "dose_0.5"]
    first, second = chart_of(trainings, "critic/rewards/mean")["lines"]
    assert first["seeds"] == [{"steps": [1, 2], "values": [0.5, 0.6]}, {"steps": [1], "values": [0.7]}]
    assert second["seeds"] == [{"steps": [1], "values": [0.4]}]
    only = chart_of(trainings, "loss/ppo")
    assert only["title"] == "Loss: ppo" and [line["group"] for line in only["lines"]] == [1]


def test_a_run_that_did_not_log_its_outcomes_has_them_from_its_stored_responses(tmp_path):
    run, sample = made_run(tmp_path / "grpo" / "seed0", [0.5]), world.samples("train", "counting", 1)[0]
    said = [("no chain", False), ("nor here", False), (f"\\boxed{{{sample.answer}}}", True), ("unscored", None)]
    frame = pd.DataFrame(
        {"sample_id": sample.id, "text": text, "correct": right, "hint": "broken", "vision_need": ""}
        for text, right in said
    )
    write_judged(frame, run / "rollouts" / "step_000010.parquet")
    curves = read_trainings([run])[0].curves
    assert curves["errors/format"] == [(10, pytest.approx(2 / 3))] and curves["errors/perception"] == [(10, 0.0)]
    assert curves["accuracy/hint/broken"] == [(10, pytest.approx(1 / 3))] and "accuracy/vision_need/" not in curves
    made_run(run, [0.5], **{"errors/format": 0.25})
    curves = read_trainings([run])[0].curves
    assert curves["errors/format"] == [(1, 0.25)] and "accuracy/hint/broken" not in curves


def test_runs_that_share_a_colour_have_other_dashes():
    looks = list(run_looks([f"run{n}" for n in range(8)]).values())
    assert (looks[0].colour, looks[0].line) == (looks[6].colour, looks[6].line)
    dashes = dashes_of(looks)
    assert dashes[0] != dashes[6] and dashes[1] != dashes[7]


def test_a_family_has_a_chart_for_each_member():
    names = ["loss/ppo", "loss/perception_kl", "force/ppo", "loss"]
    assert Panel("loss/*", "Loss", "").members(names) == ["loss/ppo", "loss/perception_kl"]
    assert Panel("loss", "Loss", "").members(names) == ["loss"] and Panel("los", "Loss", "").members(names) == []


def test_no_metric_is_shown_twice_and_every_panel_says_how_to_read_it():
    metrics = [panel.metric for panel in panels()]
    assert len(set(metrics)) == len(metrics)
    assert all(panel.about.endswith(".") and panel.title for panel in panels())


def test_evaluations_stand_with_their_intervals(tmp_path):
    run = made_run(tmp_path / "grpo" / "seed0", [0.5])
    (run / "eval" / "mini").mkdir(parents=True)
    scores = {"k": 8, "averages": {"overall": {"mean": 0.712, "low": 0.686, "high": 0.738}}}
    (run / "eval" / "mini" / "scores.json").write_text(json.dumps(scores))
    header, rows = evaluation_rows(read_trainings([run]))
    assert header == ["run", "seed", "evaluation", "k", "overall"]
    assert rows == [["grpo", "seed0", "mini", "8", "71.2 [68.6, 73.8]"]]


def test_a_long_list_of_runs_is_cut_in_the_title():
    assert title_of_page(6, ["a", "b", "c", "d", "e"]) == "6 trainings: a, b, c, d and 1 more"


def test_the_page_is_one_file_that_loads_nothing_and_says_what_is_missing(tmp_path, capsys):
    run = made_run(tmp_path / f"{HOSTILE.replace('/', '_')}end" / "seed0", [0.5, 0.6])
    assert main([f"runs={run.parent}", f"out={tmp_path}/page.html"]) == 0, capsys.readouterr()
    page = (tmp_path / "page.html").read_text()
    tags = Tags(page)
    assert not [tag for tag, attributes in tags.tags if "src" in attributes or tag == "img"]
    assert len(tags.scripts) == 2 and "default-src 'none'" in page
    assert "Not logged by these runs: Reward term, Validation accuracy, Accuracy by tag." in page
    assert "No run has stored rollouts" in page


@needs_chromium
@pytest.mark.slow
def test_the_browser_draws_every_chart_and_hides_a_run(tmp_path):
    runs = [made_run(tmp_path / name / "seed0", [0.1, 0.5, 0.3]) for name in ("grpo", "papo_g")]
    runs += [made_run(tmp_path / "grpo" / "seed1", [0.2, 0.4, 0.9])]
    script = """<script>
      const said = () => [...document.querySelectorAll(".chart output")].map((one) => one.textContent);
      const mean = document.querySelector("[name=window]");
      mean.value = "1";
      mean.dispatchEvent(new Event("input", { bubbles: true }));
      const before = said()[0];
      const lines = document.querySelector(".chart").querySelectorAll(".line").length;
      document.querySelector("[name=run]").click();
      document.title = JSON.stringify([document.querySelectorAll(".chart").length, lines, before, said()[0]]);
    </script>"""
    page = tmp_path / "page.html"
    page.write_text(render_dashboard(read_trainings(runs)).replace("</body>", script + "</body>"))
    command = [CHROMIUM, *FLAGS, f"--user-data-dir={tmp_path}/profile", page.as_uri()]
    dumped = subprocess.run(command, capture_output=True, text=True, check=True, timeout=120).stdout
    title = dumped.partition("<title>")[2].partition("</title>")[0]
    charts, lines, before, after = json.loads(title)
    assert charts == 2 and lines == 4  # GRPO's mean and two seeds, PAPO's one
    assert before == "Step 3: GRPO 0.6 (0.3 to 0.9); PAPO_G 0.3" and after == "Step 3: PAPO_G 0.3"
