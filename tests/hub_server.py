"""A hub on this machine, for tests of downloads: repositories as folders, by the addresses of huggingface_hub."""

import hashlib
import json
import re
import threading
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

COMMIT = "0123456789abcdef0123456789abcdef01234567"
OTHER = "fedcba9876543210fedcba9876543210fedcba98"
LARGE = 4096  # bytes; larger files are listed with their checksum, as those of LFS are


@dataclass
class HubServer:
    """Serves `folders` by owner/name; of a file in `cut` or `stuck` it sends so many bytes, then ends or waits."""

    folders: dict[str, Path]
    cut: dict[str, int] = field(default_factory=dict)
    stuck: dict[str, int] = field(default_factory=dict)
    over: threading.Event = field(default_factory=threading.Event)
    asked: list[tuple[str, str, str]] = field(default_factory=list)  # method, path, Range

    def __enter__(self) -> "HubServer":
        self.server = ThreadingHTTPServer(("127.0.0.1", 0), handler_of(self))
        self.server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self.server.server_port}"
        threading.Thread(target=self.server.serve_forever, args=(0.01,), daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self.over.set()
        self.server.shutdown()
        self.server.server_close()

    def info(self, name: str, revision: str) -> dict[str, Any]:
        """Return what the hub tells of a repository; any branch or tag but `other` is the same commit."""
        folder, files = self.folders[name], []
        for path in sorted(one for one in folder.rglob("*") if one.is_file()):
            content = path.read_bytes()
            one: dict[str, Any] = {"rfilename": path.relative_to(folder).as_posix(), "size": len(content)}
            if len(content) > LARGE:
                digest = hashlib.sha256(content).hexdigest()
                one["lfs"] = {"sha256": digest, "size": len(content), "pointerSize": 130}
            files.append(one)
        return {"id": name, "sha": OTHER if revision == "other" else COMMIT, "siblings": files}


def handler_of(hub: HubServer) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        def do_HEAD(self) -> None:
            self.answer(with_body=False)

        def do_GET(self) -> None:
            self.answer(with_body=True)

        def answer(self, with_body: bool) -> None:
            path = self.path.partition("?")[0]
            hub.asked.append((self.command, path, self.headers.get("Range", "")))
            listing = re.fullmatch(r"/api/(?:model|dataset)s/([^/]+/[^/]+)(?:/revision/([^/]+))?", path)
            file = re.fullmatch(r"(?:/datasets)?/([^/]+/[^/]+)/resolve/([^/]+)/(.+)", path)
            if listing and listing[1] in hub.folders:
                content = json.dumps(hub.info(listing[1], listing[2] or "main")).encode()
                self.send(200, content, {"Content-Type": "application/json"}, with_body)
            elif file and file[1] in hub.folders and (hub.folders[file[1]] / file[3]).is_file():
                self.send_file(file[3], (hub.folders[file[1]] / file[3]).read_bytes(), with_body)
            else:
                self.send(404, b"", {"X-Error-Code": "RepoNotFound"}, with_body)

        def send_file(self, name: str, content: bytes, with_body: bool) -> None:
            headers = {"ETag": f'"{hashlib.sha256(content).hexdigest()}"', "X-Repo-Commit": COMMIT}
            start = re.fullmatch(r"bytes=(\d+)-", self.headers.get("Range", ""))
            if start:
                headers["Content-Range"] = f"bytes {start[1]}-{len(content) - 1}/{len(content)}"
            rest = content[int(start[1]) if start else 0 :]
            cut, stuck = (ways.pop(name, None) if with_body else None for ways in (hub.cut, hub.stuck))
            self.send(206 if start else 200, rest, headers, with_body, cut or stuck)
            if stuck:
                hub.over.wait(60)

        def send(
            self, status: int, content: bytes, headers: dict[str, str], with_body: bool, most: int | None = None
        ) -> None:
            self.send_response(status)
            for name, value in headers.items():
                self.send_header(name, value)
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            if with_body:
                self.wfile.write(content[:most])
                self.wfile.flush()

        def log_message(self, *_: object) -> None:
            """Nothing on standard error."""

    return Handler
