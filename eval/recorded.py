"""Rows and recorded outputs of benchmarks in the form of their authors' repositories, for `eval.catalogue check`.

A folder of such data has one folder a benchmark. Rows get the column names of the hub; where a repository leaves
pictures out, a row names files that do not exist.
"""

import ast
import csv
import json
import re
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

Rows = list[dict[str, Any]]
_TAG = re.compile(r"<image[ _](\d)>")


@dataclass(frozen=True)
class Output:
    """One recorded response, the answer that the authors' language model read in it (if any), and their verdict."""

    item: str  # id of the sample, without the benchmark
    text: str
    extraction: str | None
    correct: bool


@dataclass(frozen=True, kw_only=True)
class Source:
    """Where the rows and outputs of one benchmark are."""

    folder: str
    rows: Callable[[Path], list[Rows]]  # one list for each part that is there, in the order of the parts
    outputs: Callable[[Path], Iterable[Output]] = lambda folder: ()
    why: str = ""  # why verdicts differ, where they do
    note: str = ""  # what else must be known of the numbers


def _json(path: Path) -> Any:
    return json.loads(path.read_text(encoding="utf-8"))


def _lines(path: Path) -> Rows:
    return [json.loads(line) for line in path.read_text(encoding="utf-8").split("\n") if line.strip()]


def _by_id(table: Any, name: str = "id") -> Rows:
    return [{name: key} | row for key, row in table.items()] if isinstance(table, dict) else table


def _with_tagged_pictures(row: dict[str, Any]) -> dict[str, Any]:
    tags = _TAG.findall(f"{row['question']} {row['options']}") or ["1"]
    return row | {f"image_{tag}": f"images/{tag}.png" for tag in tags}


def _mathvision_outputs(folder: Path) -> Iterator[Output]:
    for path in sorted((folder / "outputs").glob("*.jsonl")):
        for row in _lines(path):
            yield Output(row["id"], row["response"], None, row["correct"])


def _logicvista_outputs(folder: Path) -> Iterator[Output]:
    for path in sorted((folder / "results").glob("*.csv")):
        with path.open(encoding="utf-8", newline="") as lines:
            for row in csv.reader(lines):
                if row[1].startswith("v1_"):
                    letters = ", ".join(ast.literal_eval(row[5])).upper().replace("ZZZZZ", "")
                    yield Output(row[1], row[6], letters, row[7] == "1")


def _mathvista_rows(folder: Path) -> list[Rows]:
    queries, pictures = _json(folder / "query.json"), folder / "vlmevalkit_rows_with_pictures.json"
    inside = {row["index"]: {"image": row["image"]} for row in (_json(pictures) if pictures.is_file() else ())}
    rows = _by_id(_json(folder / "testmini.json"), "pid")
    return [
        [row | {"query": queries[row["pid"]]} | inside.get(row["pid"], {}) for row in rows if row["pid"] in queries]
    ]


def _mathvista_outputs(folder: Path) -> Iterator[Output]:
    for path in sorted((folder / "results").glob("*.json")):
        for row in _by_id(_json(path), "pid"):
            yield Output(row["pid"], row["response"] or "", str(row["extraction"]), bool(row["true_false"]))


def _mmmu_pro(name: str) -> dict[str, Any]:
    def lines(folder: Path) -> Rows:
        return [row for path in sorted((folder / "output").glob(f"*_{name}_direct.jsonl")) for row in _lines(path)]

    def outputs(folder: Path) -> Iterator[Output]:
        for row in lines(folder):
            # The authors' script takes what is no text (a request that failed) for its printed form.
            yield Output(row["id"], str(row["response"]), None, bool(row["if_right"]))

    return {
        "folder": "mmmu_pro",
        "rows": lambda folder: [[_with_tagged_pictures(row) | {"image": "images/1.png"} for row in lines(folder)]],
        "outputs": outputs,
        "why": "where their script finds no letter it rolls dice, and so does ours with dice of its own",
    }


def _dynamath_rows(folder: Path) -> list[Rows]:
    return [
        [
            row
            | {
                "image": f"trial{trial}/{row['image']}",
                "ground_truth": row["answer"],
                "knowledge_level": row["level"],
            }
            for row in _by_id(_json(folder / f"trial{trial}" / "dataset.json"))
        ]
        for trial in range(1, 11)
    ]


def _emma(rows: str, results: str) -> dict[str, Any]:
    def outputs(folder: Path) -> Iterator[Output]:
        for path in sorted((folder / "results").glob(results)):
            for row in _by_id(_json(path), "pid"):
                yield Output(row["pid"], row["response"], None, bool(row["true_false"]))

    return {
        "folder": "emma",
        "rows": lambda folder: [[_with_tagged_pictures(row) for row in _by_id(_json(folder / rows), "pid")]],
        "outputs": outputs,
        "why": "some of their files were scored by a language model or by an older version of the rule",
    }


def _blink_rows(folder: Path) -> list[Rows]:
    """Read ids and golds; the questions are not in the repository, a task's last gold letter counts its options."""
    rows = []
    golds = _json(folder / "val_answers.json")
    for name, gold in golds.items():
        task = name.removeprefix("val_").rpartition("_")[0]
        last = max(other[1] for key, other in golds.items() if key.startswith(f"val_{task}_"))
        choices = [f"option {letter}" for letter in "ABCDE"[: ord(last) - ord("A") + 1]]
        row = {"idx": name, "sub_task": task, "image_1": "images/1.png", "choices": choices, "answer": gold}
        rows.append(row | {"prompt": "The repository does not have it."})
    return [rows]


def _blink_outputs(folder: Path) -> Iterator[Output]:
    for path in sorted((folder / "saved_outputs").glob("*/*.json")):
        for row in _json(path)["val"]:
            yield Output(row["idx"], row["full_prediction"], None, row["prediction"] == row["answer"])


def _mathverse_rows(folder: Path) -> list[Rows]:
    """Read five rows of testmini, and those without picture under the version that has the same text with one."""
    seen = _json(folder / "output_testmini.json")
    text_only = _json(folder / "testmini_text_only.json")
    with_version = {"problem_version": "Text Dominant", "image": "images/none.png"}
    return [seen + [row | with_version | {"sample_index": f"text_{row['sample_index']}"} for row in text_only]]


def _mmstar_rows(folder: Path) -> Rows:
    return [
        row | {"image": "images/none.png", "meta_info": {"source": row["bench"]}}
        for path in sorted(folder.glob("*.jsonl"))
        for row in _lines(path)
    ]


def _mmstar_outputs(folder: Path) -> Iterator[Output]:
    for row in _mmstar_rows(folder):
        yield Output(str(row["index"]), str(row["prediction"]), None, str(row["prediction"])[:1] == row["answer"])


def _pope_rows(folder: Path) -> list[Rows]:
    return [
        [
            row | {"question": row["text"], "answer": row["label"], "category": category, "image_source": row["image"]}
            for category in ("adversarial", "popular", "random")
            for row in _lines(folder / f"coco_pope_{category}.json")
        ]
    ]


def _superclevr_outputs(folder: Path) -> Iterator[Output]:
    numbers = {row["image_path"].removeprefix("./"): n for n, row in enumerate(_superclevr_rows(folder)[0])}
    for path in sorted((folder / "logs").glob("*.json")):
        for row in _json(path)["results"]:
            name = row["question"]["image_path"].removeprefix("./")
            yield Output(str(numbers[name]), row["model_output"], None, row["extracted_answer"] == row["ground_truth"])


def _superclevr_rows(folder: Path) -> list[Rows]:
    return [_lines(folder / "superclevr_test200_counting_problems.jsonl")]


def _hallusionbench_rows(folder: Path) -> list[Rows]:
    rows = [row | {"image": row["filename"]} for row in _json(folder / "HallusionBench.json")]
    return [[row for row in rows if (row["visual_input"] == "0") == without] for without in (False, True)]


def _ai2d_rows(folder: Path) -> list[Rows]:
    rows = [row for row in _lines(folder / "tool" / "data.jsonl") if "/ai2d_" in row["image_1"]]
    return [[row | {"answer": ord(row["answer"]) - ord("A"), "image": f"tool/{row['image_1']}"} for row in rows]]


def _chartqa_rows(folder: Path) -> list[Rows]:
    rows = _json(folder / "test_human_first_rows.json")
    return [[row | {"image": row["imgname"], "human_or_machine": 0} for row in rows]]


SOURCES = {
    "mathvision": Source(
        folder="mathvision",
        rows=lambda folder: [_lines(folder / "test.jsonl")],
        outputs=_mathvision_outputs,
        why="their parser takes some parsed prefix for the whole, and cannot read some signs that ours reads",
    ),
    "mathvision_mini": Source(folder="mathvision", rows=lambda folder: [_lines(folder / "testmini.jsonl")]),
    "wemath": Source(folder="wemath", rows=lambda folder: [_json(folder / "testmini.json")]),
    "logicvista": Source(
        folder="logicvista",
        rows=lambda folder: [[row | {"image": row["imagename"]} for row in _by_id(_json(folder / "dataset.json"))]],
        outputs=_logicvista_outputs,
    ),
    "mathvista": Source(
        folder="mathvista",
        rows=_mathvista_rows,
        outputs=_mathvista_outputs,
        why='recorded by an older script of theirs, in which an integer written "5.0" failed',
    ),
    "mmmu_pro_standard10": Source(**_mmmu_pro("standard(10 options)")),
    "mmmu_pro_vision": Source(**_mmmu_pro("vision")),
    "dynamath": Source(folder="dynamath", rows=_dynamath_rows),
    "emma": Source(**_emma("EMMA_rows_seen.json", "EMMA__*.json")),
    "emma_mini": Source(**_emma("EMMA-mini_rows_CoT.json", "EMMA-mini__*.json")),
    "hallusionbench": Source(folder="hallusionbench", rows=_hallusionbench_rows),
    "blink": Source(
        folder="blink",
        rows=_blink_rows,
        outputs=_blink_outputs,
        why="their language model overruled the letter in brackets",
        note="ids, golds and outputs alone; the questions are not in the repository",
    ),
    "mathverse": Source(
        folder="mathverse",
        rows=_mathverse_rows,
        note="5 rows of testmini, the others from its version without picture",
    ),
    "geometry3k": Source(folder="geometry3k", rows=lambda folder: [_json(folder / "geometry3k_test.json")]),
    "mmstar": Source(
        folder="mmstar",
        rows=lambda folder: [_mmstar_rows(folder)],
        outputs=_mmstar_outputs,
        note="no verdict is recorded: compared with the first letter of the prediction",
    ),
    "pope": Source(folder="pope", rows=_pope_rows),
    "superclevr": Source(folder="superclevr", rows=_superclevr_rows, outputs=_superclevr_outputs),
    "chartqa": Source(folder="chartqa", rows=_chartqa_rows),
    "ai2d": Source(folder="mmmu_pro", rows=_ai2d_rows, note="rows that MMMU-Pro's screenshot tool quotes"),
}
