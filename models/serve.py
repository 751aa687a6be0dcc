"""`python -m models.serve model=tiny port=8765`: vLLM's OpenAI-compatible server for a model, behind a key.

It listens on this machine alone unless host= says otherwise, takes the key from PERCEPT_SERVER_KEY, and reads pictures
only from the messages themselves (data: URLs), so that no client can make it fetch or open anything.
"""

import hashlib
import json
import os
import secrets
import sys
import tempfile
import time
import urllib.request
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass
from http.client import HTTPException
from threading import Thread
from typing import Any

from common import UserError
from common.endpoint import SERVER_KEY as KEY
from configs import command, setting
from models.settings import ModelSettings

OPEN_PATHS = ("/health", "/ping")  # say only that the server lives
POLL_S = 0.5
LOOPBACK = ("127.0.0.1", "localhost", "::1")


@dataclass(frozen=True)
class ServeSettings:
    """A server for one model."""

    model: ModelSettings = setting(factory=ModelSettings, help="the model that answers")
    host: str = setting("127.0.0.1", "address to listen on; 0.0.0.0 opens the server to the network")
    port: int = setting(8765, "port to listen on", bounds="[1, 65535]")
    max_new_tokens: int = setting(
        2048, "tokens kept free for a response, as far as the model has positions", bounds="[1, inf)"
    )
    memory_share: float = setting(0.6, "share of a GPU's memory that vLLM may take", bounds="(0, 1]")


class KeyGate:
    """Asks for the key on every path: vLLM's own check leaves some that sample, such as /invocations, open."""

    def __init__(self, app: Callable[..., Awaitable[None]]) -> None:
        self.app = app
        self.digest = digest(os.environ["VLLM_API_KEY"])

    async def __call__(self, scope: dict[str, Any], receive: Any, send: Any) -> None:
        from starlette.responses import JSONResponse

        if scope["type"] == "lifespan" or scope["path"] in OPEN_PATHS or self.opens(scope):
            return await self.app(scope, receive, send)
        answer = JSONResponse({"error": "Unauthorized: send the key as a bearer token"}, status_code=401)
        return await answer(scope, receive, send)

    def opens(self, scope: dict[str, Any]) -> bool:
        scheme, _, key = dict(scope["headers"]).get(b"authorization", b"").decode("latin-1").partition(" ")
        return scheme.lower() == "bearer" and secrets.compare_digest(digest(key), self.digest)


def digest(key: str) -> bytes:
    return hashlib.sha256(key.encode()).digest()


def server_key() -> str:
    """Return the key from the environment; never printed, never an argument of a process."""
    key = os.environ.get(KEY, "")
    if len(key) < 16:
        raise UserError(
            f"{KEY} holds no key of at least 16 characters; make one with: export {KEY}=$(python -c "
            "'import secrets; print(secrets.token_urlsafe(32))')"
        )
    return key


def arguments(settings: ServeSettings) -> list[str]:
    """vLLM's own command line; nothing in it is secret."""
    import torch
    from transformers import AutoConfig

    model = settings.model
    options = {"revision": model.revision, "trust_remote_code": model.trust_remote_code}
    text = AutoConfig.from_pretrained(model.path, **options).get_text_config()
    wanted = model.max_prompt_tokens + settings.max_new_tokens
    most = min(wanted, getattr(text, "max_position_embeddings", wanted))
    limits = {"size": {"shortest_edge": model.min_pixels, "longest_edge": model.max_pixels}}
    flags: dict[str, Any] = {
        "model": model.path,
        "served-model-name": model.name,
        "host": settings.host,
        "port": settings.port,
        "dtype": model.dtype,
        "load-format": "safetensors",
        "generation-config": "vllm",
        "max-model-len": most,
        "mm-processor-kwargs": json.dumps(limits),
        "seed": 0,
        "middleware": "models.serve.KeyGate",
        "uvicorn-log-level": "warning",
        # An empty list would allow every host; this one names none that exists.
        "allowed-media-domains": "nothing.invalid",
    }
    if torch.cuda.is_available():
        flags["gpu-memory-utilization"] = settings.memory_share
    else:
        flags |= {"kv-cache-memory-bytes": 1 << 30}
    if model.revision:
        flags |= {"revision": model.revision, "tokenizer-revision": model.revision}
    # Pixels as the trainer's come from the processor, not from the vision tower.
    switches = ["--disable-fastapi-docs", "--no-mm-device-do-normalize"]
    switches += [] if torch.cuda.is_available() else ["--enforce-eager"]
    switches += ["--trust-remote-code"] if model.trust_remote_code else []
    return [word for name, value in flags.items() for word in (f"--{name}", str(value))] + switches


def announce(address: str, health: str, name: str) -> None:
    """Wait until the server answers, and say so: it loads and compiles for a minute before."""
    while True:
        with (
            suppress(OSError, HTTPException),
            urllib.request.urlopen(health, timeout=5),
        ):  # no listener yet, or not healthy yet
            print(f"ready: {name} answers on {address}", file=sys.stderr, flush=True)
            return
        time.sleep(POLL_S)


def serve(settings: ServeSettings) -> None:
    """Serve until stopped by a signal."""
    key = server_key()
    from models.loader import refuse_impossible
    from models.vllm_host import import_vllm

    refuse_impossible(settings.model)
    words = arguments(settings)
    # Its helper process would warn of semaphores at the end.
    os.environ.setdefault("PYTHONWARNINGS", "ignore::UserWarning:multiprocessing.resource_tracker")
    import_vllm()
    os.environ["VLLM_API_KEY"] = key  # vLLM's own check, beside ours, and inherited by its processes
    import uvloop
    from vllm.entrypoints.launchers.api_server.entry import run_server
    from vllm.entrypoints.launchers.cli_args import make_arg_parser, validate_parsed_serve_args
    from vllm.utils.argparse_utils import FlexibleArgumentParser

    # Pictures may come from this empty folder alone: without one, vLLM answers a file: URL as a fault of its own.
    with tempfile.TemporaryDirectory(prefix="percept-no-pictures-") as empty:
        parsed = make_arg_parser(FlexibleArgumentParser()).parse_args([*words, "--allowed-local-media-path", empty])
        validate_parsed_serve_args(parsed)
        if settings.host not in LOOPBACK:
            print(f"warning: the server listens on {settings.host}, for everyone who can reach it", file=sys.stderr)
        address, local = f"http://{settings.host}:{settings.port}/v1", settings.host.replace("0.0.0.0", LOOPBACK[0])
        print(f"loading {settings.model.name} for {address}", file=sys.stderr, flush=True)
        names = address, f"http://{local}:{settings.port}/health", settings.model.name
        Thread(target=announce, args=names, daemon=True).start()
        try:
            uvloop.run(run_server(parsed))
        except KeyboardInterrupt:
            print("stopped", file=sys.stderr)
    # Libraries would list objects that they did not free, of a process that ends as it should.
    sys.stderr.flush()
    sys.stdout.flush()
    os._exit(0)


if __name__ == "__main__":
    sys.exit(command(ServeSettings, serve, sys.argv[1:], prog="python -m models.serve", summary=str(__doc__)))
