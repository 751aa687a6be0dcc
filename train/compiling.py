"""Compiling DeepSpeed's C++ helpers, once for an environment, whatever was killed meanwhile.

torch marks a running compilation by an empty file, and waits for ever for one that a killed process left. Here a lock
of the kernel is held around it, which goes with its process: what lies there once we hold it is left over.
"""

import fcntl
import os
import sys
import zlib
from pathlib import Path
from typing import Any

FOLDER = "TORCH_EXTENSIONS_DIR"


def compiled_folder() -> Path:
    """Return where helpers are compiled: for each environment apart, unless the user names a folder.

    A build names the environment's headers, so that two environments with one folder compile anew for each other at
    every start.
    """
    mark = zlib.crc32(str(Path(sys.prefix).absolute()).encode())
    own = Path(f"~/.cache/torch_extensions/environment_{mark:08x}").expanduser()
    return Path(os.environ.setdefault(FOLDER, str(own)))


def compile_once(builder: Any) -> None:
    """Compile and load one of DeepSpeed's helpers, or wait for the process that compiles it."""
    folder = compiled_folder()
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / ".compiling").open("a") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        (folder / builder.name / "lock").unlink(missing_ok=True)
        builder.load()
