"""One address that speaks OpenAI's chat protocol: bounded waiting, retries with back-off, a key that is never shown.

The key goes to the named address alone: redirects are not followed and proxies of the environment are not used.
"""

import http.client
import json
import os
import random
import socket
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

from common.errors import UserError

SERVER_KEY = "PERCEPT_SERVER_KEY"  # the key of `python -m models.serve`
LOCAL_URL = "http://127.0.0.1:8765/v1"  # where it listens unless told otherwise
LOOPBACK = ("127.0.0.1", "localhost", "::1")
MOST_BYTES = 64 << 20  # of one answer
RETRIED = (408, 425, 429)  # and everything from 500 on


@dataclass(frozen=True)
class Patience:
    """How long a request may take."""

    timeout_s: float = 120.0  # one try, from the connection to the last byte
    total_s: float = 600.0  # all tries and the waiting between them
    tries: int = 8
    first_wait_s: float = 1.0  # doubled after each try
    longest_wait_s: float = 30.0


class RequestFailed(Exception):
    """One request came to nothing; `reason` is "refused" (the server will not do it) or "failed" (it could not)."""

    def __init__(self, reason: str, message: str) -> None:
        super().__init__(message)
        self.reason = reason


@dataclass(frozen=True)
class Trouble:
    """A try that may go better the next time."""

    what: str
    wait_s: float = 0.0  # asked for by the server
    unreachable: bool = False


@dataclass(frozen=True)
class Chat:
    """One chat completion, checked."""

    text: str
    finish_reason: str
    refused: bool
    prompt_tokens: int | None  # None where the server does not count
    new_tokens: int | None
    choice: Mapping[str, Any]
    body: Mapping[str, Any]


def key_from(*names: str) -> str:
    """Return the first key that the environment holds, or none; a broken one is refused without being shown."""
    for name in names:
        key = os.environ.get(name, "")
        if key:
            if not all("!" <= character <= "~" for character in key):
                raise UserError(f"{name} holds blanks or characters that no key has; export it again")
            return key
    return ""


def is_loopback(base_url: str) -> bool:
    return address_of(base_url)[1] in LOOPBACK


class Endpoint:
    """A server and how patiently it is asked; may be used from several threads.

    `help` ends the sentence about a server that cannot be reached, `key_help` the one about a key it does not take.
    """

    def __init__(
        self,
        base_url: str,
        key: str = "",
        patience: Patience | None = None,
        help: str = "check the address",
        key_help: str = "check the key",
        now: Callable[[], float] = time.monotonic,
        pause: Callable[[float], object] | None = None,
    ) -> None:
        self.base_url = base_url.rstrip("/")
        self.scheme, self.host, self.port, self.path = address_of(self.base_url)
        self._key = key
        self.patience = patience or Patience()
        self.help, self.key_help = help, key_help
        self.stopped = threading.Event()
        self.now, self.pause = now, pause or self.stopped.wait
        self.reached = False
        self.tries = 0
        self._jitter = random.Random()  # its own, so that seeded numbers elsewhere do not move
        self._lock = threading.Lock()
        self._open: set[socket.socket] = set()

    def chat(self, body: Mapping[str, Any]) -> Chat:
        """Return one chat completion."""
        answer = self.request("POST", "/chat/completions", body)
        try:
            choice = answer["choices"][0]
            message, usage = choice["message"], answer.get("usage") or {}
            text, reason = message.get("content") or "", choice.get("finish_reason") or ""
        except (KeyError, IndexError, TypeError, AttributeError):
            raise RequestFailed("failed", f"{self.base_url} answered with no chat completion") from None
        if not isinstance(text, str) or not isinstance(reason, str) or not isinstance(usage, dict):
            raise RequestFailed("failed", f"{self.base_url} answered with a chat completion of unknown form")
        refused = bool(message.get("refusal")) or reason == "content_filter"
        prompt_tokens, new_tokens = (whole_number(usage.get(f"{part}_tokens")) for part in ("prompt", "completion"))
        return Chat(text, reason, refused, prompt_tokens, new_tokens, choice, answer)

    def served_models(self) -> list[str]:
        """Return the names that the server lists."""
        answer = self.request("GET", "/models")
        listed = answer.get("data")
        names = [one.get("id") for one in listed if isinstance(one, dict)] if isinstance(listed, list) else []
        return [name for name in names if isinstance(name, str)]

    def only_model(self) -> str:
        """Return the name of the one model that the server has."""
        try:
            names = self.served_models()
        except RequestFailed as failure:
            raise UserError(f"{failure}; {self.help}") from None
        if len(names) != 1:
            raise UserError(f"{self.base_url} serves {', '.join(names[:8]) or 'no model'}; name one model to ask")
        return names[0]

    def request(self, method: str, path: str, body: Mapping[str, Any] | None = None) -> dict[str, Any]:
        """Return the JSON object that the server answers with, after as many tries as patience allows."""
        payload = None if body is None else json.dumps(body).encode()
        patience = self.patience
        end, wait, trouble = self.now() + patience.total_s, patience.first_wait_s, Trouble("none")
        for number in range(1, patience.tries + 1):
            outcome = self.attempt(method, path, payload, max(0.001, min(patience.timeout_s, end - self.now())))
            if not isinstance(outcome, Trouble):
                return outcome
            trouble = outcome
            if trouble.unreachable and not self.reached:
                break
            delay = max(trouble.wait_s, wait * self._jitter.uniform(0.5, 1.0))
            if self.stopped.is_set() or number == patience.tries or self.now() + delay >= end:
                break
            self.pause(delay)
            wait = min(2 * wait, patience.longest_wait_s)
        if trouble.unreachable:
            raise UserError(f"{self.base_url} cannot be reached ({trouble.what}); {self.help}")
        raise RequestFailed("failed", f"{self.base_url} gave no answer in {number} tries, the last: {trouble.what}")

    def attempt(self, method: str, path: str, payload: bytes | None, limit_s: float) -> dict[str, Any] | Trouble:
        """Return one try: the answer, or why another try makes sense; what no try can mend is raised."""
        with self._lock:
            self.tries += 1
        kind = http.client.HTTPSConnection if self.scheme == "https" else http.client.HTTPConnection
        connection = kind(self.host, self.port, timeout=limit_s)
        headers = {"Content-Type": "application/json", "Accept": "application/json"}
        headers |= {"Authorization": f"Bearer {self._key}"} if self._key else {}
        try:
            connection.connect()
        except OSError as error:
            return Trouble(self.clean(str(error)) or type(error).__name__, unreachable=True)
        self.reached = True
        try:
            with self.watched(connection.sock, limit_s):
                connection.request(method, self.path + path, payload, headers)
                answer = connection.getresponse()
                content = answer.read(MOST_BYTES + 1)
                # Without a length the answer ends with the connection, and only its JSON tells whether it is whole.
                whole = answer.isclosed() or answer.length is None
        except (OSError, http.client.HTTPException) as error:
            return Trouble(f"the connection broke or took more than {limit_s:g} s ({type(error).__name__})")
        finally:
            connection.close()
        if len(content) > MOST_BYTES:
            raise RequestFailed("failed", f"{self.base_url} answered with more than {MOST_BYTES >> 20} MiB")
        if answer.status == 200:
            return self.parsed(content) if whole else Trouble(f"the answer is cut or took more than {limit_s:g} s")
        return self.sorted_out(path, answer.status, answer.getheader("Retry-After"), content)

    def parsed(self, content: bytes) -> dict[str, Any]:
        try:
            answer = json.loads(content)
        except (ValueError, RecursionError):
            answer = None
        if not isinstance(answer, dict):
            raise RequestFailed("failed", f"{self.base_url} answered with something that is no JSON object")
        return answer

    def sorted_out(self, path: str, status: int, retry_after: str | None, content: bytes) -> Trouble:
        """Return what a status other than success means."""
        said = f"HTTP {status}: {self.clean(error_text(content))}"
        if status in RETRIED or status >= 500:
            # A date instead of seconds is allowed there and left to our own back-off.
            digits = retry_after is not None and retry_after.isascii() and retry_after.isdigit()
            return Trouble(said, float(retry_after[:9]) if digits and retry_after else 0.0)
        if status in (401, 403):
            raise UserError(f"{self.base_url} does not take the key (HTTP {status}); {self.key_help}")
        if status in (404, 405) or status < 400:
            raise UserError(f"{self.base_url} does not do {path} ({said}); check the address and the model's name")
        raise RequestFailed("refused", f"{self.base_url} refused the request ({said})")

    def clean(self, text: str) -> str:
        """Somebody else's text, short, on one line and without the key."""
        shown = text.replace(self._key, "[key]") if self._key else text
        return " ".join(shown.split())[:300]

    @contextmanager
    def watched(self, connected: socket.socket, limit_s: float) -> Iterator[None]:
        """Ends the connection when the time is over: a socket's own timeout starts anew with every byte."""
        timer = threading.Timer(limit_s, shut, [connected])
        timer.daemon = True
        with self._lock:
            self._open.add(connected)
        timer.start()
        try:
            if self.stopped.is_set():
                shut(connected)
            yield
        finally:
            timer.cancel()
            with self._lock:
                self._open.discard(connected)

    def start(self) -> None:
        """Be ready again after a stop."""
        self.stopped.clear()

    def stop(self) -> None:
        """End every request that is under way, and the waiting, until `start`."""
        self.stopped.set()
        with self._lock:
            for connected in self._open:
                shut(connected)


def shut(connected: socket.socket) -> None:
    try:
        # Below TLS: its own shutdown would pull the rug from under the thread that reads.
        socket.socket.shutdown(connected, socket.SHUT_RDWR)
    except OSError:
        return  # it is closed already


def address_of(base_url: str) -> tuple[str, str, int | None, str]:
    """Scheme, host, port and path; whatever could carry a secret is refused and not repeated."""
    try:
        parts = urlsplit(base_url)
        port = parts.port
    except ValueError:
        raise UserError("the base URL is not an address; give one such as " + LOCAL_URL) from None
    if parts.username or parts.password or parts.query or parts.fragment:
        raise UserError("the base URL holds more than an address; leave out names, keys, ? and #")
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise UserError(f"the base URL '{base_url}' is not an address; give one such as {LOCAL_URL}")
    return parts.scheme, parts.hostname, port, parts.path


def error_text(content: bytes) -> str:
    """Return the sentence inside an error body, however it is wrapped."""
    text = content[:20_000].decode("utf-8", "replace")
    try:
        body = json.loads(text)
    except (ValueError, RecursionError):
        return text
    inner = body.get("error", body) if isinstance(body, dict) else body
    said = inner.get("message", inner) if isinstance(inner, dict) else inner
    return said if isinstance(said, str) else json.dumps(said)


def whole_number(value: object) -> int | None:
    return value if isinstance(value, int) and not isinstance(value, bool) and value >= 0 else None
