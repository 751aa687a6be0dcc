"""Repositories of the hub as plain folders: sizes and disk first, resumable, pinned and checked by a lock file.

`hub.lock.json` names each repository's commit and every file's size and SHA-256. The first download writes it; later
ones take that commit, refuse another, and find out which files changed. A complete folder needs no connection.
"""

import json
import shutil
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass, field
from fnmatch import fnmatch
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from common import UserError, atomic_write_text, sha256_of
from common.lock import folder_lock
from common.parallel import as_finished
from common.progress import progress

LOCK = "hub.lock.json"
THREADS = 4
SPARE = 1.02  # of the bytes that are missing: file systems need some for themselves
WEIGHT_FILES = ("*.safetensors", "*.json", "*.jinja", "*.txt", "*.model", "LICENSE*")


@dataclass(frozen=True, kw_only=True)
class HubRepo:
    """One repository, and which of its files are wanted."""

    name: str  # owner/name
    kind: str  # model or dataset
    revision: str | None = None
    files: Sequence[str] = ("*",)

    def folder(self, root: Path) -> Path:
        return root / f"{self.kind}s" / self.name.rpartition("/")[2]


@dataclass(frozen=True)
class HubFile:
    """A file as the hub lists it, or as the lock keeps it."""

    path: str
    size: int
    sha256: str = ""  # the hub knows it of large files only


@dataclass(frozen=True)
class Pinned:
    """A repository at one commit."""

    commit: str
    files: list[HubFile] = field(default_factory=list)
    is_complete: bool = False  # every file was there with its checksum

    def missing(self, folder: Path) -> list[HubFile]:
        """Return files that are not there, or have another size."""
        there = {one: folder / one.path for one in self.files}
        return [one for one, path in there.items() if not path.is_file() or path.stat().st_size != one.size]


def read_lock(root: Path) -> dict[str, Pinned]:
    path = root / LOCK
    if not path.exists():
        return {}
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
        return {
            name: Pinned(**{**one, "files": [HubFile(**file) for file in one["files"]]})
            for name, one in content.items()
        }
    except (ValueError, TypeError, KeyError, AttributeError) as error:
        raise UserError(f"{path} is damaged ({error!r}); put it back, or remove it to pin anew") from None


def write_lock(root: Path, name: str, pinned: Pinned) -> None:
    content = {key: asdict(one) for key, one in (read_lock(root) | {name: pinned}).items()}
    atomic_write_text(root / LOCK, json.dumps(content, indent=2, sort_keys=True) + "\n")


def connection_errors() -> tuple[type[Exception], ...]:
    """Return what a failed connection raises: in huggingface_hub, which has had two HTTP clients, or below it."""
    clients = [import_module(name) for name in ("httpx", "httpx2") if find_spec(name)]
    return (OSError, ValueError, *(client.HTTPError for client in clients))


def asked_hub(what: str, ask: Any, *arguments: Any, **options: Any) -> Any:
    """Return what a call of huggingface_hub returns; its errors become one sentence."""
    try:
        return ask(*arguments, **options)
    except connection_errors() as error:
        said = next(iter(str(error).splitlines()), "") or type(error).__name__
        raise UserError(
            f"{what} cannot be read from the hub: {said}; check name, revision, connection and HF_TOKEN, and start "
            "the same command again: it resumes"
        ) from None


def listed(repo: HubRepo, revision: str | None) -> Pinned:
    """Return the commit that a revision stands for now, with the wanted files and their sizes."""
    from huggingface_hub import HfApi

    ask = HfApi().repo_info
    info = asked_hub(repo.name, ask, repo.name, repo_type=repo.kind, revision=revision, files_metadata=True)
    wanted = [one for one in info.siblings if any(fnmatch(one.rfilename, pattern) for pattern in repo.files)]
    if not wanted:
        raise UserError(f"{repo.name} holds none of the files {', '.join(repo.files)}; check its name")
    return Pinned(
        info.sha, [HubFile(one.rfilename, one.size or 0, one.lfs.sha256 if one.lfs else "") for one in wanted]
    )


def pinned(repo: HubRepo, root: Path) -> Pinned:
    """Return the commit that is to be there: that of the lock, else the one asked for, else the newest."""
    locked = read_lock(root).get(repo.name)
    if locked is None:
        return listed(repo, repo.revision)
    if repo.revision and repo.revision != locked.commit and listed(repo, repo.revision).commit != locked.commit:
        raise UserError(
            f"{root / LOCK} pins {repo.name} at {locked.commit}, and revision {repo.revision} is another; leave the "
            f"revision out, or give folder=<another folder>"
        )
    return locked


def check_disk(missing: Iterable[HubFile], root: Path) -> None:
    """Refuse a download that the disk has no room for."""
    there = next(path for path in (root, *root.absolute().parents) if path.exists())
    needed, free = SPARE * sum(one.size for one in missing), shutil.disk_usage(there).free
    if needed > free:
        raise UserError(
            f"{size_text(needed)} are to be downloaded into {root}, where {size_text(free)} are free; make room, or "
            "give folder=<a folder on a larger disk>"
        )


def size_text(count: float) -> str:
    return f"{count / 1e9:.2f} GB" if count >= 1e7 else f"{count / 1e3:.1f} kB"


def fetch(repo: HubRepo, root: Path) -> Path:
    """Bring a repository's folder to its pinned commit, checked file by file; returns the folder."""
    wanted, folder = pinned(repo, root), repo.folder(root)
    with folder_lock(root):
        missing = wanted.missing(folder)
        if missing:
            for left in folder.rglob("*.incomplete"):  # by a kill: huggingface_hub never takes it up again
                left.unlink()
            check_disk(missing, root)
            if not wanted.is_complete:
                write_lock(root, repo.name, wanted)  # an interrupted download goes on with the same commit
            download(repo, wanted.commit, missing, folder)
        write_lock(root, repo.name, Pinned(wanted.commit, checked_files(wanted, folder), is_complete=True))
    return folder


def download(repo: HubRepo, commit: str, missing: Sequence[HubFile], folder: Path) -> None:
    """Download files side by side; where a connection breaks, a file goes on from there."""
    from huggingface_hub import hf_hub_download

    def one(file: HubFile) -> None:
        path = folder / file.path
        options = {"repo_type": repo.kind, "revision": commit, "local_dir": folder, "force_download": path.exists()}
        asked_hub(f"{file.path} of {repo.name}", hf_hub_download, repo.name, file.path, **options)

    done = 0
    with progress(f"download {repo.name} (MB)", sum(file.size for file in missing) // 1_000_000) as advance:
        for file, _ in as_finished(one, missing, THREADS):
            done += file.size
            advance(done // 1_000_000, file.path)


def checked_files(wanted: Pinned, folder: Path) -> list[HubFile]:
    """Return the files with their checksums; one that is not what hub or lock say is refused."""
    found = []
    for file in wanted.files:
        path = folder / file.path
        digest, size = sha256_of(path), path.stat().st_size
        if size != file.size or (file.sha256 and digest != file.sha256):
            raise UserError(f"{path} is not the file of commit {wanted.commit}; remove it and start again")
        found.append(HubFile(file.path, size, digest))
    return found
