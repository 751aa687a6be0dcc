"""CLEVR-Math: adding, removing and counting objects of CLEVR scenes; small integers, reported by template."""

from data import Sample
from eval.benchmark import Benchmark, Part, Row, Where
from eval.rows import first_picture, sample_id, text_of, with_pictures
from verify import Verdict
from verify.official import verdict
from verify.official.values import boxed_integer_accepts
from verify.papo import last_box


def read(row: Row, where: Where) -> Sample | str:
    scene = text_of(row["id"])
    return Sample(
        # The data set's id is the picture's name; even picture and question together may occur twice.
        id=sample_id(where, f"{scene}/{where.number}"),
        source=where.bench,
        question=with_pictures(text_of(row["question"]), 1),
        images=(first_picture(row, ("image",), where),),
        answer=text_of(row["label"]),
        answer_type="number",
        tags={"template": text_of(row["template"]), "scene": scene},
    )


def official(sample: Sample, text: str, k: int) -> Verdict:
    """Exact equality of integers: the whole response, as the authors' models give it, or the box of a longer one."""
    bare = text.strip().removesuffix(".")
    if bare.isdecimal() and len(bare) < 10:
        correct = int(bare) == int(sample.answer)
        return verdict("clevr_math", bare, correct, text, "number" if correct else "mismatch")
    box = last_box(text)
    if box is None:
        return verdict("clevr_math", None, False, text, "no_box")
    correct = boxed_integer_accepts(text, sample.answer)
    return verdict("clevr_math", box, correct, text, "number" if correct else "mismatch")


BENCHMARK = Benchmark(
    name="clevr_math",
    title="CLEVR-Math",
    version="clevr_math/1",
    hub="ohjoonhee/CLEVR-Math-Test",
    parts=(Part("general", "test"),),
    licence="CC BY 4.0",
    columns=("template", "id", "question", "image", "label"),
    read=read,
    official=official,
    rows=7955,
    breakdowns=("template",),
    cluster="scene",
    source="CLEVR-Math repository d9a9f8f; a Parquet copy of dali-does/clevr-math, which is a loading script that "
    "datasets does not run any more",
)
