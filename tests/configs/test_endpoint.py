"""Requests to a server: retries within limits, errors as sentences, a key that goes nowhere else."""

import socket
import threading

import pytest

from common import UserError
from common.endpoint import Endpoint, Patience, RequestFailed, key_from
from common.parallel import as_finished
from tests.recorded_server import FakeClock, Play, RecordedServer, says

SECRET = "key-that-nobody-may-see-0123456789"
BODY = {"messages": []}


def endpoint(server: RecordedServer, clock: FakeClock, **patience: float) -> Endpoint:
    return Endpoint(server.url, SECRET, Patience(**patience), **clock.options())


def played(*plays: Play) -> RecordedServer:
    """Plays the answers in turn, the last one for ever."""
    return RecordedServer(lambda path, body, number: plays[min(number, len(plays) - 1)])


def test_a_chat_is_checked_and_counted():
    with played(says("fine", "length", tokens=7)) as server:
        chat = endpoint(server, FakeClock()).chat(BODY)
    assert (chat.text, chat.finish_reason, chat.refused) == ("fine", "length", False)
    assert (chat.prompt_tokens, chat.new_tokens) == (7, 2)
    path, body, headers = server.asked[0]
    assert path == "/v1/chat/completions" and body == BODY and headers["Authorization"] == f"Bearer {SECRET}"


@pytest.mark.parametrize(
    "first",
    [
        Play(429, {"error": "slow down"}),
        Play(500, b"oops"),
        Play(503, {}),
        Play(how="drop"),
        Play(body={"choices": []}, how="cut"),
    ],
)
def test_what_may_pass_is_tried_again(first):
    clock = FakeClock()
    with played(first, first, says("at last")) as server:
        client = endpoint(server, clock)
        assert client.chat(BODY).text == "at last" and client.tries == 3
    assert 0.5 <= clock.pauses[0] <= 1 and 1 <= clock.pauses[1] <= 2


def test_the_server_may_ask_for_a_longer_wait_but_not_beyond_the_limit():
    clock = FakeClock()
    with played(Play(429, {}, {"Retry-After": "7"}), says("yes")) as server:
        assert endpoint(server, clock).chat(BODY).text == "yes"
    assert clock.pauses == [7]
    with played(Play(429, {"error": {"message": "quota"}}, {"Retry-After": "9999"})) as server:
        with pytest.raises(RequestFailed, match="no answer in 1 tries, the last: HTTP 429: quota") as failure:
            endpoint(server, clock).chat(BODY)
        assert failure.value.reason == "failed"


@pytest.mark.parametrize("patience", [{"total_s": 20.0, "tries": 99}, {"total_s": 1e9, "tries": 4}])
def test_retries_end_by_time_and_by_number(patience):
    clock = FakeClock()
    with played(Play(500, {})) as server, pytest.raises(RequestFailed):
        endpoint(server, clock, **patience).chat(BODY)
    assert clock.time < 20 and 4 <= len(server.asked) <= 7
    assert max(clock.pauses) <= 30


@pytest.mark.parametrize("how", ["hang", "drip"])
def test_a_server_that_never_finishes_is_left(how):
    with played(Play(body={"text": "x" * 3000}, how=how)) as server:
        client = endpoint(server, FakeClock(), timeout_s=0.1, tries=2)
        with pytest.raises(RequestFailed, match=r"took more than 0\.1 s"):
            client.chat(BODY)
        assert len(server.asked) == 2


def test_nobody_at_the_address_is_said_at_once():
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{free.getsockname()[1]}/v1"
    clock = FakeClock()
    client = Endpoint(url, SECRET, help="start one", **clock.options())
    with pytest.raises(UserError, match=f"{url} cannot be reached .*; start one") as error:
        client.chat(BODY)
    assert client.tries == 1 and clock.pauses == [] and SECRET not in str(error.value)


def test_a_server_that_was_there_may_come_back():
    clock = FakeClock()
    server = played(says("hello"))
    client = endpoint(server, clock, tries=3)
    client.chat(BODY)
    server.close()
    with pytest.raises(UserError, match="cannot be reached"):
        client.chat(BODY)
    assert client.tries == 4 and len(clock.pauses) == 2


@pytest.mark.parametrize(
    ("status", "error", "sentence"),
    [
        (401, UserError, "does not take the key"),
        (403, UserError, "does not take the key"),
        (404, UserError, "does not do /chat/completions"),
        (302, UserError, "HTTP 302"),
        (400, RequestFailed, "refused the request"),
        (422, RequestFailed, "refused the request"),
    ],
)
def test_what_no_try_can_mend_is_said_without_the_key(status, error, sentence):
    with played(says("no")) as other:
        elsewhere = Play(status, {"error": {"message": f"bad key\n {SECRET}"}}, {"Location": f"{other.url}/models"})
        with played(elsewhere) as server, pytest.raises(error, match=sentence) as raised:
            endpoint(server, FakeClock()).chat(BODY)
        assert len(server.asked) == 1 and other.asked == []
    assert SECRET not in str(raised.value) and "\n" not in str(raised.value)
    assert error is UserError or raised.value.reason == "refused"


@pytest.mark.parametrize(
    "body",
    [b"<html>", [], {}, {"choices": []}, {"choices": [{}]}, {"choices": [{"message": {"content": 3}}]}, b"[" * 99999],
)
def test_an_answer_of_another_form_is_a_failure(body):
    with played(Play(body=body)) as server, pytest.raises(RequestFailed) as failure:
        endpoint(server, FakeClock()).chat(BODY)
    assert failure.value.reason == "failed"


def test_models_are_listed_and_one_must_be_chosen():
    one = {"data": [{"id": "tiny"}]}
    with played(Play(body=one), Play(body={"data": [{"id": "a"}, {"id": "b"}]})) as server:
        client = endpoint(server, FakeClock())
        assert client.only_model() == "tiny"
        with pytest.raises(UserError, match="serves a, b; name one"):
            client.only_model()
    with played(Play(500, {})) as server, pytest.raises(UserError, match="gave no answer in 8 tries"):
        endpoint(server, FakeClock()).only_model()


@pytest.mark.parametrize(
    "url",
    [
        "127.0.0.1:8765",
        "ftp://host/v1",
        "http://",
        "http://me:secret@host/v1",
        "http://host/v1?key=secret",
        "http://h:x",
    ],
)
def test_addresses_that_are_none_or_carry_secrets_are_refused(url):
    with pytest.raises(UserError, match="the base URL") as error:
        Endpoint(url)
    assert "secret" not in str(error.value)


def test_keys_come_from_the_environment_and_broken_ones_are_not_shown(monkeypatch):
    monkeypatch.delenv("A_KEY", raising=False)
    monkeypatch.setenv("B_KEY", SECRET)
    assert key_from("A_KEY", "B_KEY") == SECRET and key_from("A_KEY") == ""
    monkeypatch.setenv("A_KEY", f"{SECRET}\n")
    with pytest.raises(UserError, match="A_KEY holds") as error:
        key_from("A_KEY", "B_KEY")
    assert SECRET not in str(error.value)


def test_stop_ends_what_is_under_way():
    with played(Play(how="hang")) as server:
        client = Endpoint(server.url, patience=Patience(timeout_s=60))
        failures = []

        def ask() -> None:
            with pytest.raises(RequestFailed) as failure:
                client.chat(BODY)
            failures.append(failure.value.reason)

        thread = threading.Thread(target=ask)
        thread.start()
        while not server.asked:
            thread.join(0.01)
        client.stop()
        thread.join(20)
        assert failures == ["failed"] and len(server.asked) == 1


def test_work_is_drawn_only_when_a_worker_is_free():
    drawn, running = [], []
    gate = threading.Semaphore(0)

    def items():
        for number in range(6):
            drawn.append(number)
            yield number

    def work(number: int) -> int:
        running.append(number)
        gate.acquire()
        return number * number

    results = as_finished(work, items(), workers=2)
    gate.release()
    first = next(results)
    assert len(drawn) == 2 and first[1] == first[0] ** 2
    gate.release(9)
    assert sorted([first, *results]) == [(n, n * n) for n in range(6)]


def test_an_error_ends_the_work_and_stops_the_rest():
    stopped = threading.Event()

    def work(number: int) -> int:
        if number == 1:
            raise RequestFailed("failed", "no")
        assert number == 0 or stopped.wait(20)
        return number

    found = []
    with pytest.raises(RequestFailed, match="no"):
        found += as_finished(work, range(9), workers=3, stop=stopped.set)
    assert stopped.is_set()
