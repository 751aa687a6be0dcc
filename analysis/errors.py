"""Classes of error by construction, for samples whose benchmark tells them (`Benchmark.diagnose`).

The classes are those of `analysis.taxonomy` but knowledge; data/mini/diagnosis.py says how a wrong chain is followed.
"""

import pandas as pd

from analysis.taxonomy import CONSTRUCTED
from common import UserError
from data import Sample
from data.known import Diagnosis
from eval.benchmarks import benchmark_of

CLASSES = CONSTRUCTED


def diagnosed(sample_id: str) -> bool:
    """Return whether the sample's benchmark tells classes of error by construction."""
    home = benchmark_of(sample_id)
    return home is not None and home.diagnose is not None


def has_classes(predictions: pd.DataFrame) -> bool:
    """Return whether that holds for every response."""
    return all(diagnosed(name) for name in predictions.sample_id.unique())


def diagnosis(sample: Sample, text: str, correct: bool) -> Diagnosis | None:
    """Return what is wrong with a response; None where its benchmark cannot tell."""
    home = benchmark_of(sample.id)
    return home.diagnose(sample, text, correct) if home and home.diagnose else None


def diagnoses(predictions: pd.DataFrame) -> list[Diagnosis]:
    """Return one per response; samples come back from their ids."""
    samples = {name: sample_of(name) for name in predictions.sample_id.unique()}
    columns = zip(predictions.sample_id, predictions.text, predictions.correct, strict=True)
    found = [diagnosis(samples[sample_id], text, correct) for sample_id, text, correct in columns]
    return [one for one in found if one is not None]


def suggested_facts(predictions: pd.DataFrame) -> pd.DataFrame:
    """Return what each response to a question that suggests a fact states of it, and what is suggested and true."""
    samples, rows = {name: sample_of(name) for name in predictions.sample_id.unique()}, []
    for name, one in zip(predictions.sample_id, diagnoses(predictions), strict=True):
        stated = {fact.name: fact.stated for fact in one.facts}
        for fact, value in samples[name].columns["hint"].items():
            rows.append({"stated": stated.get(fact), "suggested": value, "true": samples[name].facts[fact]})
    return pd.DataFrame(rows, columns=["stated", "suggested", "true"])


def sample_of(sample_id: str) -> Sample:
    home = benchmark_of(sample_id)
    if home is None or home.sample is None or home.diagnose is None:
        raise UserError(f"{sample_id} is of no benchmark that tells classes of error by construction")
    return home.sample(sample_id)


def known_classes(predictions: pd.DataFrame) -> pd.DataFrame | None:
    """Return the predictions with their classes; None where these are not known by construction."""
    return with_classes(predictions) if has_classes(predictions) else None


def with_classes(predictions: pd.DataFrame) -> pd.DataFrame:
    """Return the predictions with `error_class` and the chain's `mode`."""
    found = diagnoses(predictions)
    return predictions.assign(error_class=[d.primary for d in found], mode=[d.mode for d in found])
