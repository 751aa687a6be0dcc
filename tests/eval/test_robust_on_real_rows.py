"""The robust grader against the authors' verdicts on recorded responses: every difference has its class."""

import re
from collections import Counter

import pytest

from data import Sample
from eval.benchmarks import BENCHMARKS
from eval.loading import read_tables
from eval.recorded import SOURCES
from eval.row_files import Table
from tests.real import REAL, needs_real_rows
from verify import Verdict
from verify.extract import gives_up
from verify.samples import grade_sample

pytestmark = [needs_real_rows, pytest.mark.slow]
LABEL = re.compile(r"^\W*[A-Z]{1,2}[).:]", re.MULTILINE)
REFUSAL = re.compile(r"\b(?:sorry|unable|cannot|can['’]t|not able|not enough|none of the above)\b", re.IGNORECASE)
OURS_WRONG = 0.003


def class_of(sample: Sample, text: str, ours: Verdict) -> str:
    """Say why the two verdicts differ; "open" where no rule of these says that theirs is the odd one."""
    if "print(" in text:
        return "program"  # theirs is about what the program prints
    if ours.correct:
        # Theirs wants their own spelling: a unit, a bracket or a word beside the answer is enough to lose it.
        return "spelling" if ours.extracted and not gives_up(text) else "open"
    if ours.extracted is None:
        no_answer = len(text) < 20 or REFUSAL.search(text) or len(LABEL.findall(text)) > 1
        return "no answer" if no_answer else "open"  # dice, the nearest option, a language model
    if sample.answer_type == "choice" and len(ours.extracted) == 1:
        return "letter"  # the response names another letter; theirs reads one in its text
    return "open"


@pytest.mark.parametrize("name", ["mmmu_pro_standard10", "mmmu_pro_vision", "emma_mini", "mathvision", "mathvista"])
def test_differences_from_the_recorded_verdicts(name: str) -> None:
    benchmark, source = BENCHMARKS[name], SOURCES[name]
    folder = REAL / source.folder
    parts = zip(benchmark.parts, source.rows(folder), strict=False)
    loaded = read_tables(benchmark, [(part, Table(rows, [], folder)) for part, rows in parts], gone_pictures=True)
    samples = {sample.id.removeprefix(f"{name}/"): sample for sample in loaded.samples}
    counts: Counter[str] = Counter()
    still_open = []
    for output in source.outputs(folder):
        sample = samples[output.item]
        ours = grade_sample(sample, output.text, "robust")
        kind = "same" if ours.correct == output.correct else class_of(sample, output.text, ours)
        counts[kind] += 1
        if kind == "open":
            still_open.append((output.item, sample.answer, ours.extracted, output.text[-200:]))
    print(name, dict(counts))
    assert counts["open"] <= OURS_WRONG * counts.total(), still_open
