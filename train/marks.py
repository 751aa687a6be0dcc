"""Marks: tokens of a response that belong to a named span of its text, as where it states a fact of the picture.

    fact    the value in a true statement of one of the sample's `visual_facts`, which are `name is value`
    false   the value in a statement of the same fact with another value
    the parts of a response that data/parts.py knows, by their names, and what a weight finds itself in the text
    (`Weight.finds`): no column is needed

A statement is `name is value` or `name = value`, name and value as words of their own; the value ends at a comma, a
semicolon, a tag, a line's end or a full stop with a space behind it. What the question states already is not among the
visual facts, so repeating it is not marked. Every occurrence counts. A token belongs to a span if any character of it
that is not a space does; texts are those of the sampled ids, so nothing can shift.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from common.lazy import Tensor, torch
from data.parts import PARTS, Finder, Span, part_spans
from train.table.step_table import padded

if TYPE_CHECKING:
    from train.experience import Experience

COLUMN = "visual_facts"
MARKS = ("fact", "false")
END = r"(?=\s*(?:[,;<\n]|\.(?:\s|$)|$))"


def stated_spans(text: str, facts: Sequence[str]) -> dict[str, list[Span]]:
    """Return where a text states facts truly and where falsely, in characters."""
    found: dict[str, list[Span]] = {mark: [] for mark in MARKS}
    for fact in facts:
        name, _, value = fact.rpartition(" is ")
        for match in re.finditer(rf"(?<!\w){re.escape(name)}\s+(?:is|=)\s+(.+?){END}", text):
            found["fact" if match[1] == value else "false"].append(match.span(1))
    return found


def wanted_spans(
    text: str, wanted: Collection[str], columns: Mapping[str, Any], finders: Mapping[str, Finder]
) -> dict[str, Sequence[Span]]:
    """Return the spans of the wanted marks."""
    found: dict[str, Sequence[Span]] = {part: part_spans(text, part) for part in wanted if part in PARTS}
    found |= {mark: find(text) for mark, find in finders.items() if mark in wanted}
    return found | (stated_spans(text, list(columns[COLUMN])) if set(wanted) & set(MARKS) else {})


def marked(texts: Sequence[str], spans: Sequence[Span]) -> list[float]:
    """Return 1 for every token that shares a character, not a space, with a span."""
    found, at = [], 0
    for text in texts:
        places = [at + n for n, sign in enumerate(text) if not sign.isspace()]
        found.append(float(any(start <= place < end for start, end in spans for place in places)))
        at += len(text)
    return found


def marks_of(
    experience: Experience,
    wanted: Collection[str],
    finders: Mapping[str, Finder],
    token_texts: Callable[[Sequence[int]], list[str]],
) -> Mapping[str, Tensor]:
    """Return the wanted marks [N, T] of all rows; nothing is read where none is wanted."""
    if not wanted:
        return {}
    rows: dict[str, list[Tensor]] = {mark: [] for mark in sorted(wanted)}
    for block in experience.blocks:
        for response in block.responses:
            texts = token_texts(response.token_ids)
            spans = wanted_spans("".join(texts), wanted, block.sample.columns, finders)
            for mark, found in rows.items():
                found.append(torch.tensor(marked(texts, spans[mark])))
    width = max(len(response.token_ids) for response in experience.responses)
    return {mark: padded(found, width) for mark, found in rows.items()}
