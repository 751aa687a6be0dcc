"""`python -m analysis.artifact`: one archive that a paper can point to.

Holds the committed tree (code, weights of the tiny base, results with their records), the installed packages as
`LOCK.txt` and `SHA256SUMS` over all of it (`sha256sum -c SHA256SUMS` checks them). From one commit and one environment
it is the same bytes every time.
"""

import gzip
import hashlib
import io
import subprocess
import sys
import tarfile
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path

from common import UserError, atomic_write_bytes
from configs import command, setting
from configs.run import NO_CHECKOUT, REPOSITORY, check_clean, git_state

LOCK, SUMS = "LOCK.txt", "SHA256SUMS"


@dataclass(frozen=True)
class ArtifactSettings:
    """One archive."""

    out: str = setting("dist", "folder of percept-<commit>.tar.gz")


def committed_files() -> tuple[dict[str, bytes], int]:
    """Return the files of the commit by path, and the second at which it was made."""
    asked = ["git", "archive", "--format=tar", "HEAD"]
    archive = subprocess.run(asked, cwd=REPOSITORY, capture_output=True, check=True)
    with tarfile.open(fileobj=io.BytesIO(archive.stdout)) as tar:
        files = {one.name: tar.extractfile(one) for one in tar.getmembers() if one.isfile()}
        contents = {name: stream.read() for name, stream in files.items() if stream}
        made = max((one.mtime for one in tar.getmembers()), default=0)
    return contents, int(made)


def lock_text() -> str:
    """Return every installed package with its version."""
    found = {one.metadata["Name"].lower(): one.version for one in metadata.distributions()}
    return "".join(f"{name}=={version}\n" for name, version in sorted(found.items()))


def sums_text(files: dict[str, bytes]) -> str:
    return "".join(f"{hashlib.sha256(content).hexdigest()}  {name}\n" for name, content in sorted(files.items()))


def packed(files: dict[str, bytes], top: str, made: int) -> bytes:
    """Return a tar.gz below one folder, without owner, clock or order of this machine."""
    raw = io.BytesIO()
    with (
        gzip.GzipFile(filename="", fileobj=raw, mode="wb", mtime=made) as zipped,
        tarfile.open(fileobj=zipped, mode="w", format=tarfile.PAX_FORMAT) as tar,
    ):
        for name, content in sorted(files.items()):
            entry = tarfile.TarInfo(f"{top}/{name}")
            entry.size, entry.mtime, entry.mode = len(content), made, 0o755 if content.startswith(b"#!") else 0o644
            tar.addfile(entry, io.BytesIO(content))
    return raw.getvalue()


def run(settings: ArtifactSettings) -> None:
    """Write the archive and print its hash."""
    check_clean()
    commit, _ = git_state(REPOSITORY)
    if commit == NO_CHECKOUT:
        raise UserError("an archive is made from a git checkout; clone the repository first")
    files, made = committed_files()
    files[LOCK] = lock_text().encode()
    files[SUMS] = sums_text(files).encode()
    name = f"percept-{commit[:12]}"
    path, content = Path(settings.out) / f"{name}.tar.gz", packed(files, name, made)
    atomic_write_bytes(path, content)
    print(f"{path}: {len(files)} files, {len(content) / 1e6:.1f} MB, sha256 {hashlib.sha256(content).hexdigest()}")


if __name__ == "__main__":
    sys.exit(command(ArtifactSettings, run, sys.argv[1:], prog="python -m analysis.artifact", summary=str(__doc__)))
