"""From conversations to what is learnt: rewards of every row, and why a problem is not learnt from."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from models.response import Response
from train.asks.ask import ANSWER, Ask, Row
from train.asks.tools import Tools
from train.rewards import Reward
from train.rewards.basic import Accuracy
from train.rollout.asking import Conversation
from train.settings import FilterSettings, TrainSettings
from verify import Verdict

Terms = dict[str, float | None]  # of one row, by reward; None = it could not be judged


@dataclass(frozen=True, kw_only=True)
class Answer:
    """One row as it travels between ranks: without its sample, which every rank makes again."""

    ask: Ask
    name: str  # of its trained prompt
    prompt_tokens: int
    response: Response
    verdict: Verdict
    terms: Terms


@dataclass(frozen=True, kw_only=True)
class Answered:
    """What one rank found out about one problem; light enough to travel."""

    index: int  # among the samples of the round
    answers: list[Answer] = field(default_factory=list)
    why: str = ""  # reason to discard it
    note: str = ""  # sentence about pictures that could not be used

    @property
    def accuracy(self) -> float:
        """Return the share of right answers, 0 where nothing was answered."""
        correct = [one.verdict.correct for one in self.answers if one.ask.role == ANSWER]
        return sum(correct) / max(1, len(correct))


def scored(rows: Sequence[Row], pieces: Mapping[str, Reward], tools: Tools) -> dict[tuple[int, int], Terms]:
    """Return the terms of rows by (problem, place)."""
    found: dict[tuple[int, int], Terms] = {(row.prompt, row.place): {} for row in rows}
    for name, piece in pieces.items():
        for row, value in zip(piece.own(rows), piece.score(rows, tools), strict=True):
            found[row.prompt, row.place][name] = value
    return found


def mixed(terms: Sequence[Terms], rules: FilterSettings) -> str:
    """Return why a problem's rows hold no signal, or nothing where the mean of one term of the filter lies inside."""
    columns = {name: [value for row in terms if (value := row.get(name)) is not None] for name in rules.by}
    means = [sum(values) / len(values) for values in columns.values() if values]
    if any(rules.low < mean < rules.high for mean in means):
        return ""
    return "all_right" if means and means[0] >= rules.high else "all_wrong"


def judged(conversations: Sequence[Conversation], settings: TrainSettings, tools: Tools) -> list[Answered]:
    """Return problems with the rewards of their rows.

    Terms of the filter come first, so that no judge is asked about problems that are discarded anyway.
    """
    rules, pieces = settings.rollouts.filter, dict(settings.rewards)
    early = {name: pieces.pop(name, Accuracy()) for name in rules.by} if rules else {}
    going = [one for one in conversations if not one.why]
    terms = scored([row for one in going for row in one.rows], early, tools)
    for one in going:
        own = [terms[one.prompt, row.place] for row in one.rows]
        lost = any(value is None for row in own for value in row.values())
        one.why = "unjudged" if lost else mixed(own, rules) if rules else ""
    going = [one for one in going if not one.why]
    for place, late in scored([row for one in going for row in one.rows], pieces, tools).items():
        terms[place] |= late
        if None in late.values():
            next(one for one in going if one.prompt == place[0]).why = "unjudged"
    return [answered(one, terms) for one in conversations]


def answered(one: Conversation, terms: Mapping[tuple[int, int], Terms]) -> Answered:
    """Return a conversation as it travels."""
    answers = [
        Answer(
            ask=row.ask,
            name=row.sample.id,
            prompt_tokens=one.tokens.get(row.sample.id, 0),
            response=row.response,
            verdict=row.verdict,
            terms=terms.get((one.prompt, row.place), {}),
        )
        for row in one.rows
    ]
    return Answered(index=one.prompt, answers=answers, why=one.why, note=one.note)
