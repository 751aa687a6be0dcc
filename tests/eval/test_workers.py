"""An evaluation by several processes: the same bytes as by one, whatever is killed on the way."""

import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

import eval.checks as checks
import eval.workers as workers
from common import UserError
from configs import compose
from eval.checks import check_workers, gpu_ids
from eval.runner import evaluate
from eval.settings import EvalSettings
from eval.store import ResponseStore
from eval.tasks import tasks_of
from eval.workers import shares, take_over_parts
from tests.eval.test_store import filled, reopened, response

OPTIONS = ["model=tiny", "bench=mini", "items=10", "k=4", "sampling.batch=16", "page=0"]


def settings(*changes: str) -> EvalSettings:
    return compose(EvalSettings, [*OPTIONS, *changes])


def test_whole_batches_are_dealt_in_turn_and_nobody_is_left_without() -> None:
    task = tasks_of(settings("items=5"))[0]
    missing = [(task, sample, 4) for sample in task.samples]
    two = shares(missing, 4, 2)
    assert [len(share) for share in two] == [24, 21] and two[1][:4] == missing[4:8] and two[0][4:8] == missing[8:12]
    assert sorted(one[1].id for share in two for one in share) == sorted(one[1].id for one in missing)
    assert shares(missing, 45, 8) == [missing]


def test_what_workers_left_is_taken_over_once(tmp_path: Path) -> None:
    store = ResponseStore(tmp_path / "responses" / "a.jsonl")
    store.add(response("a", 0))
    torn = filled(tmp_path / "workers" / "0" / "a.jsonl", response("a", 0, "again"), response("a", 1))
    torn.write_bytes(torn.read_bytes() + b'{"sample_id": "a"')
    filled(tmp_path / "workers" / "1" / "a.jsonl", response("b", 0))
    other = filled(tmp_path / "workers" / "1" / "other.jsonl", response("c", 0))
    take_over_parts({"a": store}, tmp_path)
    store.close()
    assert [*reopened(store.path)] == [("a", 0), ("a", 1), ("b", 0)]
    assert reopened(store.path)["a", 0].text == "3" and not torn.exists() and other.exists()


def test_a_part_leaves_the_store_as_it_is(tmp_path: Path) -> None:
    path = filled(tmp_path / "a.jsonl", response("a", 0))
    before = path.read_bytes()
    part = ResponseStore(path, into=tmp_path / "part" / "a.jsonl")
    part.add(response("a", 1))
    part.close()
    assert part.lacks("a", 2) == 0 and path.read_bytes() == before
    assert [*reopened(tmp_path / "part" / "a.jsonl")] == [("a", 1)]


@pytest.mark.parametrize(
    ("changes", "gpus", "sentence"),
    [
        (["gpus=2", "engine=server"], [], "a server is asked more at once by server.workers"),
        (["gpus=8"], ["0", "1"], r"gpus=8, but this process sees 2 GPU\(s\); give gpus=2"),
    ],
)
def test_workers_that_cannot_be_are_refused(
    monkeypatch: pytest.MonkeyPatch, changes: list[str], gpus: list[str], sentence: str
) -> None:
    monkeypatch.setattr(checks, "gpu_ids", lambda: gpus)
    with pytest.raises(UserError, match=sentence):
        check_workers(settings(*changes))
    check_workers(settings("gpus=2"))
    monkeypatch.setenv("WORLD_SIZE", "2")
    with pytest.raises(UserError, match="start it without a launcher"):
        check_workers(settings())


def test_gpus_of_a_job_keep_their_names(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("torch.cuda.is_available", lambda: True)
    monkeypatch.setattr("torch.cuda.device_count", lambda: 2)
    monkeypatch.delenv("PERCEPT_CPU", raising=False)
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    assert gpu_ids() == ["0", "1"]
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "3,GPU-8a")
    assert gpu_ids() == ["3", "GPU-8a"]


def wait_for_lines(out: Path, number: int) -> None:
    """Wait until worker `number` has written something."""
    end = time.monotonic() + 300
    while not any(path.stat().st_size for path in (out / "workers" / str(number)).glob("mini-*.jsonl")):
        assert time.monotonic() < end, "the worker wrote nothing"
        time.sleep(0.01)


def alive(out: Path) -> list[int]:
    """Return the processes that name a worker's folder."""
    found = []
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            words = path.read_bytes().decode(errors="replace").split("\0")
        except OSError:  # it ended meanwhile
            continue
        if "eval.worker" in words and any(word.startswith(str(out)) for word in words):
            found.append(int(path.parent.name))
    return found


@pytest.mark.slow
def test_two_workers_give_the_bytes_of_one_whatever_is_killed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    one, two = tmp_path / "one", tmp_path / "two"
    evaluate(settings(f"out={one}"))

    started, real = [], workers.start_worker
    monkeypatch.setattr(workers, "start_worker", lambda *given: started.append(real(*given)) or started[-1])

    def kill_second() -> None:
        wait_for_lines(two, 1)
        started[1].process.kill()

    killer = threading.Thread(target=kill_second)
    killer.start()
    with pytest.raises(UserError, match=r"worker 1 of 2 was ended by signal 9; its log is .*two/workers/1/log\.txt"):
        evaluate(settings(f"out={two}", "gpus=2"))
    killer.join()
    assert "worker 1 of 2 was ended by signal 9" in capsys.readouterr().err
    (store,) = (two / "responses").iterdir()
    first = store.read_bytes()
    assert 180 <= first.count(b"\n") < 360 and not (two / "scores.json").exists()  # worker 0 came to its end

    command = [sys.executable, "-m", "eval", *OPTIONS, f"out={two}", "gpus=2"]
    parent = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    wait_for_lines(two, 0)
    assert alive(two)  # one or both: what the first worker wrote before is not asked again
    parent.send_signal(signal.SIGKILL)
    parent.wait()
    end = time.monotonic() + 60
    while alive(two):
        assert time.monotonic() < end, "workers outlive their parent"
        time.sleep(0.05)

    started.clear()
    evaluate(settings(f"out={two}", "gpus=2"))
    assert store.read_bytes().startswith(first) and store.read_bytes().count(b"\n") == 360
    for name in ("predictions.parquet", "scores.json", "scores.csv"):
        assert (one / name).read_bytes() == (two / name).read_bytes()
    assert not list((two / "workers").glob("*/*.jsonl"))
    evaluate(settings(f"out={two}", "gpus=2"))
    assert len(started) == 2  # nothing was missing, so that none was started again
    evaluate(settings(f"out={two / 'fresh'}", "gpus=2"))
    fresh, straight = ((folder / "responses" / store.name).read_bytes() for folder in (two / "fresh", one))
    assert sorted(fresh.splitlines()) == sorted(straight.splitlines())  # log-probs included
    assert os.environ.get("CUDA_VISIBLE_DEVICES") is None


@pytest.mark.nightly  # what a worker's end says is in the test above
def test_a_worker_that_cannot_load_the_model_says_so(tmp_path: Path) -> None:
    model = tmp_path / "model"
    model.mkdir()
    (model / "config.json").write_text('{"model_type": "none"}')
    with pytest.raises(UserError, match=r"worker [01] of 2 ended with status 1; its log is .*, its last line: "):
        evaluate(settings("gpus=2", f"model.path={model}", f"out={tmp_path / 'out'}"))
