"""Verdicts on responses: the authors' rules first, then a recorded judge, and what nobody scored stays unscored."""

import dataclasses
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from common import UserError
from configs import compose
from eval.benchmarks import BENCHMARKS
from eval.checks import check_names
from eval.scores import task_record
from eval.settings import EvalSettings
from eval.tasks import Task, benchmark_task
from eval.verdicts import LONGEST_ANSWER, judged_table
from models.response import Response
from tests.eval.make_fixtures import FOLDER
from tests.recorded_server import FakeClock, Play, RecordedServer, says
from verify.llm_judge import JudgeSettings, LlmJudge

NAMES = ["robust", "official"]
YES, NO, NONSENSE = '{"verdict": "yes"}', '{"verdict": "no"}', "Well, it depends."


@pytest.fixture(autouse=True)
def no_keys(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("PERCEPT_JUDGE_KEY", raising=False)
    monkeypatch.delenv("PERCEPT_SERVER_KEY", raising=False)


class Case:
    """One benchmark's fixtures with responses to some of its items, and a judge that knows a reply to each."""

    def __init__(
        self, name: str, responses: Mapping[str, list[str]], replies: Mapping[str, str], folder: Path
    ) -> None:
        task = benchmark_task(BENCHMARKS[name], FOLDER, compose(EvalSettings, ["model=tiny", "items=0"]))
        by_id = {sample.id.removeprefix(f"{name}/"): sample for sample in task.samples}
        self.task = dataclasses.replace(task, samples=[by_id[item] for item in responses])
        self.responses = [
            Response(f"{name}/{item}", k, "clean", text)
            for item, texts in responses.items()
            for k, text in enumerate(texts)
        ]
        self.replies = replies
        self.folder = folder
        self.asked: list[str] = []

    def play(self, path: str, body: Any, number: int) -> Play:
        """The reply of the one response that stands in the case."""
        text = body["messages"][1]["content"]
        self.asked.append(text)
        part = re.search(r"^\[\[(?:response|answer) \w+\]\]\n(.*)\n\[\[end", text, re.DOTALL | re.MULTILINE)
        return (
            says(self.replies[part[1]])
            if part and part[1] in self.replies
            else Play(400, {"error": {"message": text}})
        )

    def table(self, names: list[str] | None = None) -> pd.DataFrame:
        with RecordedServer(self.play) as server:
            settings = JudgeSettings(base_url=server.url, model="recorded", cache=str(self.folder / "judge.jsonl"))
            judge = LlmJudge(settings, **FakeClock().options())
            return judged_table(self.task, self.responses, names or NAMES, judge)

    def alone(self) -> pd.DataFrame:
        return judged_table(self.task, self.responses, NAMES, None)


def official(table: pd.DataFrame, *parts: str) -> list[Any]:
    """Parts of the official verdicts, None where there is none."""
    columns = [table[f"{part}_official"].astype(object) for part in parts]
    cells = [[None if pd.isna(cell) else cell for cell in column] for column in columns]
    return cells[0] if len(parts) == 1 else list(zip(*cells, strict=True))


def record(task: Task, table: pd.DataFrame, names: list[str] | None = None) -> dict[str, Any]:
    return task_record(task, table, names or NAMES, [])


def test_equal_asks_only_about_what_the_rule_leaves_open(tmp_path: Path) -> None:
    """MMK12: a boxed letter speaks for itself."""
    texts = ["\\boxed{C}", "\\boxed{A}", "I count three discs", "I count no disc", "Who knows?"]
    replies = {"C": YES, "D": NO, "Who knows?": NONSENSE}  # an answer that can be read is shown alone
    case = Case("mmk12", {"math-1": texts}, replies, tmp_path)
    table = case.table()
    assert official(table, "correct", "score", "reason") == [
        (True, 1.0, "letter"),
        (False, 0.0, "mismatch"),
        (True, 1.0, "judge-yes"),
        (False, 0.0, "judge-no"),
        (None, None, "judge-unparsed"),
    ]
    assert official(table, "grader") == ["official-mmk12/1"] * 4 + [None]
    assert len(case.asked) == 3
    for text in case.asked:
        assert (
            re.search(r"\[\[reference \w+\]\]\nC\n", text)
            and "C. three discs" in text
            and "A question of math" in text
        )
        assert "<image>" not in text
    assert table.correct_robust.notna().all() and table.correct.equals(table.correct_robust.astype(bool))


def test_equal_shows_the_answer_instead_of_the_reasons(tmp_path: Path) -> None:
    """MathVerse: the boxed answer without its reasons; of a response without an answer the end."""
    long = "so we go on " * 300 + "and end."
    boxed = "<think> nine times pi </think> The area is \\boxed{9\\pi}."
    end = long[-LONGEST_ANSWER:]
    assert len(long) > LONGEST_ANSWER
    case = Case("mathverse", {"6": [boxed, long, "9 apples"]}, {"9\\pi": YES, end: NO, "9 apples": NO}, tmp_path)
    table = case.table()
    assert official(table, "correct") == [True, False, False]
    assert not any("nine times pi" in text for text in case.asked)
    assert all("Area $=9 \\pi \\mathrm{cm}^{2}$" in text for text in case.asked)


def test_extract_goes_on_with_the_authors_rule(tmp_path: Path) -> None:
    """MathVista: a letter, a number in other notation, nothing settled, and a reply that is none."""
    texts = {
        "1": ["the one in between", "the outer one", "unsure"],
        "5": ["it should be 14.70", "more than that", "?"],
    }
    replies = {
        "the one in between": '{"answer": "B"}',
        "the outer one": '{"answer": "A"}',
        "unsure": '{"answer": null}',
        "it should be 14.70": '{"answer": "14.70"}',
        "more than that": '{"answer": "15"}',
        "?": NONSENSE,
    }
    case = Case("mathvista", texts, replies, tmp_path)
    assert official(case.table(), "correct", "extracted", "reason") == [
        (True, "middle", "text"),
        (False, "left", "mismatch"),
        (False, None, "judge-no_answer"),
        (True, "14.7", "text"),
        (False, "15.0", "mismatch"),
        (None, None, "judge-unparsed"),
    ]
    assert len(case.asked) == 6
    # Who copies an answer out must not know the gold.
    assert not any("[[reference" in text for text in case.asked)


def test_extract_of_several_letters(tmp_path: Path) -> None:
    texts = ["B, D", "the second and the fourth", "only the fourth", "cannot tell"]
    replies = {
        "the second and the fourth": '{"answer": "D and B"}',
        "only the fourth": '{"answer": "D"}',
        "cannot tell": NONSENSE,
    }
    case = Case("logicvista", {"v1_1": texts}, replies, tmp_path)
    assert official(case.table(), "correct", "extracted", "reason") == [
        (True, "B, D", "letter"),
        (True, "B, D", "letter"),
        (False, "D", "mismatch"),
        (None, None, "judge-unparsed"),
    ]
    assert len(case.asked) == 3


def test_extract_without_a_rule_of_its_own_compares_letters(tmp_path: Path) -> None:
    texts = ["the right one", "the left one", "neither", "hm"]
    replies = {
        "the right one": '{"answer": "(B)"}',
        "the left one": '{"answer": "A."}',
        "neither": '{"answer": null}',
        "hm": NONSENSE,
    }
    case = Case("blink", {"val_Counting_1": texts}, replies, tmp_path)
    table = case.table()
    assert official(table, "correct", "reason") == [
        (True, "letter"),
        (False, "mismatch"),
        (False, "judge-no_answer"),
        (None, "judge-unparsed"),
    ]
    assert official(table, "grader") == ["official-blink/1"] * 3 + [None]


def test_a_grade_is_a_share_and_neither_right_nor_wrong(tmp_path: Path) -> None:
    texts = {"v1_0": ["3 bars", "many bars"], "v1_1": ["a red box", "a square, red"], "v1_2": ["half", "0.5"]}
    replies = {
        "3 bars": "1.0",
        "many bars": "0.0",
        "a red box": '{"grade": 0.5}',
        "a square, red": '{"grade": 0.9}',
        "half": "0.25",
        "0.5": "1.0",
    }
    case = Case("mmvet", texts, replies, tmp_path)
    names = ["official", "robust"]
    table = case.table(names)
    assert official(table, "score") == [1.0, 0.0, 0.5, 0.9, None, 1.0]
    assert official(table, "correct") == official(table, "extracted") == [None] * 6
    assert official(table, "reason") == ["judge-grade"] * 4 + ["judge-unparsed", "judge-grade"]
    assert any("red<AND>square" in text for text in case.asked)
    found = record(case.task, table, names)
    # Of the third item one response has no grade, so the mean is of the first two.
    assert found["scorers"]["official"]["avg_at_k"]["mean"] == pytest.approx((0.5 + 0.7) / 2)
    assert [found["scorers"]["official"][name] for name in ("unscored", "items_left_out")] == [1, 1]
    assert found["at_k"] == {} and found["metrics"] == {"official": {}, "robust": {}}
    assert record(case.task, table, ["robust"])["at_k"].keys() == {"pass@1", "maj@1", "pass@2", "maj@2"}


def test_unclear_is_right_only_where_a_supplement_is_absent(tmp_path: Path) -> None:
    texts = {
        "VS/chart/3/0/0": ["I cannot see it (a)", "It is (b)", "It is not (c)", "Yes.", "Oh (d)"],
        "VS/chart/3/1/0": ["I cannot see it (e)"] * 5,
        "VD/illusion/0/0/0": ["I cannot see it (f)"] * 5,
    }
    verdicts = {
        "(a)": "unclear",
        "(b)": "correct",
        "(c)": "incorrect",
        "(d)": "maybe",
        "(e)": "unclear",
        "(f)": "unclear",
    }
    shown = {text[-3:]: text for one in texts.values() for text in one}
    replies = {shown[mark]: f'{{"verdict": "{word}"}}' for mark, word in verdicts.items()}
    case = Case("hallusionbench", texts, replies, tmp_path)
    table = case.table()
    assert official(table, "correct") == [True, True, False, True, None] + [False] * 10
    assert official(table, "reason")[:5] == [
        "judge-unclear",
        "judge-correct",
        "judge-incorrect",
        "text",
        "judge-unparsed",
    ]
    assert len(case.asked) == 6  # equal cases share a request
    assert sum("The second bar is the tallest." in text for text in case.asked) == 5


@pytest.mark.parametrize(("category", "right"), [("VS", True), ("VD", False)])
def test_unclear_is_never_right_where_the_figure_is_the_question(tmp_path: Path, category: str, right: bool) -> None:
    case = Case("hallusionbench", {"VS/chart/3/0/0": ["Who knows?"]}, {"Who knows?": "unclear"}, tmp_path)
    (sample,) = case.task.samples
    sample.tags["category"] = category
    assert official(case.table(), "correct") == [right]


@pytest.mark.parametrize(
    ("name", "item"),
    [
        ("mathverse", "1"),
        ("mmk12", "math-1"),
        ("mathvista", "1"),
        ("logicvista", "v1_0"),
        ("blink", "val_Counting_1"),
        ("mmvet", "v1_0"),
        ("hallusionbench", "VS/chart/3/0/0"),
    ],
)
def test_without_a_judge_it_is_unscored_and_counted(tmp_path: Path, name: str, item: str) -> None:
    case = Case(name, {item: ["Well, who could say this?"] * 2}, {}, tmp_path)
    table = case.alone()
    assert official(table, "correct", "score", "reason") == [(None, None, None)] * 2
    found = record(case.task, table)["scorers"]
    assert found["official"] == {"avg_at_k": None, "unscored": 2, "items_left_out": 1, "guessed": 0, "graders": []}
    assert found["robust"]["avg_at_k"]["items"] == 1


def test_a_judge_that_is_not_needed_is_not_asked(tmp_path: Path) -> None:
    settled = Case("mmk12", {"math-1": ["\\boxed{C}", "\\boxed{D}"]}, {}, tmp_path)
    assert official(settled.table(), "correct") == [True, False] and settled.asked == []
    unofficial = Case("mmk12", {"math-1": ["three"]}, {}, tmp_path)
    unofficial.table(["robust", "paper"])
    assert unofficial.asked == []
    unjudged = Case("mmstar", {"0": ["D"]}, {}, tmp_path)
    assert official(unjudged.table(), "correct") == [False] and unjudged.asked == []


def test_a_judge_that_cannot_be_reached_gets_a_sentence(tmp_path: Path) -> None:
    case = Case("mmk12", {"math-1": ["three"]}, {}, tmp_path)
    settings = JudgeSettings(base_url="http://127.0.0.1:9/v1", cache=str(tmp_path / "judge.jsonl"))
    judge = LlmJudge(settings, **FakeClock().options())
    with pytest.raises(UserError, match=r"cannot be reached.*or leave the judge off"):
        judged_table(case.task, case.responses, NAMES, judge)


def test_the_scorer_that_decides_fills_the_plain_columns(tmp_path: Path) -> None:
    case = Case("mmk12", {"math-1": ["\\boxed{C}", "three"]}, {}, tmp_path)
    table = judged_table(case.task, case.responses, ["official", "paper"], None)
    assert table.grader.tolist()[0] == "official-mmk12/1" and table.score.isna().tolist() == [False, True]
    assert [None if pd.isna(cell) else cell for cell in table.correct] == [True, None]
    table = judged_table(case.task, case.responses, ["paper", "official"], None)
    assert set(table.grader) == {"papo/2"} and table.correct.tolist() == [True, False] and table.correct.dtype == bool
    assert table.choices.tolist()[0] == ["one disc", "two discs", "three discs", "no disc"]


def test_names_of_scorers() -> None:
    def names(*overrides: str) -> list[str]:
        return check_names(compose(EvalSettings, ["model=tiny", *overrides]))

    assert names() == ["robust"]
    assert names("grader=official", "scorers=[paper,robust,official,paper]") == ["official", "paper", "robust"]
    with pytest.raises(UserError, match="no scorer 'offical'; did you mean 'official'"):
        names("scorers=[offical]")
    with pytest.raises(UserError, match="no scorer ''"):
        names("grader=")
