"""OCRBench v2 (arXiv 2501.00321): reading and reasoning about text in pictures, 30 tasks in English and Chinese.

Scores are graded from 0 to 1. Rows of tasks that the authors compare as trees or by n-grams are left out and counted,
so the overall scores here rest on the other tasks and are not those of the leaderboard.
"""

import json
from dataclasses import replace

import pandas as pd

from common import UserError
from data import Sample
from eval.benchmark import Benchmark, Part, Row, Where
from eval.rows import first_picture, sample_id, text_list, text_of, with_pictures
from verify import Verdict
from verify.official import verdict
from verify.official.ocr import HAS_RULE, SHORT_ANSWER, ocrbench_score

# The authors' groups: a language's score is the mean of its groups.
GROUPS = {
    "text recognition": ("text recognition en", "fine-grained text recognition en", "full-page OCR en"),
    "text detection": ("text grounding en", "VQA with position en"),
    "text spotting": ("text spotting en",),
    "relationship extraction": ("key information extraction en", "key information mapping en"),
    "element parsing": ("document parsing en", "chart parsing en", "table parsing en", "formula recognition en"),
    "mathematical calculation": ("math QA en", "text counting en"),
    "visual text understanding": ("document classification en", "cognition VQA en", "diagram QA en"),
    "knowledge reasoning": ("reasoning VQA en", "science QA en", "APP agent en", "ASCII art classification en"),
    "text recognition cn": ("full-page OCR cn",),
    "relationship extraction cn": ("key information extraction cn", "handwritten answer extraction cn"),
    "element parsing cn": ("document parsing cn", "table parsing cn", "formula recognition cn"),
    "visual text understanding cn": ("cognition VQA cn",),
    "knowledge reasoning cn": ("reasoning VQA cn", "text translation cn"),
}
GROUP_OF = {task: group for group, tasks in GROUPS.items() for task in tasks}


def read(row: Row, where: Where) -> Sample | str:
    task, question = text_of(row["type"]), text_of(row["question"])
    if task not in GROUP_OF:
        raise UserError(f"{where} has the type {task!r}; expected one of {', '.join(GROUP_OF)}")
    if task not in HAS_RULE or (task.startswith("handwritten") and SHORT_ANSWER in question):
        return f"no rule here for {task}"
    answers = row["answers"]
    golds = answers if isinstance(answers, list) else [answers]
    if not golds or not text_of(golds[0]):
        return "no gold answer"
    box = row.get("bbox")
    box = text_list(box, where, "bbox") if box and text_of(box) != "None" else []
    return Sample(
        id=sample_id(where, row["id"]),
        source=where.bench,
        question=with_pictures(question, 1),
        images=(first_picture(row, ("image", "image_path"), where),),
        answer=text_of(golds[0]),
        answer_type="text",
        tags={
            "task": task,
            "group": GROUP_OF[task],
            "language": task[-2:],
            "form": text_of(row.get("eval")).removeprefix("None"),
            "golds": json.dumps(answers, ensure_ascii=False),
            "box": json.dumps(box),
        },
    )


def official(sample: Sample, text: str, k: int) -> Verdict:
    tags = sample.tags
    score = ocrbench_score(tags["task"], tags["form"], json.loads(tags["golds"]), json.loads(tags["box"]), text)
    found = verdict("ocrbench_v2", text.strip() or None, score == 1, text, "text" if score else "mismatch")
    return replace(found, partial=score)


def by_language(verdicts: pd.DataFrame) -> dict[str, float]:
    """Return the mean of each group, and of a language's groups."""
    groups = verdicts.groupby(["language", "group"]).score.mean()
    means = {f"{language}/overall": float(part.mean()) for language, part in groups.groupby("language")}
    return means | {f"{language}/{group}": float(mean) for (language, group), mean in groups.items()}


BENCHMARK = Benchmark(
    name="ocrbench_v2",
    title="OCRBench v2",
    version="ocrbench_v2/1",
    hub="ling99/OCRBench_v2",
    parts=(Part(None, "test"),),
    licence="research only",
    columns=("id", "type", "question", "answers"),
    read=read,
    official=official,
    rows=10000,
    breakdowns=("task", "group", "language"),
    metrics=by_language,
    source="MultimodalOCR repository 671a3f8, OCRBench_v2/eval_scripts; PAPO's Table 12 names no protocol",
)
