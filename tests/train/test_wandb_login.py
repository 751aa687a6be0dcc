"""keep.wandb=online is refused before anything is loaded where W&B could not log."""

from types import SimpleNamespace

import pytest
import requests
import wandb

from common import UserError
from configs import compose
from train import loop
from train.settings import TrainSettings
from train.wandb_login import check_login


class Account:
    """W&B's answer to a key: a user, none, or no answer."""

    def __init__(self, answer: object) -> None:
        self.answer = answer

    def __call__(self, timeout: int) -> "Account":
        return self

    @property
    def viewer(self) -> object:
        if isinstance(self.answer, Exception):
            raise self.answer
        return self.answer


@pytest.mark.parametrize(
    ("key", "answer", "sentence"),
    [
        (None, "user", "finds no W&B key; run wandb login, or set keep.wandb=offline"),
        ("key", None, "does not know this key; run wandb login --relogin"),
        (
            "key",
            requests.exceptions.ConnectionError("no route to host\nand a page more"),
            r"reach W&B \(no route to host\)",
        ),
        (
            "key",
            wandb.errors.CommError("permission denied"),
            r"reach W&B \(permission denied\); check network and key",
        ),
        ("key", "user", ""),
    ],
)
def test_a_login_that_cannot_log_is_refused(monkeypatch, key, answer, sentence):
    monkeypatch.setattr(wandb, "api", SimpleNamespace(api_key=key))
    monkeypatch.setattr(wandb, "Api", Account(answer))
    if not sentence:
        check_login()
        return
    with pytest.raises(UserError, match=sentence):
        check_login()


def test_a_run_asks_before_it_loads_a_model(small_run, monkeypatch):
    def refuse() -> None:
        raise UserError("not logged in")

    monkeypatch.setattr(loop, "check_login", refuse)
    monkeypatch.setattr(loop, "make_state", lambda *_: pytest.fail("something was loaded"))
    with pytest.raises(UserError, match="not logged in"):
        loop.train(compose(TrainSettings, [*small_run, "keep.wandb=online"]))
