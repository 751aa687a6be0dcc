"""The record of one judged response: a flat row, the same in training rollouts, evaluations and analyses.

`SCHEMA` are the columns that every file has, `ROLLOUT` those that training adds; docs/record.md shows both.
"""

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import pandas as pd

from common import atomic_path
from data import Sample
from models.response import Response
from verify import Verdict, format_ok

TEXT, TEXTS, WHOLE, WHOLES, NUMBER, NUMBERS, TRUTH = (
    "text",
    "list of text",
    "integer",
    "list of integers",
    "number",
    "list of numbers",
    "true or false",
)
SCHEMA: dict[str, tuple[str, str]] = {
    "sample_id": (TEXT, "id of the problem"),
    "bench": (TEXT, "benchmark, or in training the data source"),
    "column": (TEXT, "column of a table that the problem counts in"),
    "subset": (TEXT, "a second column that it counts in, else empty"),
    "vision_need": (TEXT, "how much the problem needs its picture: low, medium, high, or empty where unknown"),
    "version": (TEXT, "which version of its problem it is, else empty"),
    "hint": (TEXT, "whether a suggestion in the question is true (aligned) or false (broken), else empty"),
    "cluster": (TEXT, "shared by items of one problem, which intervals keep together"),
    "k": (WHOLE, "number of the response among those to its problem, from 0"),
    "view": (TEXT, "what was done to the picture; clean = nothing"),
    "question": (TEXT, "the question, an `<image>` where each picture belongs"),
    "text": (TEXT, "the response without special tokens"),
    "token_ids": (WHOLES, "its tokens, the end token included where the model chose to stop"),
    "finish_reason": (TEXT, "stop, or length where the limit cut it"),
    "gold": (TEXT, "the right answer"),
    "choices": (TEXTS, "the options of the question, else none"),
    "answer_type": (TEXT, "choice, number, math, text, or missing: the grader decides"),
    "format_ok": (TRUTH, "PAPO's format rule"),
    "correct": (TRUTH, "the deciding grader's verdict; missing = unscored"),
    "extracted": (TEXT, "the answer that it read; missing = none found"),
    "reason": (TEXT, "the rule that accepted, or why it was rejected"),
    "grader": (TEXT, "name and version of the deciding grader; missing = unscored"),
    "score": (NUMBER, "share that counts, from 0 to 1; missing = unscored"),
}
ROLLOUT: dict[str, tuple[str, str]] = {
    "step": (WHOLE, "training step, from 1"),
    "reward": (NUMBER, "weighted sum of the reward terms"),
    "advantage": (NUMBER, "mean over the response's tokens; missing = no tokens"),
    "logprobs": (NUMBERS, "the sampler's log-prob of each token, in nats"),
}
# Columns of which a file may have several, by the start of their names.
FAMILIES: dict[str, tuple[str, str]] = {
    "reward_": (NUMBER, "training: one reward term before its weight"),
    "correct_": (TRUTH, "evaluation: verdict of one scorer"),
    "extracted_": (TEXT, "evaluation: the answer that one scorer read"),
    "reason_": (TEXT, "evaluation: the reason of one scorer"),
    "grader_": (TEXT, "evaluation: name and version of one scorer"),
    "score_": (NUMBER, "evaluation: share that counts by one scorer"),
}


def judged_frame(
    samples: Iterable[Sample], responses: Sequence[Response], verdicts: Sequence[Verdict | None], **columns: Any
) -> pd.DataFrame:
    """Return one row per response: `SCHEMA`, then `columns`, which also replace columns of the schema.

    Samples are found by the responses' ids; a verdict of None is an unscored response.
    """
    by_id = {sample.id: sample for sample in samples}
    pairs = zip(responses, verdicts, strict=True)
    rows = [_row(by_id[response.sample_id], response, verdict) for response, verdict in pairs]
    frame = without_nan(pd.DataFrame(rows, columns=list(SCHEMA)).assign(**columns))
    if frame.correct.notna().all():
        frame["correct"] = frame.correct.astype(bool)
    return frame


def _row(sample: Sample, response: Response, verdict: Verdict | None) -> dict[str, Any]:
    tags = sample.tags
    return {
        "sample_id": sample.id,
        "bench": sample.source,
        "column": tags.get("column", sample.source),
        "subset": tags.get("subset", ""),
        "vision_need": tags.get("vision_need", ""),
        "version": tags.get("version", ""),
        "hint": tags.get("hint", ""),
        "cluster": tags.get("problem", sample.id),
        "k": response.k,
        "view": response.view,
        "question": sample.question,
        "text": response.text,
        "token_ids": response.token_ids,
        "finish_reason": response.finish_reason,
        "gold": sample.answer,
        "choices": list(sample.choices),
        "answer_type": sample.answer_type,
        "format_ok": verdict.format_ok if verdict else format_ok(response.text),
        "correct": verdict.correct if verdict else None,
        "extracted": verdict.extracted if verdict else None,
        "reason": verdict.reason if verdict else None,
        "grader": verdict.grader if verdict else None,
        "score": verdict.score if verdict else float("nan"),
    }


def without_nan(frame: pd.DataFrame) -> pd.DataFrame:
    """Return the frame with None for every missing text: pandas reads it as NaN, which passes for a number."""
    texts = [name for name in frame if isinstance(frame[name].dtype, pd.StringDtype) and frame[name].isna().any()]
    missing = {name: frame[name].astype(object).where(frame[name].notna(), None) for name in texts}
    return frame.assign(**missing)


def type_of(name: str) -> str | None:
    """Return the type of a column; None where the record does not know the column."""
    family = next((entry for start, entry in FAMILIES.items() if name.startswith(start)), None)
    known = SCHEMA.get(name) or ROLLOUT.get(name) or family
    return known[0] if known else None


def write_judged(frame: pd.DataFrame, path: Path) -> None:
    """Write Parquet, atomically; known columns have the same type in every file, also where all is missing."""
    import pyarrow
    import pyarrow.parquet

    kinds = {
        TEXT: pyarrow.string(),
        TEXTS: pyarrow.list_(pyarrow.string()),
        WHOLE: pyarrow.int64(),
        WHOLES: pyarrow.list_(pyarrow.int32()),
        NUMBER: pyarrow.float64(),
        NUMBERS: pyarrow.list_(pyarrow.float64()),
        TRUTH: pyarrow.bool_(),
    }
    verdicts = [name for name in frame if type_of(name) == TRUTH and frame[name].dtype == object]
    table = pyarrow.Table.from_pandas(frame.astype(dict.fromkeys(verdicts, "boolean")), preserve_index=False)
    fields = [
        pyarrow.field(field.name, kinds[known] if (known := type_of(field.name)) else field.type)
        for field in table.schema
    ]
    with atomic_path(path) as target:
        pyarrow.parquet.write_table(table.cast(pyarrow.schema(fields, table.schema.metadata)), target)
