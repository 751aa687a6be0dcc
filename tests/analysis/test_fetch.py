"""Weights and data of a scale from a hub on this machine: pinned, resumed, checked, found by the other commands."""

import importlib
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from huggingface_hub.utils import get_session

import data.hub
from analysis.fetch import FetchSettings, repos_of
from common import UserError
from configs import compose
from data.hub import HubFile, Pinned, asked_hub, check_disk, connection_errors, read_lock, write_lock
from data.sources import DataSettings, Samples, source_digest
from eval.settings import EvalSettings
from eval.tasks import tasks_of
from tests.eval.make_fixtures import FOLDER
from tests.hub_repositories import suite, training, weights
from tests.hub_server import COMMIT, OTHER, HubServer

ROOT = Path(__file__).resolve().parents[2]
WEIGHTS, TRAINING, SUITE = "Qwen/Qwen2.5-VL-3B-Instruct", "PAPOGalaxy/PAPO_ViRL39K_train", "PAPO-Galaxy/PAPO_eval"
LARGE, PIECE = "large.safetensors", 10 * 1024**2  # huggingface_hub writes a file piece by piece


@pytest.fixture(scope="module")
def hub(tmp_path_factory: pytest.TempPathFactory) -> Iterator[HubServer]:
    place = tmp_path_factory.mktemp("hub")
    folders = {
        WEIGHTS: weights(place / "weights"),
        TRAINING: training(place / "training"),
        SUITE: suite(place / "suite"),
    }
    (place / "weights" / "pytorch_model.bin").write_bytes(b"a pickle, which is never wanted")
    (place / "weights" / LARGE).write_bytes(bytes(2 * PIECE))
    with HubServer(folders) as server:
        yield server


def start(hub: HubServer, root: Path, *arguments: str) -> "subprocess.Popen[str]":
    """Start the command as a person does."""
    reach = {"HF_ENDPOINT": hub.url, "HF_HUB_OFFLINE": "0", "HF_HUB_DISABLE_XET": "1", "HF_HOME": str(root / "home")}
    return subprocess.Popen(
        [sys.executable, "-m", "analysis.fetch", *arguments, f"folder={root}"],
        cwd=ROOT,
        env=os.environ | reach,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def fetch(hub: HubServer, root: Path, *arguments: str) -> tuple[int, str, str]:
    process = start(hub, root, *arguments)
    said, complained = process.communicate(timeout=300)
    return process.returncode, said, complained


def killed_in(hub: HubServer, root: Path, name: str, *arguments: str) -> None:
    """Kill the command in the middle of a file."""
    hub.stuck[name] = 3 * PIECE // 2
    process, end = start(hub, root, *arguments), time.monotonic() + 120
    while not any(path.stat().st_size >= PIECE for path in root.rglob("*.incomplete")):
        assert process.poll() is None and time.monotonic() < end, "nothing was downloaded"
        time.sleep(0.05)
    process.kill()
    process.communicate()


@pytest.mark.slow
def test_weights_are_pinned_resumed_and_checked(hub: HubServer, tmp_path: Path) -> None:
    asked = ("weights", "scale=3b")
    status, said, complained = fetch(hub, tmp_path, *asked, "plan=true")
    assert status == 0, complained
    assert f"model {WEIGHTS} at {COMMIT}" in said and "missing in" in said and "free there: " in said
    assert not (tmp_path / "models").exists() and not read_lock(tmp_path)

    killed_in(hub, tmp_path, LARGE, *asked)
    folder = tmp_path / "models" / "Qwen2.5-VL-3B-Instruct"
    assert not read_lock(tmp_path)[WEIGHTS].is_complete and not (folder / LARGE).exists()
    done = [path.name for path in folder.glob("*.json")]
    assert done
    hub.asked.clear()
    hub.cut[LARGE] = 3 * PIECE // 2
    status, said, complained = fetch(hub, tmp_path, *asked)
    assert status == 0, complained
    given = [(path.rpartition("/")[2], bytes_from) for method, path, bytes_from in hub.asked if method == "GET"]
    assert (LARGE, f"bytes={PIECE}-") in given and not {name for name, _ in given} & set(done)
    assert not list(tmp_path.rglob("*.incomplete"))
    there = hub.folders[WEIGHTS]
    for name in (LARGE, "model.safetensors", "config.json"):
        assert (folder / name).read_bytes() == (there / name).read_bytes()
    assert not (folder / "pytorch_model.bin").exists()
    lock = read_lock(tmp_path)[WEIGHTS]
    assert lock.commit == COMMIT and lock.is_complete and all(len(file.sha256) == 64 for file in lock.files)

    (repo,) = repos_of(compose(FetchSettings, ["scale=3b"]))
    assert data.hub.fetch(repo, tmp_path) == folder  # complete: no connection is needed
    status, _, complained = fetch(hub, tmp_path, *asked, f"revisions={{{WEIGHTS}: other}}")
    assert status == 2 and f"pins {WEIGHTS} at {COMMIT}, and revision other is another" in complained
    assert OTHER not in (tmp_path / "hub.lock.json").read_text()
    content = bytearray((folder / "model.safetensors").read_bytes())
    content[-1] ^= 1
    (folder / "model.safetensors").write_bytes(content)
    with pytest.raises(UserError, match=rf"model\.safetensors is not the file of commit {COMMIT}; remove it"):
        data.hub.fetch(repo, tmp_path)


@pytest.mark.slow
def test_data_are_found_by_training_and_evaluation(hub: HubServer, tmp_path: Path) -> None:
    status, _, complained = fetch(hub, tmp_path, "data", "scale=3b")
    assert status == 0, complained
    local = DataSettings(source=str(tmp_path / "datasets" / "PAPO_ViRL39K_train"))
    found = Samples(local, seed=0)
    assert sorted(one.question for one in found.take(0, 6)) == sorted(
        f"{a} + {b}?" for a in range(2) for b in range(3)
    )
    assert source_digest(local).count("+") == 1
    asked = ["model=tiny", "bench=papo_suite", f"data={tmp_path / 'datasets'}", "preset=paper_eval"]
    ours = tasks_of(compose(EvalSettings, asked))
    theirs = tasks_of(compose(EvalSettings, [*asked, f"data={FOLDER}"]))
    assert [len(task.samples) for task in ours] == [len(task.samples) for task in theirs] and len(ours) == 9
    for ours_, theirs_ in zip(ours, theirs, strict=True):
        assert [one.question for one in ours_.samples] == [one.question for one in theirs_.samples]
    assert set(read_lock(tmp_path)) == {TRAINING, SUITE}


def asked(*overrides: str) -> FetchSettings:
    return compose(FetchSettings, [*overrides])


def test_a_scale_says_what_it_needs() -> None:
    assert [(one.name, one.kind) for one in repos_of(asked("scale=7b"))] == [("Qwen/Qwen2.5-VL-7B-Instruct", "model")]
    assert [one.name for one in repos_of(asked("what=data"))] == [TRAINING, SUITE]
    assert repos_of(asked("scale=mini")) == repos_of(asked("scale=mini", "what=data")) == []
    (pinned,) = repos_of(asked(f"revisions={{{WEIGHTS}: v1}}"))
    assert pinned.revision == "v1"


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        (["what=weigths"], "what=weigths is neither weights nor data; did you mean 'weights'?"),
        (["scale=4b"], "has no scale=4b"),
        (["revisions={Qwen/Qwen2.5-VL-3B: v1}"], "did you mean 'Qwen/Qwen2.5-VL-3B-Instruct'"),
    ],
)
def test_what_cannot_be_fetched_is_refused(changes: list[str], sentence: str) -> None:
    with pytest.raises(UserError, match=sentence.replace("?", r"\?")):
        repos_of(asked(*changes))


CONNECTION = [error("no connection") for error in connection_errors()]


@pytest.mark.parametrize(
    "error", [OSError("404: no such repository\nmore"), ValueError("a bad name"), OSError(), *CONNECTION]
)
def test_a_hub_that_does_not_answer_gets_one_sentence(error: Exception) -> None:
    def ask() -> None:
        raise error

    said = str(error).partition("\n")[0] or "OSError"
    with pytest.raises(
        UserError, match=f"^owner/name cannot be read from the hub: {said}; check name, revision, .*it resumes$"
    ):
        asked_hub("owner/name", ask)


def test_the_errors_of_the_hubs_own_client_are_known() -> None:
    """Its client changed with a version, and a machine without a connection answered with a traceback."""
    client = importlib.import_module(type(get_session()).__module__.partition(".")[0])
    assert client.HTTPError in connection_errors()


def test_a_full_disk_is_refused_before_the_download(tmp_path: Path) -> None:
    check_disk([HubFile("a", 10)], tmp_path / "new")
    with pytest.raises(
        UserError, match=r"1000000\.00 GB are to be downloaded into .*new, where .* are free; make room"
    ):
        check_disk([HubFile("a", int(1e15 / 1.02))], tmp_path / "new")


def test_the_lock_keeps_every_repository_and_names_its_damage(tmp_path: Path) -> None:
    write_lock(tmp_path, "a/b", Pinned("1", [HubFile("x", 3, "d")], is_complete=True))
    write_lock(tmp_path, "c/d", Pinned("2"))
    assert read_lock(tmp_path) == {"a/b": Pinned("1", [HubFile("x", 3, "d")], True), "c/d": Pinned("2")}
    (tmp_path / "hub.lock.json").write_text('{"a/b": {"commit": "1"')
    with pytest.raises(UserError, match=r"is damaged .*put it back, or remove it to pin anew"):
        read_lock(tmp_path)
