"""Nothing of a run made elsewhere is taken on trust: its texts are judged again (docs/record.md)."""

from collections.abc import Mapping
from pathlib import Path

from analysis.runs import samples_of
from common import UserError
from configs import Run, load_resolved
from eval.output import read_predictions
from eval.settings import EvalSettings
from eval.tasks import tasks_of
from eval.verdicts import scorer_of


def refuse_other_verdicts(evaluation: Path) -> None:
    """Judge every text again, against the benchmark's own answers, and refuse verdicts that do not follow."""
    settings = load_resolved(EvalSettings, evaluation / "config.yaml")
    columns = ["sample_id", "k", "bench", "text", "correct", "score"]
    frame = read_predictions(evaluation, columns)
    samples = samples_of(evaluation, frame.sample_id)
    scorers = {task.name: scorer_of(settings.grader, task) for task in tasks_of(settings, gone_pictures=True)}
    wrong = 0
    for name, k, bench, text, correct, score in frame[columns].itertuples(index=False):
        if name not in samples or bench not in scorers:
            wrong += 1
        elif (found := scorers[bench](samples[name], text, int(k))) is not None:  # None: left to a judge
            wrong += (found.correct, found.score) != (bool(correct), score)
    if wrong:
        told = f"{wrong} of {len(frame)} verdicts in {evaluation} do not follow from their texts"
        raise UserError(f"{told}; evaluate its weights again")


def refuse_other_benchmark(records: Mapping[str, Run]) -> None:
    """Refuse rows that were evaluated on different versions of a benchmark."""
    versions = {name: record.revisions.get("bench", "") for name, record in records.items()}
    if len(set(versions.values())) > 1:
        told = ", ".join(f"{name}: {version}" for name, version in versions.items())
        raise UserError(f"the rows were evaluated on different versions of a benchmark ({told}); evaluate them again")
