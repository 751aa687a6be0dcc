"""A language model as judge, over any server with OpenAI's chat protocol; text is enough, pictures may come along.

Nothing is guessed: a reply that is no exact verdict, a refusal, a failure and a case beyond the budget are unscored
and counted. Replies are kept on disk by the model's name and everything asked, so a judge whose weights change must
change its name too.
"""

import hashlib
import json
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from common.endpoint import LOCAL_URL, SERVER_KEY, Chat, Endpoint, Patience, RequestFailed, is_loopback, key_from
from common.errors import UserError
from common.parallel import as_finished
from configs.settings import setting
from verify.judge_cache import Reply, ReplyCache
from verify.judge_prompts import TEMPLATES, UNSCORED, Case, Judgement, messages, parse, template_of

JUDGE_KEY = "PERCEPT_JUDGE_KEY"
FAILURES_IN_A_ROW = 16  # then the server, not a case, is the trouble

Progress = Callable[[int, str], None]


@dataclass(frozen=True)
class JudgeSettings:
    """Which model judges, and how much it may cost."""

    base_url: str = setting(LOCAL_URL, "an OpenAI-compatible address; the key is read from PERCEPT_JUDGE_KEY")
    model: str = setting("", "name of the model there; empty = the only one it serves")
    cache: str = setting("build/judge.jsonl", "file that keeps the replies")
    workers: int = setting(8, "requests under way at the same time")
    timeout_s: float = setting(120.0, "limit of one try")
    total_s: float = setting(600.0, "limit of one request with all its tries and waits")
    max_calls: int = setting(
        20_000, "requests per run; cases beyond are unscored (cached ones are free)", bounds="[0, inf)"
    )
    max_tokens: int = setting(
        20_000_000, "tokens per run as the server counts them; requests under way still end", bounds="[0, inf)"
    )
    max_reply_tokens: int = setting(512, "limit of one reply; a cut reply is unscored", bounds="[1, inf)")
    max_characters: int = setting(40_000, "longer cases are unscored", bounds="[1, inf)")
    vllm_fields: bool = setting(True, "send top_k and repetition_penalty too; off for OpenAI's own service")


class LlmJudge:
    """Asks about cases; one object counts one run."""

    def __init__(self, settings: JudgeSettings, **clock: Any) -> None:
        if settings.workers < 1 or settings.timeout_s <= 0 or settings.total_s <= 0:
            raise UserError("the judge needs workers, timeout_s and total_s above 0")
        self.settings = settings
        self.endpoint = Endpoint(
            settings.base_url,
            judge_key(settings.base_url),
            Patience(timeout_s=settings.timeout_s, total_s=settings.total_s),
            help="start a judge there with `python -m models.serve model=<name>`, or leave the judge off",
            key_help=f"put its key into the environment variable {JUDGE_KEY} ({SERVER_KEY} goes to this machine only)",
            **clock,
        )
        self.cache = ReplyCache(Path(settings.cache))
        self.counts: Counter[str] = Counter()  # calls, cached, tokens ...
        self.reasons: Counter[str] = Counter()  # of the judgements
        self.failures_in_a_row = 0

    @cached_property
    def model(self) -> str:
        return self.settings.model or self.endpoint.only_model()

    def ask(self, cases: Sequence[Case], progress: Progress = lambda done, note: None) -> list[Judgement]:
        """Return a judgement for every case, in their order; equal cases share one request."""
        keys = [self.key(case) if case.characters() <= self.settings.max_characters else "" for case in cases]
        new = {key: case for key, case in zip(keys, cases, strict=True) if key and not self.cache.get(key)}
        self.counts["cached"] += sum(key != "" and key not in new for key in keys)
        missing = {key: Judgement(None, "budget", "") for key in new}
        done = len(cases) - len(new)
        self.endpoint.start()
        asked = as_finished(self.chat, self.within_budget(new), self.settings.workers, self.endpoint.stop)
        for (key, _), outcome in asked:
            if isinstance(outcome, Chat):
                self.keep(key, outcome)
            else:
                missing[key] = Judgement(None, outcome.reason, str(outcome))
                self.give_up_on_a_dead_server(outcome)
            done += 1
            progress(done, "")
        judgements = [self.judgement(case, key, missing) for case, key in zip(cases, keys, strict=True)]
        self.reasons.update(judgement.reason for judgement in judgements)
        return judgements

    def body(self, case: Case) -> dict[str, Any]:
        body: dict[str, Any] = {
            "model": self.model,
            "messages": messages(case),
            "temperature": 0,
            "top_p": 1,
            "seed": 0,
            "n": 1,
            "presence_penalty": 0,
            "frequency_penalty": 0,
            "max_tokens": self.settings.max_reply_tokens,
        }
        if self.settings.vllm_fields:  # else a server may take them from the model's own generation config
            body |= {"top_k": 0, "min_p": 0, "repetition_penalty": 1}
        return body

    def key(self, case: Case) -> str:
        """Return equal for cases that ask the same model the same thing in the same way."""
        asked = json.dumps([template_of(case).version, self.body(case)], sort_keys=True)
        return hashlib.blake2b(asked.encode(), digest_size=16).hexdigest()

    def within_budget(self, new: dict[str, Case]) -> Iterator[tuple[str, Case]]:
        """Yield the cases that may still be asked about."""
        for key, case in new.items():
            if self.counts["calls"] >= self.settings.max_calls or self.tokens >= self.settings.max_tokens:
                return
            self.counts["calls"] += 1
            yield key, case

    @property
    def tokens(self) -> int:
        return self.counts["prompt_tokens"] + self.counts["reply_tokens"]

    def chat(self, job: tuple[str, Case]) -> Chat | RequestFailed:
        """Return one request, in a thread of its own."""
        try:
            return self.endpoint.chat(self.body(job[1]))
        except RequestFailed as failure:
            return failure

    def keep(self, key: str, chat: Chat) -> None:
        self.failures_in_a_row = 0
        self.cache.put(key, Reply(chat.text, chat.finish_reason, chat.refused))
        self.counts["without_usage"] += chat.prompt_tokens is None or chat.new_tokens is None
        self.counts["prompt_tokens"] += chat.prompt_tokens or 0
        self.counts["reply_tokens"] += chat.new_tokens or 0

    def give_up_on_a_dead_server(self, failure: RequestFailed) -> None:
        self.failures_in_a_row += 1
        if self.failures_in_a_row >= FAILURES_IN_A_ROW:
            raise UserError(
                f"the judge failed {FAILURES_IN_A_ROW} times in a row, the last: {failure}; see to the server and "
                f"start the same command again: {self.settings.cache} keeps what it answered"
            )

    def judgement(self, case: Case, key: str, missing: dict[str, Judgement]) -> Judgement:
        if not key:
            return Judgement(None, "too_long", "")
        reply = self.cache.get(key)
        if reply is None:
            return missing[key]
        if reply.refused or reply.finish_reason == "length":
            return Judgement(None, "refused" if reply.refused else "cut", reply.text)
        return parse(case.kind, reply.text)

    def provenance(self) -> dict[str, Any]:
        """Return what a result needs to say about its judge; `judgements` counts the cases by reason."""
        names = ("calls", "cached", "prompt_tokens", "reply_tokens", "without_usage")
        return {
            "base_url": self.endpoint.base_url,
            "model": self.model if self.reasons else self.settings.model,
            "prompts": {kind: template.version for kind, template in TEMPLATES.items()},
            "temperature": 0,
            "max_reply_tokens": self.settings.max_reply_tokens,
            **{name: self.counts[name] for name in names},
            "tries": self.endpoint.tries,
            "failed": self.reasons["failed"],
            "refused": self.reasons["refused"],
            "unscored": sum(count for reason, count in self.reasons.items() if reason in UNSCORED),
            "judgements": dict(self.reasons),
            "damaged_cache_lines": self.cache.damaged,
        }


def judge_key(base_url: str) -> str:
    """Return the judge's own key, or that of our server, which no other machine gets to see."""
    return key_from(JUDGE_KEY, SERVER_KEY) if is_loopback(base_url) else key_from(JUDGE_KEY)
