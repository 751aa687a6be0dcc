"""Run a benchmark: sample k responses per item, judge them, write predictions and scores with their provenance."""

import json
from collections.abc import Sequence
from pathlib import Path
from types import ModuleType

import numpy as np
import pandas as pd

from configs import Run, UserError, atomic_path, atomic_write_text, save_resolved, sha256_of
from configs.progress import progress
from data import Sample
from data.views import check_view
from eval import bench_mini
from eval.settings import EvalSettings
from eval.statistics import average_at_k
from models.loader import load
from models.response import Response
from verify import Verdict
from verify.judge import judge

BENCHMARKS = {bench_mini.NAME: bench_mini}


def output_folder(settings: EvalSettings) -> Path:
    if settings.out:
        return Path(settings.out)
    if not settings.run:
        raise UserError("give run=<run folder>, or model=<name> together with out=<folder of the results>")
    return Path(settings.run) / "eval" / settings.bench


def prediction_row(sample: Sample, cluster: str, response: Response, verdict: Verdict) -> dict:
    """One response with everything that later analysis asks for; flat, so that pandas reads it in one line."""
    tags = sample.tags
    return {
        "sample_id": sample.id, "column": tags.get("column", ""), "subset": tags.get("subset", ""),
        "dependency": tags.get("dependency", ""), "version": tags.get("version", ""), "cluster": cluster,
        "k": response.k, "view": response.view, "text": response.text, "token_ids": response.token_ids,
        "finish_reason": response.finish_reason, "gold": sample.answer, "extracted": verdict.extracted,
        "correct": verdict.correct, "format_ok": verdict.format_ok, "grader": verdict.grader,
        "reason": verdict.reason,
    }  # fmt: skip


def column_scores(predictions: pd.DataFrame) -> dict[str, dict]:
    """avg@k of every column, of the vision-centric part and of each level of vision dependency."""
    parts = {name: predictions[predictions.column == name] for name in predictions.column.unique()}
    parts |= {name: predictions[predictions.subset == name] for name in predictions.subset.unique() if name}
    for level in predictions.dependency.unique():
        parts[f"dependency/{level}"] = predictions[predictions.dependency == level]
    scores = {}
    for name, part in parts.items():
        table = part.pivot(index="sample_id", columns="k", values="correct").to_numpy(dtype=float)
        clusters = part.drop_duplicates("sample_id").set_index("sample_id").sort_index().cluster.tolist()
        scores[str(name)] = average_at_k(table, clusters).record()
    return scores


def judged(samples: Sequence[Sample], responses: Sequence[Response], bench: ModuleType, grader: str) -> pd.DataFrame:
    by_id = {sample.id: sample for sample in samples}
    rows = []
    for response in responses:
        sample = by_id[response.sample_id]
        verdict = judge(sample, response.text, grader)
        rows.append(prediction_row(sample, bench.cluster_of(sample), response, verdict))
    return pd.DataFrame(rows)


def evaluate(settings: EvalSettings) -> None:
    """Sample, judge, and write predictions, scores and provenance."""
    check_view("view", settings.view)
    if settings.bench not in BENCHMARKS:
        raise UserError(f"no benchmark '{settings.bench}'; use one of {', '.join(BENCHMARKS)}")
    bench, out = BENCHMARKS[settings.bench], output_folder(settings)
    if settings.run:
        final = Path(settings.run) / "final"
        if not (final / "config.json").exists():
            raise UserError(f"{settings.run} has no final weights yet; finish it with python -m train first")
        settings.model.path = str(final)
    samples = bench.samples(settings.items, settings.split)
    out.mkdir(parents=True, exist_ok=True)
    save_resolved(settings, out / "config.yaml")
    weights = Path(settings.model.path) / "model.safetensors"
    model_revision = f"sha256:{sha256_of(weights)}" if weights.exists() else settings.model.revision or "newest"
    record = Run.collect(settings, revisions={"model": model_revision, "bench": bench.VERSION})
    model = load(settings.model)
    kept, prompts, too_long = model.encoder.encode_within_limit(samples, settings.view, settings.seed)
    with progress(f"eval {settings.run or settings.model.name}", len(kept) * settings.k) as advance:
        view = "clean" if settings.view.kind == "none" else settings.view.kind
        responses = model.sample(prompts, settings.k, settings.sampling, settings.seed, view, progress=advance)
    predictions = judged(kept, responses, bench, settings.grader)
    with atomic_path(out / "predictions.parquet") as path:
        predictions.to_parquet(path)
    scores = {"bench": bench.VERSION, "k": settings.k, "left_out": len(too_long),
              "cut_by_length": int((predictions.finish_reason == "length").sum()),
              "columns": column_scores(predictions)}  # fmt: skip
    record.save(out / "run.json")
    atomic_write_text(out / "scores.json", json.dumps(scores, indent=2) + "\n")
    names = [name for name in scores["columns"] if "/" not in name]
    mean = np.mean([scores["columns"][name]["mean"] for name in names])
    print(f"{out}: mean of {len(names)} columns {100 * mean:.1f} %")
