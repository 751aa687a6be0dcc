"""The claims ledger: planted effects get their verdict, statistics are worked by hand, wrong names are refused."""

import json
from collections.abc import Mapping
from math import isnan, nan
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import yaml
from scipy.stats import t, ttest_1samp

from analysis.claims.evidence import Evidence, from_runs
from analysis.claims.exact import EXACT
from analysis.claims.ledger import (
    Accuracy,
    Claim,
    ErrorShare,
    Exact,
    GainDifference,
    GainOverGain,
    Healthy,
    Measure,
    Metric,
    Part,
    Statistic,
    TokenScore,
    read_ledger,
)
from analysis.claims.run import page, record, run
from analysis.claims.settings import ClaimsSettings
from analysis.claims.statistics import NotRun, over_seeds, token_auc, values_of
from analysis.claims.verdicts import Judged, Sources, holm_by_claim, judge, remark, verdict
from analysis.experiments import Experiment, read_table_file, rows_of, suite_of
from analysis.items import Items
from analysis.run_files import CURVES
from analysis.settings import TableSettings
from analysis.table_files import TableData
from common import UserError
from configs import compose, save_resolved
from eval.settings import EvalSettings
from train.settings import TrainSettings

COLUMNS = ("geometry", "chart", "word", "subject", "versions", "logic", "counting", "inpicture", "vision_centric")
PER_COLUMN = 10


def items_of(right: Mapping[str, Mapping[int, float | Mapping[str, float]]]) -> Items:
    """Ten problems a column, half of them broken; a run is right on a share of them, the same or by column."""
    names = [(column, place) for column in COLUMNS for place in range(PER_COLUMN)]
    frame = pd.DataFrame(
        [
            {
                "column": column,
                "subset": "",
                "cluster": f"{column}/{place}",
                "vision_need": "high",
                "version": "",
                "hint": "broken" if place % 2 else "aligned",
            }
            for column, place in names
        ],
        index=pd.Index([f"{column}/{place}" for column, place in names], name="sample_id"),
    )

    def scores(share: float | Mapping[str, float]) -> np.ndarray:
        return np.array([share if isinstance(share, float) else share.get(column, 0.5) for column, _ in names])

    return Items(frame, {row: {seed: scores(one) for seed, one in seeds.items()} for row, seeds in right.items()})


def evidence(name: str = "1", **parts: Any) -> Evidence:
    return Evidence(name=name, scale="mini", **parts)


class Given(Sources):
    """Sources that are given and not read."""

    def __init__(self, *tables: Evidence) -> None:
        super().__init__("mini", "")
        known = {one.name: one for one in tables}
        self.table = lambda name: known.get(name, Evidence(name=name, scale="mini"))  # type: ignore[assignment]


def claim(statistic: Statistic, **options: Any) -> Claim:
    return Claim(says="so it is", source="a test", statistic=statistic, **options)


PAPO = Accuracy(table="1", first="grpo", second="papo_g")


def outcome(grpo: list[float], papo: list[float], **options: Any) -> Judged:
    """What is said of "PAPO_G is better than GRPO" after these trainings."""
    right = {"grpo": dict(enumerate(grpo)), "papo_g": dict(enumerate(papo))}
    (one,) = judge({"planted": claim(PAPO, **options)}, Given(evidence(items=items_of(right))))
    return one


def test_planted_effects_get_their_verdict() -> None:
    up = outcome([0.50, 0.51, 0.49], [0.60, 0.62, 0.59])
    down = outcome([0.50, 0.51, 0.49], [0.40, 0.42, 0.39])
    none = outcome([0.50, 0.51, 0.49], [0.55, 0.46, 0.50])
    assert (up.status, down.status, none.status) == ("supported", "contradicted", "inconclusive")
    assert outcome([0.5, 0.51, 0.49], [0.4, 0.42, 0.39], direction="down").status == "supported"
    assert outcome([0.5, 0.51, 0.49], [0.6, 0.62, 0.59], beyond=0.2).status == "contradicted"
    assert outcome([0.5], [0.9]).status == "inconclusive"  # one training has no interval


def test_an_effect_is_the_mean_over_seeds_with_students_interval_and_test() -> None:
    found = outcome([0.50, 0.51, 0.49], [0.60, 0.62, 0.59]).found
    gains = np.array([0.10, 0.11, 0.10])
    half = t.ppf(0.975, 2) * gains.std(ddof=1) / 3**0.5
    assert found is not None and found.values == pytest.approx({0: 0.10, 1: 0.11, 2: 0.10})
    estimate = found.estimate
    assert (estimate.low, estimate.high) == pytest.approx((gains.mean() - half, gains.mean() + half))
    assert found.p_value == pytest.approx(ttest_1samp(gains, 0).pvalue)


def test_a_clear_interval_is_not_enough_after_holm() -> None:
    """Many null claims beside one effect: its interval excludes 0, its corrected p does not."""
    given = Given(evidence(items=items_of({"grpo": {0: 0.5, 1: 0.5, 2: 0.5}, "papo_g": {0: 0.53, 1: 0.55, 2: 0.57}})))
    assert judge({"a": claim(PAPO)}, given)[0].status == "supported"
    many = judge({f"a{n}": claim(PAPO) for n in range(9)}, given)
    assert {one.status for one in many} == {"inconclusive"}
    assert many[0].found is not None and many[0].found.estimate.low > 0 and many[0].p_holm > 0.05


def test_holm_by_hand() -> None:
    """Sorted 0.01, 0.03, 0.04: times 3, 2, 1, and never smaller than the one before; a missing p does not count."""
    corrected = holm_by_claim({"a": 0.01, "b": 0.04, "c": 0.03, "d": nan})
    assert corrected == pytest.approx({"a": 0.03, "b": 0.06, "c": 0.06})
    assert holm_by_claim({"d": nan}) == {}


def test_a_remark_says_what_could_have_been_seen_and_what_is_excluded() -> None:
    none = outcome([0.5, 0.51, 0.49], [0.501, 0.509, 0.491], smallest=0.02)
    assert none.found is not None
    half = none.found.estimate.smallest_seen
    assert remark(none) == f"less than {100 * half:.1f} could not be seen; an effect of interest (2.0) is excluded"
    assert (
        remark(outcome([0.5, 0.51, 0.49], [0.6, 0.62, 0.59], smallest=0.02)) == "at least the effect of interest (2.0)"
    )
    assert remark(outcome([0.5], [0.9])) == "one training"
    assert "agree exactly" in remark(outcome([0.5, 0.5], [0.75, 0.75]))


def test_accuracy_is_a_mean_of_columns_or_of_problems_in_a_state() -> None:
    right: dict[str, dict[int, float | Mapping[str, float]]] = {
        "base": {0: 0.5},
        "grpo": {0: {"geometry": 1.0, "counting": 0.0}, 1: {"geometry": 0.5}},
    }
    seen = evidence(items=items_of(right))

    def value(**on: Any) -> dict[int, float]:
        return values_of(Accuracy(table="1", first="base", second="grpo", on=Part(**on)), seen)

    assert value(columns="general") == pytest.approx({0: 0.1, 1: 0.0})  # one of five columns, +0.5
    assert value(columns="vision") == pytest.approx({0: -0.125, 1: 0.0})
    assert value(columns="vision", without=["counting"]) == pytest.approx({0: 0.0, 1: 0.0})
    assert value(columns="geometry", suggestion="broken") == pytest.approx({0: 0.5, 1: 0.0})
    assert value(columns="every", suggestion="broken") == pytest.approx({0: 0.0, 1: 0.0})


def test_differences_of_differences() -> None:
    right: dict[str, dict[int, float | Mapping[str, float]]] = {
        "grpo": {0: 0.5},
        "papo_g": {0: {"counting": 0.9}},
        "dapo": {0: 0.4},
        "papo_d": {0: 0.45},
    }
    seen = evidence(items=items_of(right))
    parts = GainDifference(
        table="1", first="grpo", second="papo_g", on=Part(columns="vision"), other=Part(columns="general")
    )
    assert values_of(parts, seen) == pytest.approx({0: 0.1})  # 0.4 in one of four columns, nothing in general ones
    pairs = GainOverGain(table="1", first="dapo", second="papo_d", other_first="grpo", other_second="papo_g")
    assert values_of(pairs, seen) == pytest.approx({0: 0.05 - 0.4 / 9})


def curves(**rows: list[list[float]]) -> pd.DataFrame:
    """Curves of four steps: a row's seeds, each with k3 by step; the onset is where k3 is above 5."""
    return pd.DataFrame(
        [
            {"row": row, "seed": seed, "step": step, "dependency/k3_mean": value, "collapse/onset": float(value > 5)}
            for row, seeds in rows.items()
            for seed, values in enumerate(seeds)
            for step, value in enumerate(values, start=1)
        ]
    ).reindex(columns=["row", "seed", "step", *CURVES])


def test_metrics_over_steps_and_the_onset_of_a_collapse() -> None:
    seen = evidence("dose", curves=curves(papo_off=[[1, 1, 2, 4], [2, 2, 2, 2]], dose_2=[[1, 2, 6, 12], [2, 4, 4, 4]]))
    rows = {"table": "dose", "first": "papo_off", "second": "dose_2"}
    last = Metric(**rows, metric="dependency/k3_mean", steps=[-2, -1])
    assert values_of(last, seen) == pytest.approx({0: 6.0, 1: 2.0})
    ratio = Metric(**rows, metric="dependency/k3_mean", steps=[1, 2], how="ratio")
    assert values_of(ratio, seen) == pytest.approx({0: 1.5, 1: 1.5})
    assert values_of(Healthy(**rows), seen) == pytest.approx({0: -0.5, 1: 0.0})  # two of four steps before the onset
    alone = Metric(table="dose", second="dose_2", metric="dependency/k3_mean", steps=[4, 4])
    assert values_of(alone, seen) == pytest.approx({0: 12.0, 1: 4.0})
    with pytest.raises(UserError, match="logs no actor/grad_norm"):
        values_of(Metric(**rows, metric="actor/grad_norm"), seen)


def test_rows_of_two_tables_are_compared_by_seed() -> None:
    dose = evidence("dose", curves=curves(dose_2=[[1, 2, 6, 12], [1, 6, 6, 6]]))
    other = evidence("dose_entropy", curves=curves(dose_2_entropy=[[1, 1, 1, 1], [1, 1, 1, 9]]))
    statistic = Healthy(table="dose", beside="dose_entropy", first="dose_2", second="dose_2_entropy")
    (one,) = judge({"a": claim(statistic)}, Given(dose, other))
    assert one.found is not None and one.found.values == pytest.approx({0: 0.5, 1: 0.5})


def test_classes_measures_and_token_scores() -> None:
    lines = [("grpo", 0, 0.6, 0.3), ("grpo", 1, 0.5, 0.4), ("papo_g", 0, 0.6, 0.2), ("papo_g", 1, 0.75, 0.2)]
    classes = pd.DataFrame(lines, columns=["row", "seed", "right", "perception"])
    seen = evidence(classes=classes)
    rows = {"table": "1", "first": "grpo", "second": "papo_g"}
    assert values_of(ErrorShare(**rows), seen) == pytest.approx({0: -0.1, 1: -0.2})
    assert values_of(ErrorShare(**rows, of="wrong"), seen) == pytest.approx({0: 0.5 - 0.75, 1: 0.0})
    assert values_of(ErrorShare(table="1", second="grpo", of="wrong"), seen) == pytest.approx({0: 0.75, 1: 0.8})

    measures = pd.DataFrame(
        [("grpo", 0, "step", 2.0), ("papo_g", 0, "step", 3.0)], columns=["row", "seed", "measure", "value"]
    )
    times = Measure(table="14", first="grpo", second="papo_g", measure="step", how="ratio")
    assert values_of(times, evidence("14", measures=measures)) == {0: 1.5}

    scores = pd.DataFrame(
        [("base", "k3", "all", 0.7, 0.6, 0.8, 50)],
        columns=["run", "score", "column", "auc", "low", "high", "responses"],
    )
    found = token_auc(scores, "base", "k3", 0.5)
    assert found.p_value == pytest.approx(8.9e-5, rel=0.02)  # 0.2 is 3.92 standard errors of 0.051
    with pytest.raises(UserError, match="no score 'k4'"):
        token_auc(scores, "base", "k4", 0.5)


def test_exact_properties_by_hand() -> None:
    """d = 0.7: exp(0.7) - 0.7 - 1 = 0.3138 as printed, exp(-0.7) + 0.7 - 1 = 0.1966 as computed."""
    assert EXACT["printed_ratio"]() == pytest.approx(0.31375 - 0.19659, abs=1e-4)
    assert EXACT["no_gradient_where_views_agree"]() == 0
    assert EXACT["masked_entropy_gradient"]() == 0
    assert EXACT["short_neighbours"]() == pytest.approx(4.0)
    same, other = (claim(Exact(name=name), direction="equal") for name in ("masked_entropy_gradient", "printed_ratio"))
    lines = judge({"same": same, "other": other}, Given())
    assert [one.status for one in lines] == ["supported", "contradicted"]
    assert all(isnan(one.p_holm) for one in lines)


def test_what_is_missing_names_commands_that_compose() -> None:
    with pytest.raises(NotRun, match=r"^python -m analysis table=1 scale=mini seeds=3 fill=true$"):
        values_of(PAPO, evidence())
    lines = [one for one in judge(read_ledger(), Given()) if one.status == "not run"]
    assert len(lines) > 20
    for command in " && ".join(one.command for one in lines).split(" && "):
        program, _, settings = command.partition("python -m analysis ")
        assert program == ""
        assert compose(TableSettings, settings.split()).fill


def test_the_ledger_has_every_claim_of_the_paper_and_a_reason_for_what_it_cannot_test() -> None:
    claims = read_ledger()
    numbers = {int("".join(filter(str.isdigit, name))) for name in claims if name[0] == "C"}
    assert numbers == set(range(1, 24))
    assert {"C9", "C20"} <= {name for name, one in claims.items() if one.untested}


def written(tmp_path: Path, statistic: dict[str, Any] | None, **options: Any) -> Path:
    """Write a ledger of one claim."""
    one = {"says": "so it is", "source": "a test", **({"statistic": statistic} if statistic else {}), **options}
    path = tmp_path / "claims.yaml"
    path.write_text(yaml.safe_dump({"claims": {"A": one}}))
    return path


GOOD = {"kind": "accuracy", "table": "1", "first": "grpo", "second": "papo_g"}
CURVE = {"kind": "metric", "table": "dose", "second": "dose_2", "metric": "actor/kl_loss"}


@pytest.mark.parametrize(
    ("statistic", "sentence"),
    [
        (GOOD | {"table": "dosse"}, r"claim A in claims.yaml has the table 'dosse'.*did you mean 'dose'"),
        (GOOD | {"second": "papo_h"}, "row of table 1 'papo_h'.*did you mean 'papo_[gd]'"),
        (GOOD | {"kind": "accurracy"}, "did you mean accuracy"),
        (GOOD | {"sekond": "papo_g"}, "did you mean 'second'"),
        (GOOD | {"on": {"columns": "visions"}}, "columns 'visions'.*did you mean 'vision'"),
        (GOOD | {"on": {"without": ["countin"]}}, "column 'countin'.*did you mean 'counting'"),
        (GOOD | {"on": {"suggestion": "brocken"}}, "suggestion 'brocken'.*did you mean 'broken'"),
        (CURVE | {"steps": [1]}, r"has steps: \[1\]; give the first and the last one"),
        (CURVE | {"metric": "actor/kl_los"}, "metric 'actor/kl_los'.*did you mean 'actor/kl_loss'"),
        ({"kind": "error_share", "table": "1", "second": "grpo", "error": "percepton"}, "did you mean 'perception'"),
        (GOOD | {"kind": "measure", "table": "14", "measure": "stepp"}, "measure of table 14 'stepp'.*'step'"),
        (
            {"kind": "exact", "name": "printed_ration"},
            "exact statistic 'printed_ration'.*did you mean 'printed_ratio'",
        ),
    ],
)
def test_unknown_names_are_refused_with_the_nearest(tmp_path: Path, statistic: dict[str, Any], sentence: str) -> None:
    with pytest.raises(UserError, match=sentence):
        read_ledger(written(tmp_path, statistic))


def test_a_claim_is_tested_or_says_why_not(tmp_path: Path) -> None:
    for path in (written(tmp_path, None), written(tmp_path, GOOD, untested="no time")):
        with pytest.raises(UserError, match="either a statistic or `untested`"):
            read_ledger(path)
    with pytest.raises(UserError, match="control 'B'"):
        read_ledger(written(tmp_path, GOOD, controls=["B"]))
    with pytest.raises(UserError, match="direction: equal is for exact statistics"):
        read_ledger(written(tmp_path, GOOD, direction="equal"))
    assert list(read_ledger(written(tmp_path, GOOD, controls=["A"]))) == ["A"]


def test_committed_files_are_enough(tmp_path: Path) -> None:
    right = {"grpo": {0: 0.50, 1: 0.51, 2: 0.49}, "papo_g": {0: 0.60, 1: 0.62, 2: 0.59}}
    paper = evidence().table
    TableData(name="1", scale="mini", paper=dict(paper), items=items_of(right), errors=None).write(
        tmp_path / "table1_mini"
    )
    claims = {"A": claim(PAPO), "B": claim(Accuracy(table="8", first="grpo", second="grpo_no_kl"))}
    lines = judge(claims, Sources("mini", "", tmp_path))
    assert [one.status for one in lines] == ["supported", "not run"]
    text = page(lines, "mini")
    assert "| A | so it is (a test) | +10.3 [+8.9, +11.8] points | > 0.0 |" in text
    assert "`python -m analysis table=8 scale=mini seeds=3 fill=true`" in text
    one, other = (json.loads(json.dumps(record(line))) for line in lines)
    assert one["by_seed"] == pytest.approx({"0": 0.1, "1": 0.11, "2": 0.1}) and one["status"] == "supported"
    assert other["command"].endswith("fill=true") and "effect" not in other


def finish(one: Experiment, share: float) -> None:
    """Write what a finished training and its evaluation leave, with the settings that the table asks for."""
    for room, *options in one.commands():
        folder = one.folder if room == "train" else one.evaluation
        save_resolved(compose(TrainSettings if room == "train" else EvalSettings, options), folder / "config.yaml")
    (one.folder / "finished.json").write_text("{}")
    (one.folder / "metrics.jsonl").write_text(json.dumps({"step": 1, "actor/kl_loss": share}))
    (one.evaluation / "scores.json").write_text("{}")
    frame = items_of({}).frame.reset_index().assign(k=0, text="", hint="")
    frame["sample_id"] = "mini/2/test/" + frame.sample_id
    frame = frame[frame["column"] != "vision_centric"]
    frame.assign(correct=[n < share * len(frame) for n in range(len(frame))]).to_parquet(
        one.evaluation / "predictions.parquet"
    )


def test_run_folders_are_enough_and_unfinished_ones_do_not_count(tmp_path: Path) -> None:
    table = read_table_file("8")
    suite = suite_of(table, "mini")
    for row in rows_of(table, ["grpo", "grpo_no_kl"]):
        for seed in (0, 1):
            finish(Experiment(row=row, suite=suite, seed=seed, runs=tmp_path), 0.5 if row.id == "grpo" else 0.75)
    (tmp_path / "mini" / "grpo" / "seed2").mkdir()
    seen = from_runs("8", "mini", tmp_path)
    assert seen.items is not None and seen.curves is not None and seen.classes is not None
    assert {row: sorted(seeds) for row, seeds in seen.items.per_seed.items()} == {"grpo": [0, 1], "grpo_no_kl": [0, 1]}
    everywhere = Accuracy(table="8", first="grpo", second="grpo_no_kl", on=Part(columns="every"))
    assert values_of(everywhere, seen) == pytest.approx({0: 0.25, 1: 0.25})
    assert from_runs("8", "mini", tmp_path / "nowhere") == Evidence(name="8", scale="mini")


def test_a_single_value_has_no_test() -> None:
    found = over_seeds({0: 0.5}, 0.0, "percent")
    assert isnan(found.p_value) and not found.estimate.has_interval
    assert verdict(claim(TokenScore(score="k3")), found, nan) == "inconclusive"


def test_a_folder_of_runs_that_is_not_there_is_no_ledger_of_claims_that_did_not_run(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=rf"there is no folder runs={tmp_path}/gone; give the one that holds mini/<"):
        run(compose(ClaimsSettings, [f"runs={tmp_path}/gone"]))
