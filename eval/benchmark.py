"""Describe a benchmark: where its rows lie, how a row becomes a sample, which rule scores it, what is reported.

A benchmark is one file of eval/benchmarks that holds a `BENCHMARK` (or several `BENCHMARKS`), and one folder of
fixtures; eval/loading.py reads the rows, eval/runner.py does the rest. One that makes its samples itself has
`generate` in place of `hub`, `parts`, `columns` and `read`.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd

from data import Sample
from data.known import Cells, Diagnosis
from verify import Verdict

Row = Mapping[str, Any]
# Sample, response text, number of the response (for chance that official rules roll); None = only a judge could tell.
Scorer = Callable[[Sample, str, int], Verdict | None]


@dataclass(frozen=True)
class Part:
    """One configuration and split of a hub data set; a benchmark reads one or several."""

    config: str | None
    split: str

    @property
    def file_name(self) -> str:
        """Name of its local copy, without ending."""
        return f"{self.config or 'default'}-{self.split}".replace(" ", "_").replace("/", "_")


@dataclass(frozen=True)
class Where:
    """The place of a row: for error sentences, and to find pictures that it names by path."""

    bench: str
    part: Part
    number: int
    folder: Path

    def __str__(self) -> str:
        return f"row {self.number} of {self.bench} ({self.part.file_name})"


@dataclass(frozen=True, kw_only=True)
class Benchmark:
    """One benchmark as its authors define it."""

    name: str
    title: str
    version: str  # of our reading of it, goes into every result: "mmstar/1"
    licence: str
    official: Scorer  # the authors' own rule; where it needs a judge it answers None
    hub: str = ""
    parts: tuple[Part, ...] = ()
    columns: tuple[str, ...] = ()  # a row must have these
    # A str says why the row is left out; left-out rows are counted.
    read: Callable[[Row, Where], Sample | str] | None = None
    rows: int | None = None  # how many its authors publish, filtered as `filter` says
    filter: str = ""
    breakdowns: tuple[str, ...] = ()  # tags of a sample by which scores are also reported
    cluster: str = ""  # tag that items of one problem share; empty = every item stands alone
    column: str = ""  # tag that names an item's column of a table; empty = the benchmark is one column
    metrics: Callable[[pd.DataFrame], dict[str, float]] | None = None  # the authors' own, of one response an item
    judged: str = ""  # what the judge is asked ("equal", "grade", ...), empty where no judge is needed
    # judged="extract": the authors' rule on the answer that a judge has copied out of a response.
    score_extraction: Callable[[Sample, str, str], Verdict] | None = None  # sample, extraction, response
    max_images: int = 1
    source: str = ""  # where rule and sizes are from
    prompt: str = "the bare question"  # whose words ask for the answer
    # Generated benchmarks: samples from a number of items (per column) and a split.
    generate: Callable[[int, str], Sequence[Sample]] | None = None
    check: Callable[[int, str], None] | None = None  # refuses what `generate` would, before any sample is made
    speakers: tuple[str, ...] = ()  # models of configs/models that only know its language
    preset: str = ""  # file of configs/presets that is made for its short answers and for no other benchmark
    # Optional hooks, for benchmarks that know more of their samples than question and answer.
    sample: Callable[[str], Sample] | None = None  # a sample by its id; one sentence for an id of another version
    diagnose: Callable[[Sample, str, bool], Diagnosis] | None = None  # sample, response, verdict: the class of error
    cells: Callable[[Sample], Cells] | None = None  # the cells of the picture, and where its facts are seen
    in_words: Callable[[Sample], tuple[str, str]] | None = None  # the question, and the picture's facts as sentences

    def column_of(self, sample: Sample) -> str:
        """Return the column of a table that a sample counts in."""
        return sample.tags[self.column] if self.column else self.name

    def summary(self, verdicts: pd.DataFrame) -> dict[str, float]:
        """Return the authors' own metrics from `verdict_table` of eval/rows.py, averaged over the k rounds."""
        if self.metrics is None:
            return {}
        rounds = pd.DataFrame([self.metrics(one_round) for _, one_round in verdicts.groupby("k", sort=True)])
        return {str(name): float(value) for name, value in rounds.mean().items()}
