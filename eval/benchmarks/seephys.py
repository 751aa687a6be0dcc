"""SeePhys: physics problems from school to doctorate, in English and Chinese; a judge decides what rules cannot."""

from data import Sample
from eval.benchmark import Benchmark, Part, Row, Where
from eval.rows import pictures, sample_id, text_of, with_pictures
from verify import Verdict
from verify.official import verdict
from verify.official.maths import seephys_direct

FIGURES = {"English": "Give the final value with {} significant figures.", "Chinese": "最终数值请保留 {} 位有效数字。"}


def read(row: Row, where: Where) -> Sample | str:
    language = text_of(row["language"])
    figures = text_of(row["sig_figs"]).removesuffix(".0")  # a column with gaps may hold its integers as floats
    question = text_of(row["question"])
    if figures:
        question += "\n" + FIGURES["Chinese" if language == "Chinese" else "English"].format(figures)
    images = pictures(row["images"], where)
    return Sample(
        id=sample_id(where, row["index"]),
        source=where.bench,
        question=with_pictures(question, len(images)),
        images=images,
        answer=text_of(row["answer"]),
        tags={
            "level": text_of(row["level"]),
            "subject": text_of(row["subject"]),
            "language": language,
            "relevance": text_of(row["vision_relevance"]),
            "picture": text_of(row["img_category"]),
            "figures": figures,
        },
    )


def official(sample: Sample, text: str, k: int) -> Verdict | None:
    correct = seephys_direct(text, sample.answer)
    if correct is None:
        return None
    return verdict("seephys", text.strip() or None, correct, text, "math" if correct else "mismatch")


BENCHMARK = Benchmark(
    name="seephys",
    title="SeePhys",
    version="seephys/1",
    hub="SeePhys/SeePhys",
    parts=(Part(None, "train"),),
    licence="Apache-2.0",
    columns=(
        "index",
        "question",
        "images",
        "answer",
        "level",
        "subject",
        "language",
        "img_category",
        "vision_relevance",
        "sig_figs",
    ),
    read=read,
    official=official,
    rows=2000,
    breakdowns=("level", "subject", "language", "relevance", "picture"),
    judged="equal",
    max_images=10,
    prompt="ours",
    source="SeePhys repository 62d14b3: direct match first, else a judge that also checks significant figures",
)
