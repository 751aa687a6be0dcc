"""Tiers of tests: unmarked ones are quick and stay in their process, `slow` and `nightly` ones are whole runs.

`make test-unit` takes the unmarked, `make test` all but the nightly ones, `make test-all` everything.
"""

import re
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from torch.optim.optimizer import register_optimizer_step_pre_hook
from xdist.scheduler import LoadScopeScheduling

# What a unit test may start: quick commands, and the one comparison process of a session.
QUICK = re.compile(r"(\S*/)?(git|make|bash|uname|lscpu|ldconfig)( |$)|\S*python\S* -P -m verify\.worker$")
STARTS = {"subprocess.Popen", "os.fork", "os.forkpty", "os.posix_spawn", "os.system"}
UPDATES = 2  # optimiser steps that are no training yet


def is_whole_run(item: pytest.Item) -> bool:
    return any(item.get_closest_marker(name) is not None for name in ("slow", "nightly"))


class Unit:
    """The unit test that runs now, if one does, and how many updates it made."""

    def __init__(self) -> None:
        self.name = ""
        self.updates = 0

    @contextmanager
    def watch(self, item: pytest.Item) -> Iterator[None]:
        """Refuse starts and training while a unit test, its fixtures included, runs."""
        self.name, self.updates = "" if is_whole_run(item) else item.nodeid, 0
        try:
            yield
        finally:
            self.name = ""

    def refuse(self, what: str) -> None:
        # pytest's own exception is no `Exception`, so that no product code catches it.
        raise pytest.fail.Exception(f"{self.name} {what}: mark it slow (make test) or nightly (make test-all)", False)

    def on_audit(self, event: str, arguments: tuple[Any, ...]) -> None:
        """Python calls this at every audited action of the process, before it happens."""
        if not self.name or event not in STARTS:
            return
        given = arguments[1] if event in ("subprocess.Popen", "os.posix_spawn") else (event, *arguments)
        line = given if isinstance(given, str) else " ".join(map(str, given))
        if not QUICK.match(line):
            self.refuse(f"starts {line[:200]!r}")

    def on_update(self, *_: Any) -> None:
        """Torch calls this before every optimiser step."""
        self.updates += 1
        if self.name and self.updates > UPDATES:
            self.refuse(f"makes more than {UPDATES} updates")


UNIT = Unit()


def install() -> None:
    """Once per process: an audit hook cannot be removed."""
    sys.addaudithook(UNIT.on_audit)
    register_optimizer_step_pre_hook(UNIT.on_update)


# Files whose tests share a process of the session run in one worker, those whose tests share nothing in either; all
# other files as a whole, for the fixtures of their module.
SERVER, ENGINE = "one server", "one import of vLLM"
GROUPS = {
    "tests/analysis/test_judge_server.py": SERVER,
    "tests/eval/test_runner.py": SERVER,
    "tests/models/test_parity.py": ENGINE,
    "tests/models/test_serve.py": SERVER,
    "tests/models/test_server_engine.py": SERVER,
    "tests/models/test_vllm.py": ENGINE,
}
ALONE = {
    "tests/analysis/test_pipeline.py",
    "tests/train/test_loop.py",
    "tests/train/test_resume.py",
    "tests/train/test_slurm.py",
    "tests/train/test_trajectories.py",
}


class Scheduling(LoadScopeScheduling):
    """xdist's distribution by scope, with the scopes above."""

    def _split_scope(self, nodeid: str) -> str:
        file = nodeid.partition("::")[0]
        return nodeid if file in ALONE else GROUPS.get(file, file)


def arrange(items: list[pytest.Item]) -> None:
    """Whole runs first, so that quick tests fill the gap at the end of two workers."""
    items.sort(key=lambda item: (not is_whole_run(item), item.get_closest_marker("last") is not None))
