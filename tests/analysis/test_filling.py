"""Missing work side by side: every job has a place of its own, and a failure stops what has not begun."""

import os
import signal
import threading
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from analysis import filling
from analysis.experiments import Experiment, Row, read_table_file, suite_of
from analysis.filling import Job, ending_at_once, jobs_of, run, shares_of_machine, side_by_side
from common import UserError
from common.parallel import own_cores

PLACES = [{"OMP_NUM_THREADS": "1"}, {"OMP_NUM_THREADS": "1"}]


def job(folder: Path, name: str, *modules: str) -> Job:
    return Job(name=name, commands=[[module] for module in modules], log=folder / name / "seed0.log")


@pytest.mark.slow
def test_all_jobs_run_and_their_output_lies_in_their_logs(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    side_by_side([job(tmp_path, name, "this", "this") for name in "abc"], PLACES)
    for name in "abc":
        assert (tmp_path / name / "seed0.log").read_text().count("Beautiful is better than ugly.") == 2
    said = capsys.readouterr().out
    assert "[3/3]" in said and said.count("done") == 3 and "Beautiful" not in said


@pytest.mark.slow
def test_a_failure_names_command_and_log_and_nothing_further_begins(tmp_path: Path) -> None:
    jobs = [job(tmp_path, "bad", "no_such_module", "this"), *(job(tmp_path, name, "this") for name in "abcd")]
    with pytest.raises(UserError) as error:
        side_by_side(jobs, PLACES[:1])
    assert "no_such_module" in str(error.value) and "bad/seed0.log" in str(error.value)
    assert "Beautiful" not in (tmp_path / "bad" / "seed0.log").read_text()
    assert not any((tmp_path / name).exists() for name in "abcd")


@pytest.mark.slow
@pytest.mark.parametrize(
    "start", [lambda one: run(one.commands[0]), lambda one: side_by_side([one], PLACES)], ids=["one", "side by side"]
)
def test_what_was_started_ends_with_what_started_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, start: Callable[[Job], None]
) -> None:
    """A training that went on alone would hold its folder against the next start."""
    (tmp_path / "sleeper.py").write_text(
        f"import os, time\nopen({str(tmp_path / 'pid')!r}, 'w').write(str(os.getpid()))\ntime.sleep(600)"
    )
    monkeypatch.setattr(filling, "REPOSITORY", tmp_path)

    def ask_to_end() -> None:
        while not (tmp_path / "pid").exists() or not (tmp_path / "pid").read_text():
            time.sleep(0.05)
        os.kill(os.getpid(), signal.SIGTERM)

    threading.Thread(target=ask_to_end, daemon=True).start()
    with pytest.raises(SystemExit) as ended, ending_at_once():
        start(job(tmp_path, "row", "sleeper"))
    assert ended.value.code == 128 + signal.SIGTERM
    with pytest.raises(ProcessLookupError):
        os.kill(int((tmp_path / "pid").read_text()), 0)


def test_rows_whose_ids_hold_dots_have_logs_of_their_own(tmp_path: Path) -> None:
    rows = [Row(id=name, name=name, eval=["view.kind=blank"]) for name in ("v0.5", "v0.9")]
    suite = suite_of(read_table_file("1"), "mini")
    (jobs, _) = jobs_of([Experiment(row=row, suite=suite, seed=0, runs=tmp_path) for row in rows])
    assert [job.log for job in jobs] == [tmp_path / "mini" / "v0.5.log", tmp_path / "mini" / "v0.9.log"]


def test_places_share_the_cores(monkeypatch: pytest.MonkeyPatch) -> None:
    assert shares_of_machine(1) == [{"OMP_NUM_THREADS": str(own_cores())}]
    many = shares_of_machine(2 * own_cores())
    assert len(many) == 2 * own_cores() and {place["OMP_NUM_THREADS"] for place in many} == {"1"}
    monkeypatch.setattr("analysis.filling.gpu_ids", lambda: ["0", "1", "2", "3", "4"])
    assert [place["CUDA_VISIBLE_DEVICES"] for place in shares_of_machine(2)] == ["0,2,4", "1,3"]
    with pytest.raises(UserError, match="parallel=6 needs as many GPUs, but this process sees 5"):
        shares_of_machine(6)
