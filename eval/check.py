"""Loaders and official rules on real rows and recorded outputs: what is read, what opens, how verdicts agree."""

import json
import time
from collections import Counter
from pathlib import Path
from typing import Any

from common import UserError, atomic_write_text
from data.images import BytesImage, FileImage, ImageSource
from eval.benchmark import Benchmark
from eval.benchmarks import BENCHMARKS, refuse_broken
from eval.loading import Loaded, read_tables
from eval.recorded import SOURCES, Source
from eval.row_files import Table

_NAMED = 20  # rows or outputs that are named in the record


def check_benchmark(benchmark: Benchmark, source: Source, data: Path) -> dict[str, Any]:
    """Return the record of one benchmark: rows, pictures, verdicts."""
    folder = data / source.folder
    tables = [
        (part, Table(rows, [str(folder)], folder))
        for part, rows in zip(benchmark.parts, source.rows(folder), strict=False)
    ]
    start = time.process_time()
    loaded = read_tables(benchmark, tables, gone_pictures=True)
    seconds = time.process_time() - start
    return {
        "rows": loaded.rows,
        "items": len(loaded.samples),
        "left_out": dict(loaded.left_out),
        "unusable": loaded.unusable[:_NAMED],
        "doubtful_golds": loaded.doubtful_golds[:_NAMED],
        "rows_per_second": int(loaded.rows / max(seconds, 1e-6)),  # of processor time
        "pictures": pictures_of(loaded),
        "verdicts": verdicts_of(loaded, source, folder),
    }


def pictures_of(loaded: Loaded) -> dict[str, Any]:
    """Open every picture that is there."""
    images: dict[ImageSource, None] = {image: None for sample in loaded.samples for image in sample.images}
    there = [
        image
        for image in images
        if isinstance(image, BytesImage) or (isinstance(image, FileImage) and image.path.is_file())
    ]
    failed = []
    for image in there:
        try:
            image.open()
        except UserError as error:
            failed.append(str(error))
    return {"opened": len(there) - len(failed), "failed": failed}


def verdicts_of(loaded: Loaded, source: Source, folder: Path) -> dict[str, Any]:
    """Compare the official rule's verdicts with the recorded ones.

    A response that the rule leaves to a language model is scored by what the authors' model read in it, where that is
    recorded, and else left open.
    """
    benchmark = loaded.benchmark
    samples = {sample.id.removeprefix(f"{benchmark.name}/"): sample for sample in loaded.samples}
    counts: Counter[str] = Counter()
    differ = []
    for number, output in enumerate(source.outputs(folder)):
        sample = samples.get(output.item)
        if sample is None:
            counts["without_row"] += 1
            continue
        verdict = (
            benchmark.score_extraction(sample, output.extraction, output.text)
            if output.extraction is not None and benchmark.score_extraction
            else benchmark.official(sample, output.text, 0)
        )
        if verdict is None:
            counts["left_open"] += 1
        elif verdict.reason == "guessed":
            counts["guessed"] += 1
        else:
            counts["compared"] += 1
            counts["agree"] += verdict.correct == output.correct
            if verdict.correct != output.correct:
                differ.append(f"output {number}, {output.item}: ours {verdict.correct}")
    found: dict[str, Any] = {
        name: counts[name] for name in ("compared", "agree", "left_open", "guessed", "without_row")
    }
    why = source.why if differ or counts["guessed"] else ""
    return found | {"why": why, "note": source.note, "differ": differ[:_NAMED]}


def check_all(data: Path) -> dict[str, Any]:
    """Return the records of all benchmarks whose folder is there."""
    refuse_broken()
    found = {name: source for name, source in SOURCES.items() if (data / source.folder).is_dir()}
    if not found:
        raise UserError(
            f"data={data} holds none of the folders {', '.join(sorted({s.folder for s in SOURCES.values()}))}"
        )
    records = {}
    for name, source in found.items():
        try:
            records[name] = check_benchmark(BENCHMARKS[name], source, data)
        except FileNotFoundError as error:  # a folder may hold a part of its files
            print(f"{name}: not checked, {error.filename} is not there")
    return records


def line_of(name: str, record: dict[str, Any]) -> str:
    verdicts = record["verdicts"]
    agree = f"{verdicts['agree']} of {verdicts['compared']} verdicts agree" if verdicts["compared"] else "no verdicts"
    read = f"{record['items']} of {record['rows']} rows, {record['pictures']['opened']} pictures opened"
    return f"{name}: {read}, {agree}, {record['rows_per_second']} rows/s"


def write_check(data: Path, out: Path) -> None:
    """Check everything that is there, and write the record without what changes from run to run."""
    records = check_all(data)
    for name, record in records.items():
        print(line_of(name, record))
        del record["rows_per_second"]
    atomic_write_text(out, json.dumps(records, indent=2, ensure_ascii=False) + "\n")
    print(f"{out}: written")
