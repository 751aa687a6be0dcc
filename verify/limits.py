"""Symbolic comparison under a hard limit, in a process that can be killed.

sympy can take hours on a short text and Python cannot stop it from inside, so one worker process does the comparing.
It is started when the first comparison is needed, as a fresh interpreter with pipes: nothing is inherited from a
parent with torch threads, the caller's main script is not imported again (multiprocessing's spawn would), and
processes that may have no multiprocessing children can use it too.
"""

import atexit
import json
import os
import selectors
import subprocess
import sys
import threading
import time
from functools import lru_cache
from pathlib import Path
from typing import Literal, cast, get_args

from common.errors import UserError

Outcome = Literal["equal", "different", "too_long", "time_limit", "memory_limit", "worker_died"]
Kind = Literal["latex", "plain", "mathvision", "emma", "same_formula", "math_verify"]

# The limit counts CPU seconds, so that a busy machine does not turn right answers wrong; this many times longer on the
# clock ends the comparison in any case. The worker stops itself, and if it fails to, the parent kills it a bit later.
LIMIT_S = 2.0
_WALL_FACTOR = 4.0
_MARGIN_S = 1.0
START_LIMIT_S = 120.0
MAXIMUM_LENGTH = 400
# math-verify extracts by itself, so it gets the whole response.
MAXIMUM_RESPONSE_LENGTH = 20_000
_CACHE_ENTRIES = 1 << 13
_SOURCE_FOLDER = str(Path(__file__).resolve().parent.parent)


class Worker:
    """One comparison process. Not thread-safe: `compare` holds the lock."""

    def __init__(self) -> None:
        search_path = os.pathsep.join(filter(None, [_SOURCE_FOLDER, os.environ.get("PYTHONPATH", "")]))
        self.process: subprocess.Popen[bytes] = subprocess.Popen(
            [sys.executable, "-P", "-m", "verify.worker"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            env={**os.environ, "PYTHONPATH": search_path},
            bufsize=0,
        )
        assert self.process.stdin is not None and self.process.stdout is not None
        self.requests, self.answers = self.process.stdin, self.process.stdout
        greeting = self._read_line(START_LIMIT_S)
        if greeting != "ready":
            self.kill()
            cause = greeting or "it did not start"
            raise UserError(f"The comparison worker failed ({cause}): install math-verify in this environment.")

    def ask(self, kind: Kind, gold: str, prediction: str, limit_s: float) -> Outcome:
        """Return the worker's word, or why there is none; after anything but a word the worker is gone."""
        wall_s = limit_s * _WALL_FACTOR
        request = {"kind": kind, "gold": gold, "prediction": prediction, "limit_s": limit_s, "wall_s": wall_s}
        try:
            self.requests.write(json.dumps(request).encode("ascii") + b"\n")
            answer = self._read_line(wall_s + _MARGIN_S)
        except BrokenPipeError:
            answer = ""
        if answer is None:
            self.kill()
            return "time_limit"
        if answer not in get_args(Outcome):
            self.kill()
            return "worker_died"
        return cast(Outcome, answer)

    def _read_line(self, limit_s: float) -> str | None:
        """Return one line, "" when the worker has ended, None when the time is over."""
        deadline = time.monotonic() + limit_s
        line = b""
        with selectors.DefaultSelector() as selector:
            selector.register(self.answers, selectors.EVENT_READ)
            while not line.endswith(b"\n"):
                if not selector.select(max(0.0, deadline - time.monotonic())):
                    return None
                chunk = os.read(self.answers.fileno(), 256)
                if not chunk:
                    return ""
                line += chunk
        return line.decode("ascii").strip()

    def kill(self) -> None:
        self.process.kill()
        self.process.wait()
        self.requests.close()
        self.answers.close()


_lock = threading.Lock()
_worker: Worker | None = None


def compare(kind: Kind, gold: str, prediction: str, limit_s: float | None = None) -> Outcome:
    """Return whether prediction and gold are mathematically equal, decided within `limit_s` (default `LIMIT_S`)."""
    limit_s = LIMIT_S if limit_s is None else limit_s
    if max(len(gold), len(prediction)) <= MAXIMUM_LENGTH:
        return _compare_cached(kind, gold, prediction, limit_s)
    if kind == "math_verify" and max(len(gold), len(prediction)) <= MAXIMUM_RESPONSE_LENGTH:
        return _ask_twice(kind, gold, prediction, limit_s)  # not kept: whole responses would fill the memory
    return "too_long"


def _ask_twice(kind: Kind, gold: str, prediction: str, limit_s: float) -> Outcome:
    outcome = _ask_worker(kind, gold, prediction, limit_s)
    # Somebody else's memory shortage can end a worker: the answer gets a second chance.
    return _ask_worker(kind, gold, prediction, limit_s) if outcome == "worker_died" else outcome


_compare_cached = lru_cache(maxsize=_CACHE_ENTRIES)(_ask_twice)


def _ask_worker(kind: Kind, gold: str, prediction: str, limit_s: float) -> Outcome:
    global _worker
    with _lock:
        # Nobody owns the worker while it works: an interrupt here must not leave its answer to the next question.
        worker, _worker = _worker or Worker(), None
        outcome = worker.ask(kind, gold, prediction, limit_s)
        if worker.process.returncode is None:
            _worker = worker
        return outcome


def close_worker() -> None:
    """End the worker, if this process has one; the next comparison starts another."""
    global _worker
    with _lock:
        if _worker is not None:
            _worker.kill()
        _worker = None


def _forget_after_fork() -> None:
    """Reset a forked copy, which shares the parent's pipes and perhaps a held lock."""
    global _lock, _worker
    _lock = threading.Lock()
    _worker = None


atexit.register(close_worker)
os.register_at_fork(after_in_child=_forget_after_fork)
