"""An environment beside ours that sees our packages and TRL: `make bench-peers` runs it."""

import subprocess
import sys
import sysconfig
import venv
from pathlib import Path

FOLDER = Path(__file__).resolve().parent.parent / ".venv-peers"
PEER = "trl==1.16.0"


def main() -> None:
    venv.create(FOLDER, with_pip=True, clear=True)
    python = FOLDER / "bin" / "python"
    ours = sysconfig.get_path("purelib")
    theirs = subprocess.run(
        [python, "-c", "import sysconfig; print(sysconfig.get_path('purelib'))"],
        capture_output=True,
        text=True,
        check=True,
    ).stdout.strip()
    # addsitedir also runs our .pth files: the hook that torchvision needs beside a CPU torch.
    (Path(theirs) / "percept.pth").write_text(f"import site; site.addsitedir({ours!r})\n")
    # Its dependencies are there already, at the versions that fit each other.
    subprocess.run([python, "-m", "pip", "install", "--quiet", "--no-deps", PEER], check=True)
    subprocess.run([python, "-c", "import trl, transformers, torch"], check=True)
    (FOLDER / ".ready").touch()


if __name__ == "__main__":
    sys.exit(main())
