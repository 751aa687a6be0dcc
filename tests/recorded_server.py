"""A real HTTP server on this machine that plays recorded answers, for tests of what asks servers."""

import json
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any


@dataclass(frozen=True)
class Play:
    """One answer; `how`: send it, hang, drop the connection, drip it byte by byte, or cut it short."""

    status: int = 200
    body: Any = None
    headers: dict[str, str] = field(default_factory=dict)
    how: str = "send"

    def content(self) -> bytes:
        return self.body if isinstance(self.body, bytes) else json.dumps(self.body).encode()


def chat_body(text: str | None, finish_reason: str = "stop", tokens: int = 10, **message: Any) -> dict[str, Any]:
    """The body of a chat completion."""
    choice = {"index": 0, "message": {"role": "assistant", "content": text, **message}, "finish_reason": finish_reason}
    usage = {"prompt_tokens": tokens, "completion_tokens": 2, "total_tokens": tokens + 2}
    return {"object": "chat.completion", "choices": [choice], "usage": usage}


def says(text: str | None, *given: Any, **more: Any) -> Play:
    return Play(body=chat_body(text, *given, **more))


class RecordedServer:
    """Answers by `script(path, body, number)`; remembers what it was asked and the headers of that."""

    def __init__(self, script: Callable[[str, Any, int], Play]) -> None:
        self.script = script
        self.asked: list[tuple[str, Any, dict[str, str]]] = []
        self.over = threading.Event()
        self.lock = threading.Lock()
        self.server = ThreadingHTTPServer(("127.0.0.1", 0), handler_of(self))
        self.server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self.server.server_port}/v1"
        # Short, or closing it would take half a second.
        self.thread = threading.Thread(target=self.server.serve_forever, args=(0.01,), daemon=True)
        self.thread.start()

    def close(self) -> None:
        self.over.set()
        self.server.shutdown()
        self.server.server_close()
        self.thread.join()

    def __enter__(self) -> "RecordedServer":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def handler_of(owner: RecordedServer) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            length = int(self.headers.get("Content-Length") or 0)
            body = json.loads(self.rfile.read(length)) if length else None
            with owner.lock:
                number = len(owner.asked)
                owner.asked.append((self.path, body, dict(self.headers)))
            self.play(owner.script(self.path, body, number))

        do_POST = do_GET

        def play(self, play: Play) -> None:
            content = play.content()
            self.close_connection = True
            if play.how == "drop":
                return
            if play.how == "hang":
                owner.over.wait(30)
                return
            self.send_response(play.status)
            for name, value in play.headers.items():
                self.send_header(name, value)
            self.send_header("Content-Length", str(len(content) + (play.how == "cut")))
            self.end_headers()
            if play.how != "drip":
                self.wfile.write(content)
                return
            for place in range(len(content)):
                if owner.over.wait(0.02):
                    return
                try:
                    self.wfile.write(content[place : place + 1])
                except OSError:
                    return

        def log_message(self, *_: object) -> None:
            """Nothing on standard error."""

    return Handler


class FakeClock:
    """Time that passes only by waiting."""

    def __init__(self) -> None:
        self.time = 0.0
        self.pauses: list[float] = []

    def now(self) -> float:
        return self.time

    def pause(self, seconds: float) -> None:
        self.pauses.append(seconds)
        self.time += seconds

    def options(self) -> dict[str, Any]:
        return {"now": self.now, "pause": self.pause}
