"""The server: a key for everything, loopback only, the model's own template and pixels, a clean end."""

import base64
import http.client
import io
import json
import os
import subprocess
import sys
import time
import urllib.error
import urllib.request
from contextlib import contextmanager

import psutil
import pytest

import models.serve
from data.mini.world import sample
from models.settings import SamplingSettings
from tests.models.vllm_server import ROOT, SECRET, needs_vllm


def command(*words: str, **environment: str) -> subprocess.CompletedProcess[str]:
    clean = {name: value for name, value in os.environ.items() if name != "PERCEPT_SERVER_KEY"}
    line = [sys.executable, "-m", "models.serve", *words]
    return subprocess.run(line, cwd=ROOT, env=clean | environment, capture_output=True, text=True, timeout=60)


def question(url: str, text: str) -> dict:
    content = [{"type": "image_url", "image_url": {"url": url}}, {"type": "text", "text": text}]
    return {"model": "tiny", "messages": [{"role": "user", "content": content}], "temperature": 0, "max_tokens": 48}


@pytest.mark.slow
@needs_vllm
def test_a_picture_in_a_message_is_answered_as_the_model_itself_answers(server, shipped_tiny):
    problem = sample("train", "counting", 0)
    buffer = io.BytesIO()
    problem.images[0].open().save(buffer, "PNG")
    url = "data:image/png;base64," + base64.b64encode(buffer.getvalue()).decode()
    assert problem.question.startswith("<image>")
    status, answer = server.ask("/v1/chat/completions", question(url, problem.question[len("<image>") :]), SECRET)
    assert status == 200, answer
    choice = json.loads(answer)["choices"][0]
    settings = SamplingSettings(temperature=0.0, max_new_tokens=48)
    expected = shipped_tiny.sample(shipped_tiny.encode([problem]), 1, settings, seed=0)[0]
    assert (choice["message"]["content"], choice["finish_reason"]) == (expected.text, expected.finish_reason)


@pytest.mark.slow
@needs_vllm
@pytest.mark.parametrize("path", ["/v1/models", "/v1/chat/completions", "/invocations", "/tokenize", "/metrics"])
def test_no_path_opens_without_the_key(server, path):
    body = {"model": "tiny", "messages": [{"role": "user", "content": "hi"}]} if path != "/v1/models" else None
    assert [server.status(path, body, key) for key in (None, "wrong", SECRET[:-1])] == [401, 401, 401]
    assert server.status("/v1/models", key=SECRET) == 200


@pytest.mark.slow
@needs_vllm
@pytest.mark.parametrize("url", ["http://127.0.0.1:9/a.png", "file:///etc/hostname"])
def test_the_server_fetches_and_opens_nothing_for_a_client(server, url):
    status, answer = server.ask("/v1/chat/completions", question(url, "how many ?"), SECRET)
    assert status == 400 and b"choices" not in answer
    assert b"allowed" in answer


@pytest.mark.slow
@needs_vllm
def test_it_listens_on_loopback_only_and_keeps_its_key_to_itself(server):
    family = [psutil.Process(server.process.pid), *psutil.Process(server.process.pid).children(recursive=True)]
    listening = [c.laddr for one in family for c in one.net_connections("inet") if c.status == psutil.CONN_LISTEN]
    assert ("127.0.0.1", server.port) in [tuple(address) for address in listening]
    assert {address.ip for address in listening} == {"127.0.0.1"}
    assert not any(SECRET in word for one in family for word in one.cmdline())
    ready, end = f"ready: tiny answers on http://127.0.0.1:{server.port}/v1", time.monotonic() + 30
    while ready not in server.log.read_text() and time.monotonic() < end:
        time.sleep(0.2)
    said = server.log.read_text()
    assert SECRET not in said and said.count(ready) == 1


@pytest.mark.slow
def test_without_a_key_it_does_not_start_and_says_how_to_make_one():
    for environment in ({}, {"PERCEPT_SERVER_KEY": "short"}):
        done = command("model=tiny", **environment)
        assert done.returncode == 2 and "short" not in done.stderr and done.stdout == ""
        assert "PERCEPT_SERVER_KEY holds no key of at least 16" in done.stderr and "token_urlsafe" in done.stderr


@pytest.mark.slow
def test_help_is_quick_and_a_dry_run_starts_nothing():
    before = os.times()
    assert "listen" in command("--help").stdout
    # Processor time, so that a busy machine does not fail it.
    assert os.times().children_user - before.children_user < 2
    done = command("model=tiny", "dry_run=true")
    assert done.returncode == 0 and "host: 127.0.0.1" in done.stdout


def test_it_says_once_that_it_is_ready_when_it_answers(monkeypatch, capsys):
    answers = iter([urllib.error.URLError("refused"), http.client.BadStatusLine(""), None])

    @contextmanager
    def open_url(url, timeout):
        assert url == "http://127.0.0.1:1/health"
        if error := next(answers):
            raise error
        yield

    monkeypatch.setattr(urllib.request, "urlopen", open_url)
    monkeypatch.setattr(models.serve, "POLL_S", 0)
    models.serve.announce("http://127.0.0.1:1/v1", "http://127.0.0.1:1/health", "tiny")
    assert capsys.readouterr().err == "ready: tiny answers on http://127.0.0.1:1/v1\n"
