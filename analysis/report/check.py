"""What the records of a report must agree on; a contradiction is a mistake in what filled them."""

import math
from collections import Counter
from collections.abc import Hashable, Iterable

from analysis.report.records import Answer, Item, Other, PatchMap, Report, Token

RIGHT = "right"
PNG_SIGNATURE = b"\x89PNG\r\n\x1a\n"
SCORE_TOLERANCE = 1e-3  # nats per nat: log-probs are float32, and may have been rounded on their way


def check(report: Report) -> None:
    """Raise ValueError at the first contradiction, naming the table, figure or sample."""
    duplicates = repeated(item.id for item in report.items)
    if duplicates:
        raise ValueError(f"sample ids must be unique, because links use them; repeated: {duplicates[:5]}")
    for table in report.tables:
        if any(len(row) != len(table.header) for row in table.rows):
            raise ValueError(f"table {table.title!r}: every row needs {len(table.header)} cells, one per column")
        if any(not 0 <= row < len(table.rows) for row in table.emphasis):
            raise ValueError(f"table {table.title!r}: emphasis names a row that is not there")
    for figure in report.figures:
        if not figure.png.startswith(PNG_SIGNATURE):
            raise ValueError(f"figure {figure.title!r}: its picture is not a PNG file")
    for item in report.items:
        check_item(item)


def check_item(item: Item) -> None:
    where = f"sample {item.id!r}"
    if item.masked and len(item.masked) != len(item.pictures):
        raise ValueError(f"{where}: {len(item.pictures)} pictures, but {len(item.masked)} masked ones")
    duplicates = repeated(answer.run for answer in item.answers)
    if duplicates:
        raise ValueError(f"{where}: one answer per run, and unique names of runs; repeated: {duplicates[:5]}")
    for answer in item.answers:
        check_answer(answer, f"{where}, run {answer.run!r}")
        if answer.patches and not item.pictures:
            raise ValueError(f"{where}, run {answer.run!r}: effects of patches, but no picture that has them")


def check_answer(answer: Answer, where: str) -> None:
    responses: list[Answer | Other] = [answer, *answer.others]
    for response in responses:
        if response.correct != (response.state == RIGHT):
            verdict = "right" if response.correct else "wrong"
            raise ValueError(f"{where}: a {verdict} response has the state {response.state!r}")
    if len({tuple(token.scores) for token in answer.tokens}) > 1:
        raise ValueError(f"{where}: all tokens of an answer need the same scores in the same order")
    for token in answer.tokens:
        check_token(token, where)
    if answer.patches:
        check_patches(answer.patches, len(answer.tokens), where)


def check_token(token: Token, where: str) -> None:
    if not all(map(math.isfinite, (token.logprob, token.masked_logprob))):
        raise ValueError(f"{where}: a token has a log-probability that is not finite")
    if not all(map(math.isfinite, token.scores.values())):
        raise ValueError(f"{where}: a token has a score that is not finite")
    drop = token.logprob - token.masked_logprob
    allowed = SCORE_TOLERANCE * (1 + abs(token.logprob) + abs(token.masked_logprob))
    if abs(token.scores.get("k1", drop) - drop) > allowed:
        raise ValueError(f"{where}: k1 of token {token.text!r} is not its log-prob minus the masked one")


def check_patches(patches: PatchMap, tokens: int, where: str) -> None:
    rows, columns = patches.grid
    if rows < 1 or columns < 1:
        raise ValueError(f"{where}: a grid of {rows} x {columns} has no cell")
    if len(patches.effects) != tokens:
        raise ValueError(f"{where}: patch effects of {len(patches.effects)} tokens, but {tokens} tokens")
    for grid in patches.effects:
        if len(grid) != rows or any(len(row) != columns for row in grid):
            raise ValueError(f"{where}: the patch effects of a token are not {rows} x {columns}")
        if not all(math.isfinite(effect) for row in grid for effect in row):
            raise ValueError(f"{where}: a patch effect is not finite")


def repeated(values: Iterable[Hashable]) -> list[Hashable]:
    return [value for value, count in Counter(values).items() if count > 1]
