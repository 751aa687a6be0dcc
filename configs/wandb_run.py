"""Open the W&B run of a folder: a random id per folder, kept in its wandb.json, so that a restart finds the run again.

Trainings, evaluations and analyses use this, so that all of them lie in one project and in groups `<scale>/<row>`.
"""

from __future__ import annotations

import json
import os
import secrets
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, Literal

from common import UserError, atomic_write_text
from configs.layout import SEED_FOLDER

RECORD = "wandb.json"
LONGEST_TAG = 64  # W&B refuses longer ones


@dataclass(frozen=True)
class WandbRun:
    """Where a folder's run is on W&B."""

    id: str
    mode: Literal["offline", "online", "disabled"]
    entity: str  # empty = the account's own
    project: str
    group: str
    name: str

    @classmethod
    def of(cls, folder: Path) -> WandbRun | None:
        """Return what a folder's run is called; None where nothing was logged to W&B."""
        path = folder / RECORD
        if not path.exists():
            return None
        try:
            return cls(**json.loads(path.read_text(encoding="utf-8")))
        except (json.JSONDecodeError, TypeError) as error:
            raise UserError(
                f"{path} is not the record of a W&B run ({error}); remove it, and a new run begins"
            ) from None

    def save(self, folder: Path) -> None:
        atomic_write_text(folder / RECORD, json.dumps(asdict(self), indent=2) + "\n")

    def open(
        self,
        folder: Path,
        job: str,
        tags: Sequence[str] = (),
        config: Mapping[str, Any] | None = None,
        system: bool = False,
    ) -> Any:
        """Return the W&B run, begun or found again, and keep its id in the folder.

        `job` is train, eval or analysis; a run that is found again keeps its tags and config where none are given.
        """
        os.environ.setdefault("WANDB_SILENT", "true")
        os.environ.pop("WANDB_SERVICE", None)  # a parent's W&B service may still hold the run of a killed process
        import wandb

        known = self.of(folder)
        own = replace(self, id=known.id if known else secrets.token_hex(8))
        own.save(folder)
        run = wandb.init(
            entity=own.entity or None,
            project=own.project,
            id=own.id,
            resume="allow",
            mode=own.mode,
            dir=str(folder),
            name=own.name,
            group=own.group,
            job_type=job,
            tags=[tag[:LONGEST_TAG] for tag in dict.fromkeys(tags) if tag] or None,
            config=dict(config) if config else None,
            settings=wandb.Settings(console="off", x_disable_stats=not system),
        )
        if run.id != own.id:  # a sweep names its runs itself
            replace(own, id=run.id).save(folder)
        return run


def group_of(run: Path, scale: str, method: str) -> str:
    """Return `<scale>/<row of a table>` where the folder has a row's name, else `<scale>/<method>`."""
    run = run.resolve()
    row = run.parent.name if SEED_FOLDER.fullmatch(run.name) else ""
    return f"{scale}/{row or method}"
