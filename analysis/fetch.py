"""Weights and data of a scale from the hub: `python -m analysis.fetch weights scale=3b`, `... data scale=3b`.

They go into plain folders below runs/hub, so that later commands need no connection, and hub.lock.json pins them.
plan=true prints sizes, free space and the settings under which other commands find them.
"""

import shutil
import sys
import zipfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from common import UserError, did_you_mean
from configs import command, compose, setting

if TYPE_CHECKING:
    from data.hub import HubRepo

KINDS = {"weights": "model", "data": "dataset"}
ARCHIVES = "*_images.zip"


@dataclass(frozen=True)
class FetchSettings:
    """What of a scale is downloaded, and where to."""

    what: str = setting("weights", "weights, or data: the training set and the benchmarks of the table")
    scale: str = setting("3b", "a scale of the table", group=False)
    table: str = setting("1", "the table whose benchmarks are meant", group=False)
    folder: str = setting("runs/hub", "where the folders and hub.lock.json lie")
    revisions: dict[str, str] = setting(
        factory=dict, help="commit, branch or tag by owner/name; else the lock's, else newest"
    )
    plan: bool = setting(False, "print what would be downloaded, and stop")


def repos_of(settings: FetchSettings) -> "list[HubRepo]":
    """Return the repositories that a scale needs; none where everything comes with the clone."""
    from analysis.experiments import read_table_file, suite_of
    from data.hub import WEIGHT_FILES, HubRepo
    from eval.tasks import BENCHMARKS, names_of
    from train.settings import TrainSettings

    if settings.what not in KINDS:
        raise UserError(f"what={settings.what} is neither weights nor data; {did_you_mean(settings.what, KINDS)}")
    suite = suite_of(read_table_file(settings.table), settings.scale)
    training = compose(TrainSettings, [f"scale={settings.scale}", f"model={suite.model}"])
    if settings.what == "weights":
        found = {training.model.path: training.model.revision}
    else:
        found = {training.data.source: training.data.revision}
        found |= {BENCHMARKS[name].hub: None for name in names_of(suite.bench)}
    names = {name: revision for name, revision in found.items() if name.count("/") == 1 and not Path(name).exists()}
    unknown = [name for name in settings.revisions if name not in names]
    if unknown:
        raise UserError(f"revisions names {unknown[0]}; {did_you_mean(unknown[0], names)}")
    files = WEIGHT_FILES if settings.what == "weights" else ("*",)
    return [
        HubRepo(name=name, kind=KINDS[settings.what], revision=settings.revisions.get(name, revision), files=files)
        for name, revision in names.items()
    ]


def is_here(repo: "HubRepo", root: Path = Path("runs/hub")) -> bool:
    """Return whether a repository was fetched, or lies in the hub's own cache."""
    from huggingface_hub.constants import HF_HUB_CACHE

    from data.hub import read_lock

    locked = read_lock(root).get(repo.name)
    fetched = locked is not None and locked.is_complete and not locked.missing(repo.folder(root))
    return fetched or (Path(HF_HUB_CACHE) / f"{repo.kind}s--{repo.name.replace('/', '--')}").is_dir()


def unpack(folder: Path) -> None:
    """Unpack archives of pictures beside the rows that name them; what is there with its size stays."""
    for archive in sorted(folder.rglob(ARCHIVES)):
        target = folder / "data" / "images"
        with zipfile.ZipFile(archive) as packed:
            for member in packed.infolist():
                path = target / member.filename
                if not path.is_file() or path.stat().st_size != member.file_size:
                    packed.extract(member, target)


def plan_lines(repos: "Sequence[HubRepo]", root: Path) -> list[str]:
    from data.hub import pinned, size_text

    lines = []
    for repo in repos:
        wanted = pinned(repo, root)
        missing = sum(one.size for one in wanted.missing(repo.folder(root)))
        lines.append(
            f"{repo.kind} {repo.name} at {wanted.commit}: {len(wanted.files)} files, "
            f"{size_text(sum(one.size for one in wanted.files))}, {size_text(missing)} missing in {repo.folder(root)}"
        )
    there = next(path for path in (root, *root.absolute().parents) if path.exists())
    return [*lines, f"free there: {size_text(shutil.disk_usage(there).free)}"]


def run(settings: FetchSettings) -> None:
    """Download, check and unpack, or print the plan."""
    from data.hub import fetch

    root, repos = Path(settings.folder), repos_of(settings)
    if not repos:
        print(f"scale={settings.scale} needs no download of {settings.what}")
    elif settings.plan:
        print("\n".join(plan_lines(repos, root)))
    else:
        for repo in repos:
            folder = fetch(repo, root)
            unpack(folder)
            print(f"{repo.name}: {folder}, pinned in {root / 'hub.lock.json'}")


if __name__ == "__main__":
    prog = "python -m analysis.fetch"
    sys.exit(command(FetchSettings, run, sys.argv[1:], prog=prog, summary=str(__doc__), positional=("what",)))
