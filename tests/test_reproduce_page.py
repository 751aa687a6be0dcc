"""Every command of docs/reproduce_3b.md, as a dry run on folders of the form that the downloads leave."""

import re
import shlex
import shutil
import subprocess
from pathlib import Path

import pytest

from analysis.__main__ import main
from analysis.fetch import unpack
from configs import command
from eval.__main__ import main as evaluate
from tests.hub_repositories import suite, training, weights
from train.settings import TrainSettings

ROOT = Path(__file__).resolve().parents[1]
PAGE = ROOT / "docs" / "reproduce_3b.md"
LINES = [
    line for block in re.findall(r"```bash\n(.*?)```", PAGE.read_text(), re.DOTALL) for line in block.splitlines()
]


def exported() -> dict[str, str]:
    return dict(part.split("=", 1) for line in LINES if line.startswith("export ") for part in line.split()[1:])


def words_of(line: str, place: Path) -> list[str]:
    """Return a line's words with its variables filled in, and runs/ below `place`."""
    for name, value in exported().items():
        line = line.replace(f"${name}", value)
    return [re.sub(r"(^|[=,\[])runs/", rf"\g<1>{place}/runs/", word) for word in shlex.split(line)]


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What the downloads and the trainings leave."""
    place = tmp_path_factory.mktemp("clone")
    hub = place / "runs" / "hub"
    weights(hub / "models" / "Qwen2.5-VL-3B-Instruct")
    training(hub / "datasets" / "PAPO_ViRL39K_train")
    unpack(suite(hub / "datasets" / "PAPO_eval"))
    for row in ("grpo", "papo_g"):
        run = place / "runs" / "3b" / row / "seed0"
        weights(run / "final")
        (run / "config.yaml").write_text("model: {name: qwen2_5_vl_3b}\ndata: {source: the/training}\n")
    return place


def test_the_page_has_every_kind_of_command() -> None:
    kinds = {" ".join(line.split()[:3]) for line in LINES if line.startswith("python")} | {
        line.split()[0] for line in LINES
    }
    assert {"python -m train", "python -m eval", "python -m analysis", "torchrun", "make", "export"} <= kinds


@pytest.mark.skipif(shutil.which("make") is None, reason="make is not installed")
@pytest.mark.parametrize("line", [line for line in LINES if line.startswith("make ")])
def test_targets_exist(line: str) -> None:
    done = subprocess.run([*line.split(), "-n"], cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("line", [line for line in LINES if " -m train " in line])
def test_trainings_pass_a_dry_run(place: Path, capsys: pytest.CaptureFixture[str], line: str) -> None:
    words = words_of(line, place)
    arguments = [*words[words.index("train") + 1 :], "dry_run=true"]
    dry = "train.estimate_text:print_estimate"
    assert command(TrainSettings, "train.loop:train", arguments, prog="", summary="", dry=dry) == 0
    said = capsys.readouterr().out
    assert "steps: 202" in said and "dtype: bfloat16" in said and "# GPUs that" in said


@pytest.mark.parametrize("line", [line for line in LINES if " -m eval " in line])
def test_evaluations_pass_a_dry_run(place: Path, capsys: pytest.CaptureFixture[str], line: str) -> None:
    assert evaluate([*words_of(line, place)[3:], "dry_run=true"]) == 0
    said = capsys.readouterr().out
    assert len(re.findall(r"^# papo_\w+: \d+ items of", said, re.MULTILINE)) == 9 and "dtype: bfloat16" in said
    assert "# 8 worker(s), engine=vllm: 72.0 GiB each" in said and "max_pixels: 589824" in said


@pytest.mark.parametrize("line", [line for line in LINES if " -m analysis " in line])
def test_the_table_names_what_is_left(place: Path, capsys: pytest.CaptureFixture[str], line: str) -> None:
    arguments = [*words_of(line, place)[3:], f"folder={place / 'runs'}", "plan=true"]
    assert main(arguments) == 0
    said = capsys.readouterr().out
    assert said.count("python -m eval") == 3 and f"run={place / 'runs' / '3b' / 'grpo' / 'seed0'}" in said
