"""One process of an evaluation with gpus=N: answers the share that eval.workers wrote into its folder."""

import json
import os
import sys
import threading
from dataclasses import replace
from pathlib import Path
from typing import Any

from common import UserError, atomic_write_text
from common.progress import progress
from configs import load_resolved
from eval.sampling import make_sampler, sample_tasks
from eval.settings import EvalSettings
from eval.store import ResponseStore
from eval.tasks import Task, tasks_of


def end_with_parent() -> None:
    """End this process when its standard input closes, which the end of the parent does, however that ends."""

    def wait() -> None:
        os.read(0, 1)  # not sys.stdin: its lock would be held when the interpreter ends
        os._exit(1)

    threading.Thread(target=wait, daemon=True).start()


def own_tasks(settings: EvalSettings, asked: dict[str, list[str]]) -> list[Task]:
    """Return the tasks with the samples of this share; the parent has opened their pictures already."""
    found = []
    for task in tasks_of(settings, gone_pictures=True):
        wanted = set(asked.get(task.name, ()))
        samples = [sample for sample in task.samples if sample.id in wanted]
        if len(samples) != len(wanted):
            raise UserError(f"the rows of {task.name} changed while they were read; start the same command again")
        found += [replace(task, samples=samples)] if samples else []
    return found


def answer_share(folder: Path) -> None:
    """Fill the files of a share and write down which prompts were too long."""
    share: dict[str, Any] = json.loads((folder / "share.json").read_text())
    settings = load_resolved(EvalSettings, Path(share["settings"]))
    tasks = own_tasks(settings, share["samples"])
    stores = {name: ResponseStore(Path(path), into=Path(part)) for name, (path, part) in share["files"].items()}
    total = sum(len(task.samples) for task in tasks) * settings.k
    with progress(f"worker {folder.name}", total) as advance:
        too_long = sample_tasks(make_sampler(settings), tasks, stores, settings, advance)
    for store in stores.values():
        store.close()
    atomic_write_text(folder / "done.json", json.dumps(too_long))


if __name__ == "__main__":
    end_with_parent()
    try:
        answer_share(Path(sys.argv[1]))
    except UserError as error:
        sys.exit(f"error: {error}")
