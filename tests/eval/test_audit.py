"""Agreement of scorers by hand, what is left unscored, disputed responses, and the command."""

import json
from pathlib import Path

import pandas as pd
import pytest

from common import UserError, read_jsonl
from data import Sample
from eval.audit import agreement_table, disputed, main, write_audit
from eval.grading import by_grader, regrade
from verify import Verdict


def judged(pairs: list[tuple[bool | None, bool | None]], column: str = "chart") -> pd.DataFrame:
    """Verdicts of two scorers, one response per item."""
    frame = pd.DataFrame(
        {"correct_a": [one for one, _ in pairs], "correct_b": [two for _, two in pairs]}, dtype=object
    )
    frame = frame.assign(sample_id=[f"i{n}" for n in range(len(pairs))], column=column, k=0, gold="4", text="so 4")
    return frame.assign(**{f"{part}_{name}": part for part in ("extracted", "reason", "grader") for name in "ab"})


PAIRS = [(True, True)] * 4 + [(True, False)] * 3 + [(False, True)] * 1 + [(False, False)] * 2


def test_agreement_by_hand() -> None:
    """4 + 2 of 10 agree; by chance 7/10 * 5/10 + 3/10 * 5/10 = 1/2; kappa (0.6 - 0.5) / (1 - 0.5) = 0.2."""
    (line,) = agreement_table(judged([*PAIRS, (None, True), (True, None), (None, None)]), ["a", "b"]).to_dict(
        "records"
    )
    assert (line["column"], line["first"], line["second"]) == ("overall", "a", "b")
    counts = [line[name] for name in ("both_right", "only_first", "only_second", "both_wrong", "unscored")]
    assert counts == [4, 3, 1, 2, 3]
    assert (line["agreement"], line["kappa"]) == pytest.approx((0.6, 0.2))


def test_agreement_per_column_and_pair() -> None:
    frame = pd.concat([judged(PAIRS), judged([(True, True), (False, False)], "word")], ignore_index=True)
    table = agreement_table(frame.assign(correct_c=True), ["a", "b", "c"])
    assert list(zip(table["column"], table["first"], table["second"], strict=True)) == [
        (column, *pair) for column in ("chart", "word", "overall") for pair in (("a", "b"), ("a", "c"), ("b", "c"))
    ]
    assert table.loc[3, "kappa"] == 1
    assert table.loc[6, "both_right"] == 5


@pytest.mark.parametrize("pairs", [[(True, True)] * 3, [(False, False)] * 3, [(None, True)] * 3])
def test_kappa_is_left_open_where_it_is_undefined(pairs: list) -> None:
    """Nothing to be surprised by: a library would divide nought by nought."""
    (line,) = agreement_table(judged(pairs), ["a", "b"]).to_dict("records")
    assert pd.isna(line["kappa"])


def test_disputed_are_those_called_right_and_wrong() -> None:
    found = disputed(judged([*PAIRS, (None, True), (None, None)]), ["a", "b"])
    assert [row["sample_id"] for row in found] == ["i4", "i5", "i6", "i7"]
    assert found[3]["correct"] == {"a": False, "b": True}
    assert found[3]["extracted"] == {"a": "extracted", "b": "extracted"}


def test_a_benchmarks_own_rule_sits_beside_the_graders(tmp_path: Path) -> None:
    """A rule that only reads the first response of an item, and dislikes 4; its own name goes into the file."""

    def official(sample: Sample, text: str, k: int) -> Verdict | None:
        return Verdict("4", False, True, "official-toy/1", "mismatch") if k == 0 else None

    frame = pd.DataFrame({"sample_id": ["i"] * 2, "column": "chart", "k": [0, 1], "text": r"\boxed{4}", "gold": "4"})
    samples = {"i": Sample("i", "toy", "2 + 2?", (), "4", "number")}
    found = regrade(frame, samples, {"robust": by_grader("robust"), "official": official})
    assert found.correct_robust.tolist() == [True, True]
    assert found.correct_official.tolist() == [False, None]
    text = write_audit(found, ["robust", "official"], tmp_path, ["A note."])
    assert "| overall | robust | official | 0 | 1 | 0 | 0 | 1 | 0.00 % | 0.000 |" in text
    record = json.loads((tmp_path / "audit.json").read_text())
    assert record["scorers"] == {"robust": ["robust/3"], "official": ["official-toy/1"]}
    assert record["notes"][-1] == "A note."


def test_verdicts_that_a_limit_ended_are_counted(tmp_path: Path) -> None:
    frame = judged(PAIRS)
    frame.loc[[7, 8], "reason_a"] = "time_limit"
    assert "a stopped at a limit and said wrong: 2 time_limit." in write_audit(frame, ["a", "b"], tmp_path)
    assert json.loads((tmp_path / "audit.json").read_text())["stopped"] == {"a": {"time_limit": 2}, "b": {}}


def evaluation(folder: Path, **changes: object) -> Path:
    """Three responses: both graders accept, only robust reads an answer outside a box, nobody accepts."""
    texts = [r"<think> a </think> \boxed{4}", "The answer is 4.", r"\boxed{5}"]
    frame = pd.DataFrame({"sample_id": ["i0", "i1", "i2"], "k": 0, "text": texts}).assign(column="chart", gold="4")
    frame.assign(**changes).to_parquet(folder / "predictions.parquet")
    return folder


def test_the_command(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([f"out={evaluation(tmp_path)}"]) == 0
    text = (tmp_path / "audit.md").read_text()
    assert capsys.readouterr().out == text
    assert "| overall | robust | papo | 1 | 1 | 0 | 1 | 0 | 66.67 % |" in text
    assert "no column choices" in text
    assert "official rule is not among them" in text
    (row,) = read_jsonl(tmp_path / "disputed.jsonl")
    assert (row["sample_id"], row["correct"]) == ("i1", {"robust": True, "papo": False})


def test_the_command_uses_choices_and_says_what_changed(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """With its options known, the text of option B is a B; the evaluation had recorded it as wrong."""
    changes = {
        "gold": "B",
        "text": ["red", "B", "A"],
        "answer_type": "choice",
        "choices": [["blue", "red"]] * 3,
        "grader": "robust/3",
        "correct": [False, True, False],
    }
    assert main([f"out={evaluation(tmp_path, **changes)}"]) == 0
    text = capsys.readouterr().out
    assert "no column" not in text
    assert "robust now says otherwise than the evaluation recorded for 1 responses." in text


@pytest.mark.parametrize(
    ("scorers", "sentence"),
    [("[robust,official]", "knows no scorer official"), ("[robust]", "two or more"), ("[papo,papo]", "two or more")],
)
def test_scorers_are_checked(tmp_path: Path, capsys: pytest.CaptureFixture[str], scorers: str, sentence: str) -> None:
    assert main([f"out={evaluation(tmp_path)}", f"scorers={scorers}"]) == 2
    assert sentence in capsys.readouterr().err


def test_unknown_sample_is_no_silent_gap() -> None:
    frame = pd.DataFrame({"sample_id": ["i"], "k": [0], "text": ["4"]})
    with pytest.raises(KeyError):
        regrade(frame, {}, {"robust": by_grader("robust")})
    with pytest.raises(UserError, match="nobody"):
        regrade(frame, {"i": Sample("i", "", "", (), "4")}, {"x": by_grader("nobody")})
