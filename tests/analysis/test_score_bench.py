"""The score bench: which tokens see, the AUC by hand, and a whole run on responses of the tiny base."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from analysis.runs import OpenedRun
from analysis.score_bench.run import as_markdown, auc, chosen, drawn, response_aucs, run, summary
from analysis.score_bench.settings import ScoreBenchSettings
from analysis.score_bench.tokens import seeing
from common import UserError
from configs import compose
from eval.runner import evaluate
from eval.settings import EvalSettings

CHAIN = "<think> look : width = 5 , height = 3 . 5 + 3 = 8 </think> \\boxed{8}"
RELAY = "<think> look : first = 2 , second = 4 . 2 + 4 = 6 . look : third = 1 . 6 + 1 = 7 </think> \\boxed{7}"


def pieces(text: str) -> list[str]:
    """Words with the blank before them, as the tiny tokenizer has them."""
    words = text.split(" ")
    return [words[0], *(f" {word}" for word in words[1:])]


@pytest.mark.parametrize(
    ("text", "hidden", "found"),
    [
        (CHAIN, ["height"], [9]),
        (CHAIN, ["width", "height"], [5, 9]),
        (RELAY, ["first", "second", "third"], [5, 9, 21]),
    ],
)
def test_values_of_hidden_facts_see(text: str, hidden: list[str], found: list[int]) -> None:
    seeing_T = seeing(text, pieces(text), hidden)
    assert np.flatnonzero(seeing_T).tolist() == found
    values = {"width": "5", "height": "3", "first": "2", "second": "4", "third": "1"}
    assert [pieces(text)[place].strip() for place in found] == [values[name] for name in hidden]


@pytest.mark.parametrize("text", ["no chain", "<think> look :  . 5 + 3 = 8 </think> \\boxed{8}"])
def test_what_states_no_hidden_fact_is_left_out(text: str) -> None:
    assert seeing(text, pieces(text), ["width"]) is None
    assert seeing(CHAIN, pieces(CHAIN), []) is None


@pytest.mark.parametrize(
    ("values", "sees", "expected"),
    [
        ([3, 1, 2], [1, 0, 0], 1.0),
        ([1, 3, 2], [1, 0, 0], 0.0),
        ([2, 2, 2], [1, 0, 0], 0.5),
        ([4, 1, 3, 2], [1, 1, 0, 0], 0.5),  # 4 beats both, 1 beats none
        ([4, 3, 3, 2], [1, 1, 0, 0], 0.875),
    ],
)
def test_the_auc_by_hand(values: list[float], sees: list[int], expected: float) -> None:
    assert auc(np.array(values, dtype=float), np.array(sees, dtype=bool)) == pytest.approx(expected)


def test_a_mean_over_responses_has_an_interval_over_items() -> None:
    rng = np.random.default_rng(0)
    parts = []
    for response in range(60):
        sees = np.arange(10) == 3
        good = rng.normal(size=10) + 2.0 * sees
        parts.append(
            pd.DataFrame({"good": good, "noise": rng.normal(size=10), "seeing": sees}).assign(
                run="base", response=response, sample_id=f"item {response // 2}", column="ab"[response % 2]
            )
        )
    table = summary(response_aucs(pd.concat(parts)))
    cells = table.set_index(["score", "column"])
    assert cells.loc[("good", "all")].auc > 0.85 and cells.loc[("good", "all")].low > 0.5
    assert cells.loc[("noise", "all")].low < 0.5 < cells.loc[("noise", "all")].high
    assert set(table.column) == {"all", "a", "b"} and cells.loc[("good", "a")].responses == 30
    text = as_markdown(table)
    assert text.index("| good |") < text.index("| noise |")
    assert len(drawn(table).axes) == 1


@pytest.mark.slow
def test_a_run_from_an_evaluation_to_the_figure(tmp_path) -> None:
    evaluate(compose(EvalSettings, ["model=tiny", "items=5", "k=1", f"out={tmp_path}/eval"]))
    run(ScoreBenchSettings(runs=[f"{tmp_path}/eval"], responses=3, out=str(tmp_path / "out")))
    table = pd.read_csv(tmp_path / "out" / "scores.csv")
    assert {"k3 patch_black 0.6", "js patch_black 0.6", "focus", "prior", "entropy", "attention mass"} <= set(
        table.score
    )
    assert (table.auc.between(0, 1) & (table.low <= table.auc) & (table.auc <= table.high)).all()
    assert {path.name for path in (tmp_path / "out").iterdir()} >= {"scores.png", "scores.md", "made_by.json"}


def test_an_evaluation_without_token_ids_is_refused() -> None:
    opened = OpenedRun("x", Path("x"), Path("x"), pd.DataFrame({"k": [0], "column": ["a"], "text": ["x"]}))
    with pytest.raises(UserError, match="kept no token ids"):
        chosen(opened, 3)
