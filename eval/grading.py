"""Grade responses with any scorers: graders of verify and benchmarks' own rules."""

from collections.abc import Mapping

import pandas as pd

from common.progress import progress
from data import Sample
from eval.benchmark import Scorer
from verify import Verdict, grade

PARTS = ("correct", "extracted", "reason", "grader")


def by_grader(name: str) -> Scorer:
    """Return a grader of verify in the shape of a benchmark's own scorer."""

    def scorer(sample: Sample, text: str, k: int) -> Verdict:
        choices = sample.choices or None
        return grade(text, sample.answer, choices=choices, task_type=sample.answer_type, grader=name)

    return scorer


def regrade(
    predictions: pd.DataFrame, samples: Mapping[str, Sample], scorers: Mapping[str, Scorer], *further: str
) -> pd.DataFrame:
    """Return the predictions with each scorer's verdicts, as `correct_<name>` and so on; None where it cannot tell."""
    parts = (*PARTS, *further)
    columns: dict[str, list] = {f"{part}_{name}": [] for name in scorers for part in parts}
    texts = zip(predictions.sample_id, predictions.text, predictions.k, strict=True)
    with progress("score", len(predictions)) as advance:
        for done, (sample_id, text, k) in enumerate(texts, start=1):
            for name, scorer in scorers.items():
                verdict = scorer(samples[sample_id], text, int(k))
                for part in parts:
                    columns[f"{part}_{name}"].append(None if verdict is None else getattr(verdict, part))
            advance(done, "")
    series = {name: pd.Series(values, index=predictions.index, dtype=object) for name, values in columns.items()}
    return predictions.assign(**series)
