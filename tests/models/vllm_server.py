"""One real server for all tests that ask one: it takes long to start."""

import importlib.util
import json
import os
import shutil
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent.parent
SECRET = "a-key-for-this-test-0123456789"
# A question to the judge takes about 4,200 of the tiny model's tokens; it ships with 1,024 positions.
POSITIONS = 8192
PROMPT_TOKENS = 6144
needs_vllm = pytest.mark.skipif(importlib.util.find_spec("vllm") is None, reason="vLLM is not installed")


def with_more_positions(folder: Path) -> Path:
    """Return a copy of the shipped base that takes longer prompts; its answers to short ones are the same."""
    model = folder / "longer"
    shutil.copytree(ROOT / "models" / "tiny" / "base", model)
    config = json.loads((model / "config.json").read_text())
    config["text_config"]["max_position_embeddings"] = POSITIONS
    (model / "config.json").write_text(json.dumps(config))
    return model


class Server:
    """A running server and how to talk to it."""

    def __init__(self, folder: Path, model: Path | None = None):
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.port = free.getsockname()[1]
        self.url = f"http://127.0.0.1:{self.port}/v1"
        self.log = folder / "server.log"
        with self.log.open("w") as log:
            self.process = subprocess.Popen(
                [
                    *(sys.executable, "-m", "models.serve", f"port={self.port}"),
                    *([f"model={model}"] if model else ["model=tiny", f"model.path={with_more_positions(folder)}"]),
                    f"model.max_prompt_tokens={PROMPT_TOKENS}",
                ],
                cwd=ROOT,
                env=os.environ | {"PERCEPT_SERVER_KEY": SECRET, "OMP_NUM_THREADS": "1"},
                stdout=log,
                stderr=subprocess.STDOUT,
            )

    def wait(self, seconds: float = 240) -> None:
        end = time.monotonic() + seconds
        while self.status("/health") != 200:
            assert self.process.poll() is None and time.monotonic() < end, self.log.read_text()[-3000:]
            time.sleep(0.5)

    def stop(self) -> None:
        self.process.terminate()
        self.process.wait(60)

    def ask(self, path: str, body: dict | None = None, key: str | None = None) -> tuple[int, bytes]:
        data = None if body is None else json.dumps(body).encode()
        headers = {"Content-Type": "application/json"} | ({"Authorization": f"Bearer {key}"} if key else {})
        request = urllib.request.Request(f"http://127.0.0.1:{self.port}{path}", data, headers)
        try:
            with urllib.request.urlopen(request, timeout=60) as answer:
                return answer.status, answer.read()
        except urllib.error.HTTPError as error:
            return error.code, error.read()
        except OSError:
            return 0, b""

    def status(self, path: str, body: dict | None = None, key: str | None = None) -> int:
        return self.ask(path, body, key)[0]
