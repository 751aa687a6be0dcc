"""What a step costs against an earlier commit: `python -m bench.against <commit>`; writes bench/against.json.

Each tree runs in a process of its own, the earlier one from a copy of its files; they take turns, step by step, GRPO
and PAPO_G at mini scale with a learning rate of 0, so that all do equal work, which a digest of the responses shows.
"""

import argparse
import io
import json
import statistics
import subprocess
import sys
import tarfile
import tempfile
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

import torch

from common import UserError
from configs import Run, compose
from train.settings import TrainSettings

OUT = Path(__file__).with_suffix(".json")
ROOT = OUT.parent.parent
METHODS = ("grpo", "papo_g")
STEPS, WARM = 14, 2
# It runs in both trees, so it uses only what both have; a line on its input asks for one step of a method.
WORKER = """
import hashlib, json, sys, tempfile
sys.path.insert(0, ".")
from configs import compose
from train.checkpoint import Progress
from train.distributed import Ranks
from train.loop import make_state, one_step
from train.settings import TrainSettings

class Taken:
    def log(self, step, metrics, timing, tokens):
        self.timing = timing
    def keep_rollouts(self, step):
        ids = [response.token_ids for response in step.experience.responses]
        self.tokens, self.digest = sum(map(len, ids)), hashlib.sha256(json.dumps(ids).encode()).hexdigest()[:16]

states, places, taken, folder = {}, {}, Taken(), tempfile.mkdtemp()
for line in sys.stdin:
    method = line.strip()
    if method not in states:
        options = [f"method={method}", "scale=mini", "optimiser.learning_rate=0", f"run={folder}"]
        states[method], places[method] = make_state(compose(TrainSettings, options), Ranks()), Progress(0, 0, 0)
    places[method] = one_step(states[method], places[method], taken)
    print("STEP", json.dumps([taken.timing, taken.tokens, taken.digest]), flush=True)
"""


class Tree:
    """A process that takes steps with the code of one folder."""

    def __init__(self, folder: Path) -> None:
        command = [sys.executable, "-c", WORKER]
        self.process = subprocess.Popen(command, cwd=folder, text=True, stdin=subprocess.PIPE, stdout=subprocess.PIPE)

    def step(self, method: str) -> tuple[dict[str, float], int, str]:
        """Return the seconds of one step's parts, its response tokens and their digest."""
        assert self.process.stdin and self.process.stdout
        print(method, file=self.process.stdin, flush=True)
        for line in self.process.stdout:
            if line.startswith("STEP "):
                timing, tokens, digest = json.loads(line.removeprefix("STEP "))
                return timing, tokens, digest
        raise UserError("a tree's process ended; its own message stands above")

    def close(self) -> None:
        assert self.process.stdin
        self.process.stdin.close()
        self.process.wait()


def unpack(commit: str, folder: Path) -> str:
    """Write the files of a commit into a folder; return its whole name."""
    done = subprocess.run(["git", "archive", commit], cwd=ROOT, capture_output=True, check=False)
    if done.returncode:
        raise UserError(f"there is no commit {commit} here; give one of git log")
    with tarfile.open(fileobj=io.BytesIO(done.stdout)) as archive:
        archive.extractall(folder, filter="data")
    name = subprocess.run(["git", "rev-parse", commit], cwd=ROOT, capture_output=True, text=True, check=True)
    return name.stdout.strip()


def measured(trees: dict[str, Tree]) -> dict[str, Any]:
    """Return medians of parts and of ratios of neighbouring steps."""
    parts: dict[tuple[str, str], list[dict[str, float]]] = {(tree, m): [] for m in METHODS for tree in trees}
    equal, tokens = 0, 0
    for number in range(WARM + STEPS):
        for method in METHODS:
            steps = {name: tree.step(method) for name, tree in trees.items()}
            if number >= WARM:
                for name, (timing, _, _) in steps.items():
                    parts[name, method].append(timing)
                equal += len({digest for _, _, digest in steps.values()}) == 1
                tokens += steps["after"][1]
    whole = {key: [part["timing_s/step"] for part in rows] for key, rows in parts.items()}

    def ratio(over: tuple[str, str], under: tuple[str, str]) -> float:
        return round(statistics.median(a / b for a, b in zip(whole[over], whole[under], strict=True)), 3)

    seconds = {
        f"{method}, {tree}": {name: round(statistics.median(row[name] for row in rows), 4) for name in rows[0]}
        for (tree, method), rows in parts.items()
    }
    return {
        "seconds": seconds,
        "before_over_after": {method: ratio(("before", method), ("after", method)) for method in METHODS},
        "papo_over_grpo": {tree: ratio((tree, "papo_g"), (tree, "grpo")) for tree in trees},
        "steps": STEPS * len(METHODS),
        "steps_with_equal_responses": equal,
        "tokens_per_step": round(tokens / (STEPS * len(METHODS))),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("commit", help="the earlier one")
    commit = parser.parse_args().commit
    record = Run.collect(compose(TrainSettings, ["scale=mini"]), into=OUT)
    with tempfile.TemporaryDirectory() as folder:
        before = unpack(commit, Path(folder))
        trees = {"before": Tree(Path(folder)), "after": Tree(ROOT)}
        result = measured(trees)
        for tree in trees.values():
            tree.close()
    result |= {"before": before, "threads": torch.get_num_threads(), "provenance": record.provenance()}
    OUT.write_text(json.dumps(result, indent=2) + "\n")
    print(json.dumps({name: result[name] for name in ("seconds", "before_over_after", "papo_over_grpo")}, indent=2))


if __name__ == "__main__":
    main()
