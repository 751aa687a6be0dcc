"""The comparison worker: limits, restart, isolation, and no evaluation of text."""

import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from verify import grade, limits

ROOT = Path(__file__).parents[2]
TOWER = r"10^{10^{10}}"


@pytest.fixture(scope="module", autouse=True)
def warm_worker() -> None:
    limits.compare("latex", r"\log_{2} 8", "3")


def test_worker_compares() -> None:
    assert limits.compare("latex", r"\log_{2} 16", "4") == "equal"
    assert limits.compare("latex", "y=2x+1", "2x-y+1=0") == "equal"
    assert limits.compare("latex", "x<3", "x>3") == "different"
    assert limits.compare("plain", "x^2-1", "(x-1)*(x+1)") == "equal"
    assert limits.compare("plain", "sqrt(8)", "2sqrt(2)") == "equal"
    assert limits.compare("plain", "2x", "x2") == "equal"
    assert limits.compare("plain", "x+1", "x-1") == "different"


def test_time_limit_ends_the_comparison_and_the_next_one_works() -> None:
    started = time.monotonic()
    assert limits.compare("latex", "7", TOWER, 0.3) == "time_limit"
    assert time.monotonic() - started < 5.0
    started = time.monotonic()
    assert limits.compare("latex", "2", r"\log_{3} 9") == "equal"
    assert time.monotonic() - started < 5.0


def test_parent_kills_a_worker_that_does_not_stop(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "_WALL_FACTOR", -8.0)  # the parent's wall is over before the worker can answer
    assert limits.compare("latex", "8", TOWER, 0.2) == "time_limit"
    assert limits._worker is None
    monkeypatch.undo()
    assert limits.compare("latex", "3", r"\log_{2} 8", 2.5) == "equal"


def test_time_limit_is_a_rejection_with_its_reason(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "LIMIT_S", 0.3)
    verdict = grade(rf"\boxed{{{TOWER}}}", "11")
    assert not verdict.correct and verdict.reason == "time_limit"


def test_an_interrupted_question_does_not_answer_the_next(monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupt(worker: limits.Worker, limit_s: float) -> str:
        raise KeyboardInterrupt

    monkeypatch.setattr(limits.Worker, "_read_line", interrupt)
    with pytest.raises(KeyboardInterrupt):
        limits.compare("latex", "x<21", "21>x")
    monkeypatch.undo()
    assert limits.compare("latex", "x<22", "x>22") == "different"


def test_a_worker_that_dies_is_replaced() -> None:
    assert limits._worker is not None
    os.kill(limits._worker.process.pid, signal.SIGKILL)
    assert limits.compare("latex", "x<23", "23>x") == "equal"


def test_outcomes_are_cached() -> None:
    limits.compare("latex", "5", TOWER, 0.3)
    started = time.monotonic()
    assert limits.compare("latex", "5", TOWER, 0.3) == "time_limit"
    assert time.monotonic() - started < 0.1


def test_long_texts_never_reach_the_worker() -> None:
    assert limits.compare("latex", "1", "x+" * 400 + "x") == "too_long"


@pytest.mark.parametrize(
    "text",
    ["__import__('os').system('true')", "9**9**9", "x.real", "lambda:0", "[1]", "f(x)", "1e99", "'a'", "x" * 500],
)
def test_plain_reader_refuses_what_is_not_on_its_list(text: str) -> None:
    from verify.plain_expression import NotPlain, read_plain_expression

    if text in ("f(x)", "1e99"):
        read_plain_expression(text)  # a product of two letters, and a number
        return
    with pytest.raises(NotPlain):
        read_plain_expression(text)


@pytest.mark.parametrize("grader", ["robust", "papo"])
def test_nothing_in_a_box_is_executed(grader: str, tmp_path: Path) -> None:
    marker = tmp_path / "executed"
    attacks = [
        f"__import__('os').system('touch {marker}')",
        f"open('{marker}','w')",
        f"exec(\"open('{marker}','w')\")",
        f"[c for c in ().__class__.__base__.__subclasses__()];open('{marker}','w')",
        f"1+open('{marker}','w').fileno()",
        rf"\text{{__import__('pathlib').Path('{marker}').touch()}}",
        rf"\write18{{touch {marker}}}",
    ]
    for attack in attacks:
        for gold in ("1", "x", r"\sin x", "A"):
            assert not grade(f"\\boxed{{{attack}}}", gold, grader=grader).correct
            limits.compare("plain", gold, attack)
            limits.compare("latex", gold, attack)
    assert not marker.exists()


def test_grading_from_many_threads() -> None:
    results: dict[int, bool] = {}

    def work(number: int) -> None:
        results[number] = grade(rf"\boxed{{\log_{{2}} {2**number}}}", f"{number}.0\\cdot\\cos(0)").correct

    threads = [threading.Thread(target=work, args=(number,)) for number in range(2, 10)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert results == dict.fromkeys(range(2, 10), True)


@pytest.mark.slow
def test_a_forked_process_gets_its_own_worker() -> None:
    assert limits._worker is not None
    parent_worker = limits._worker.process.pid
    read_end, write_end = os.pipe()
    child = os.fork()
    if child == 0:
        outcome = limits.compare("latex", "x<4", "4>x+0")
        os.write(write_end, f"{outcome} {limits._worker.process.pid != parent_worker}".encode())
        limits.close_worker()
        os._exit(0)
    os.close(write_end)
    os.waitpid(child, 0)
    assert os.read(read_end, 100).decode().endswith("True")
    assert limits.compare("latex", "x<5", "5>x+0") in ("equal", "different")


@pytest.mark.slow
def test_worker_ends_with_its_parent() -> None:
    program = (
        "import os, signal\nfrom verify import limits\nlimits.compare('latex', 'x<1', '1>x')\n"
        "print(limits._worker.process.pid, flush=True)\nos.kill(os.getpid(), signal.SIGKILL)"
    )
    finished = subprocess.run([sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, timeout=100)
    worker = int(finished.stdout)
    deadline = time.monotonic() + 15
    while time.monotonic() < deadline and Path(f"/proc/{worker}").exists():
        time.sleep(0.1)
    assert not Path(f"/proc/{worker}").exists() or "Z" in Path(f"/proc/{worker}/stat").read_text().split()[2]


@pytest.mark.slow
def test_importing_is_cheap_and_letters_need_no_worker() -> None:
    program = (
        "import sys\nfrom verify import grade\nimport verify.__main__\n"
        "assert grade('\\\\boxed{B}', 'B').correct and grade('\\\\boxed{\\\\sqrt{8}}', '2\\\\sqrt2').correct\n"
        "from verify import limits\nassert limits._worker is None\n"
        "print([name for name in ('sympy', 'math_verify', 'torch', 'numpy') if name in sys.modules])"
    )
    finished = subprocess.run([sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, timeout=60)
    assert finished.stdout.strip() == "[]", finished.stderr
