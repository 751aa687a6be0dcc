"""Rewards on rows from a file: what `python -m train.rewards` does."""

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from common import UserError, read_jsonl, write_jsonl
from data import Sample
from data.columns import check_column
from models.response import Response
from train.asks.ask import ANSWER, Ask, Row
from train.plans.plain import Plain
from train.plans.reread import READING
from train.rewards import overlong_penalty
from train.rewards_command import RewardsCommand
from train.rollout.judging import Terms, scored
from train.rollout.tool_factory import make_tools
from train.settings import TrainSettings
from verify.samples import grade_sample

KNOWN = {
    *("prompt", "response", "answer", "question", "role", "parent", "gold", "answer_type", "choices", "columns"),
    *("ticks", "readings", "tokens", "id"),
}


def row_of(given: Mapping[str, Any], where: str, prompt: int, place: int, grader: str) -> Row:
    """Return one row of a file as rewards read it."""
    for name in ("response", "answer"):
        if not isinstance(given.get(name), str):
            raise UserError(f"{where} needs a text in '{name}'; mend the row")
    if unknown := sorted(given.keys() - KNOWN):
        raise UserError(f"{where} has '{unknown[0]}', which is not read; put columns of the data into 'columns'")
    for name, value in given.get("columns", {}).items():
        check_column(name, value, where)
    sample = Sample(
        id=str(given["prompt"]),
        source="rows",
        question=given.get("question", ""),
        images=(),
        answer=given.get("gold", given["answer"]),
        answer_type=given.get("answer_type"),
        choices=given.get("choices", ()),
        columns=given.get("columns", {}),
    )
    ask = Ask(count=1, role=given.get("role", ANSWER), answer=given.get("gold"), parent=given.get("parent"))
    response = Response(sample.id, place, "clean", given["response"], [0] * given.get("tokens", 0))
    verdict = grade_sample(sample, response.text, grader)
    ticks = {"ticks": given["ticks"]} if "ticks" in given else {}
    return Row(sample=sample, ask=ask, response=response, verdict=verdict, prompt=prompt, place=place, given=ticks)


def rows_of(given: list[dict[str, Any]], source: str, grader: str) -> tuple[list[Row], list[Row]]:
    """Return the rows of a file, and the readings that stand in them as rows of their own."""
    numbers: dict[str, int] = {}
    rows: list[Row] = []
    readings: list[Row] = []
    places: dict[int, int] = {}
    for line, one in enumerate(given, 1):
        if "prompt" not in one:
            raise UserError(f"row {line} of {source} needs 'prompt', which problem it answers; mend the row")
        prompt = numbers.setdefault(str(one["prompt"]), len(numbers))
        place = places[prompt] = places.get(prompt, -1) + 1
        rows.append(row_of(one, f"row {line} of {source}", prompt, place, grader))
        for number, text in enumerate(one.get("readings", ())):
            reading = {**one, "response": text, "role": READING, "parent": place}
            readings.append(row_of(reading, f"row {line} of {source}", prompt, -1 - len(readings) - number, grader))
    return rows, readings


def reward(terms: Terms, settings: TrainSettings) -> float | None:
    """Return the weighted sum of a row's terms; None where one could not be judged."""
    parts = [(piece.weight, terms[name]) for name, piece in settings.rewards.items() if name in terms]
    if any(value is None for _, value in parts):
        return None
    return sum(weight * (value or 0.0) for weight, value in parts)


def run(settings: RewardsCommand) -> None:
    """Read, judge and write."""
    if not settings.rows or not settings.out:
        raise UserError("name both files: rows=in.jsonl out=out.jsonl")
    given = read_jsonl(Path(settings.rows))
    if not given:
        raise UserError(f"{settings.rows} has no rows; there is nothing to reward")
    rows, readings = rows_of(given, settings.rows, settings.grader)
    for name, piece in settings.rewards.items():
        for column in sorted(piece.columns()):
            if any(row.sample.columns.get(column) is None for row in piece.own(rows) if row.ask.answer is None):
                raise UserError(f"rewards.{name} reads the column '{column}', which a row lacks; add it to 'columns'")
    settings = replace(settings, rollouts=replace(settings.rollouts, plan=Plain()))  # readings come with the rows
    judged = scored([*rows, *readings], settings.rewards, make_tools(settings, rows))
    found = []
    for one, row in zip(given, rows, strict=True):
        terms = judged[row.prompt, row.place]
        total = reward(terms, settings)
        if settings.rollouts.overlong and row.ask.role == ANSWER:
            limit, rules = settings.rollouts.sampling.max_new_tokens, settings.rollouts.overlong
            penalty = overlong_penalty(len(row.response.token_ids), limit, rules)
            terms["overlong"] = penalty
            total = None if total is None else total + penalty
        found.append({**one, "terms": terms, "reward": total})
    write_jsonl(Path(settings.out), found)
    print(f"{settings.out}: {len(found)} rows, {sum(row['reward'] is None for row in found)} of them not judged")
