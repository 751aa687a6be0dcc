"""AI2D: multiple choice about school-book diagrams; the gold is the option's index."""

from common import UserError
from data import Sample
from eval.benchmark import Benchmark, Part, Row, Where
from eval.rows import LETTERS, first_picture, option_lines, sample_id, text_list, text_of, with_pictures
from verify import Verdict
from verify.official import verdict
from verify.official.letters import ai2d_letter

ASK = "Answer with the letter of the right option."


def read(row: Row, where: Where) -> Sample | str:
    options = text_list(row["options"], where, "options")
    index = text_of(row["answer"])
    if not index.isdecimal() or int(index) >= len(options):
        raise UserError(f"{where} has the answer {index!r}, no index of its {len(options)} options; correct it")
    return Sample(
        id=sample_id(where, where.number),
        source=where.bench,
        question=with_pictures("\n".join([text_of(row["question"]), option_lines(options, "{}. {}"), ASK]), 1),
        images=(first_picture(row, ("image",), where),),
        answer=LETTERS[int(index)],
        answer_type="choice",
        choices=options,
    )


def official(sample: Sample, text: str, k: int) -> Verdict:
    letter = ai2d_letter(text)
    if letter is None:
        return verdict("ai2d", None, False, text, "no_answer")
    correct = letter == sample.answer
    return verdict("ai2d", letter, correct, text, "letter" if correct else "mismatch")


BENCHMARK = Benchmark(
    name="ai2d",
    title="AI2D",
    version="ai2d/1",
    hub="lmms-lab/ai2d",
    parts=(Part(None, "test"),),
    licence="CC BY-SA",
    columns=("question", "options", "answer", "image"),
    read=read,
    official=official,
    rows=3088,
    prompt="ours",
    source="letter rule of lmms-eval 75571cf; its authors publish none for free responses",
)
