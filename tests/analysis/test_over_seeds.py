"""Seeds of one method: which runs they are, and means, paired differences and intervals over them, hand-worked."""

from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
from scipy.stats import t

from analysis.items import collect_items
from analysis.report import numbers
from analysis.report.numbers import Compared, Numbers
from analysis.report.over_seeds import OverSeeds, over_seeds, seeds_table, sentences
from analysis.report.summary import sentences as summary_of
from analysis.runs import OpenedRun
from analysis.seeds import methods_of, pairs_of, same_seed_baselines, unlike_settings
from eval.estimate import Estimate, difference_sentence, over_trainings
from eval.paired import PairedResult

COLUMNS = {"chart": 6, "logic": 4}


def run_view(folder: Path, right: dict[str, int], misread: int = 0) -> OpenedRun:
    """Two responses per item, alike; `right` items of every column are right, `misread` errors of perception."""
    rows = []
    for column, count in COLUMNS.items():
        for item in range(count):
            state = "right" if item < right[column] else "perception" if item >= count - misread else "format"
            rows += [
                {
                    "sample_id": f"{column}/{item}",
                    "k": k,
                    "column": column,
                    "cluster": str(item),
                    "state": state,
                    "correct": state == "right",
                    "misread": state == "perception",
                }
                for k in range(2)
            ]
    return OpenedRun("/".join(folder.parts[-2:]), folder, folder, pd.DataFrame(rows))


LINE = PairedResult("overall", 10, 10, 0.5, 0.6, 0.1, -0.1, 0.3, 0.4, 0.4, 1, 2, 0.5, 0.5, 0.2)


def compared(first: OpenedRun, second: OpenedRun) -> Compared:
    return Compared(first.name, second.name, [LINE], SimpleNamespace(forward=[]))  # type: ignore[arg-type]


def bare_numbers(views: list[OpenedRun], baselines: dict[str, str] | None = None) -> Numbers:
    """With comparisons of single runs that are made up: real ones would take most of the time."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(numbers, "compared", compared)
        return numbers.numbers_of(views, baselines)


def views_of(home: Path) -> list[OpenedRun]:
    """An untrained base, and two methods of three seeds; logic is where they differ."""
    base = run_view(home / "base", {"chart": 1, "logic": 1}, 1)
    first = [run_view(home / "grpo" / f"seed{s}", {"chart": 3, "logic": 1 + s % 2}, 1) for s in range(3)]
    second = [run_view(home / "papo_g" / f"seed{s}", {"chart": 3 + s % 2, "logic": 3}, s) for s in range(3)]
    return [base, *first, *second]


@pytest.fixture(scope="module")
def views() -> list[OpenedRun]:
    return views_of(Path("/runs"))


@pytest.fixture(scope="module")
def found(views: list[OpenedRun]) -> OverSeeds:
    costs = {view.name: pd.Series({"mean": 0.1 * place}) for place, view in enumerate(views)}
    made = over_seeds(views, bare_numbers(views), costs)
    assert made is not None
    return made


def test_seeds_are_told_by_their_folders(views: list[OpenedRun]) -> None:
    methods = methods_of([views[5], *views[:3], run_view(Path("/runs/grpo/seed_old"), {"chart": 0, "logic": 0})])
    assert [(one.name, list(one.runs), one.is_seeded) for one in methods] == [
        ("papo_g", [1], True),
        ("base", [0], False),
        ("grpo", [0, 1], True),
        ("grpo/seed_old", [0], False),
    ]
    assert [one.counted for one in methods] == ["1 seed", "1 run", "2 seeds", "1 run"]
    assert methods_of(views[1:3])[0].name == "grpo"


def test_an_evaluation_of_a_seed_is_of_that_seed() -> None:
    folders = [Path(f"/runs/grpo/seed{seed}/eval/{name}") for name in ("mini", "other") for seed in (0, 1)]
    methods = methods_of([OpenedRun(str(folder), folder, folder, pd.DataFrame()) for folder in folders])
    assert [(one.name, list(one.runs)) for one in methods] == [("mini", [0, 1]), ("other", [0, 1])]
    assert methods_of([OpenedRun("", folder, folder, pd.DataFrame()) for folder in folders[:2]])[0].name == "grpo"


def test_a_folder_may_be_a_run_and_hold_seeds(views: list[OpenedRun]) -> None:
    methods = methods_of([views[1], views[2], run_view(Path("/runs/grpo"), {"chart": 0, "logic": 0})])
    assert [(one.name, len(one.runs)) for one in methods] == [("grpo", 2), ("grpo (one run)", 1)]


def test_runs_are_paired_by_seed_and_a_run_that_is_none_with_all(views: list[OpenedRun]) -> None:
    base, first, second = methods_of(views[:2] + views[3:])
    assert {seed: [one.name, two.name] for seed, (one, two) in pairs_of(first, second).items()} == {
        0: ["grpo/seed0", "papo_g/seed0"],
        2: ["grpo/seed2", "papo_g/seed2"],
    }
    assert [one.name for one, _ in pairs_of(base, second).values()] == ["runs/base"] * 3
    assert [two.name for _, two in pairs_of(second, base).values()] == ["runs/base"] * 3
    assert same_seed_baselines([first, second]) == {"papo_g/seed0": "grpo/seed0", "papo_g/seed2": "grpo/seed2"}
    assert same_seed_baselines([base, second]) == {}


def test_the_interval_over_seeds_is_students() -> None:
    share = over_trainings([0.2, 0.3, 0.7], (0, 1))
    half = t.ppf(0.975, 2) * np.std([0.2, 0.3, 0.7], ddof=1) / 3**0.5
    assert share.value == pytest.approx(0.4)
    assert (share.low, share.high) == (0, pytest.approx(min(1, 0.4 + half)))  # a share stays between 0 and 1
    wide = over_trainings([0.2, 0.3, 0.7], (-np.inf, np.inf))
    assert (wide.low, wide.high) == (pytest.approx(0.4 - half), pytest.approx(0.4 + half))
    assert not over_trainings([0.5], (0, 1)).has_interval and not over_trainings([0.5, 0.5], (0, 1)).has_interval


def test_means_are_those_of_the_single_runs(found: OverSeeds) -> None:
    cells = {line.name: line.cells for line in found.lines}
    assert [one.title for one in found.measures] == [
        "overall",
        "perception errors, % of the wrong",
        "masking costs a token, nats",
        "chart",
        "logic",
    ]
    agreed = cells["grpo"]["chart"].seeds
    assert (agreed.value, agreed.has_interval, agreed.seeds) == (0.5, False, 3)  # all three agree
    assert cells["grpo"]["logic"].seeds.value == pytest.approx((1 + 2 + 1) / 12)
    assert cells["grpo"]["overall"].seeds.value == pytest.approx((3 / 6 + 4 / 12) / 2)
    of_grpo = [2 / 6, 2 / 5, 2 / 6]  # of the wrong: three items of chart, and three or two of logic
    assert cells["grpo"]["perception errors, % of the wrong"].seeds.value == pytest.approx(np.mean(of_grpo))
    assert cells["papo_g"]["masking costs a token, nats"].seeds.value == pytest.approx(0.5)
    base = cells["base"]["overall"].seeds
    assert base.value == pytest.approx((1 / 6 + 1 / 4) / 2) and not base.has_interval


def test_differences_pair_the_seeds_with_both_intervals(found: OverSeeds, views: list[OpenedRun]) -> None:
    assert [line.name for line in found.differences] == ["grpo minus base", "papo_g minus base", "papo_g minus grpo"]
    cell = found.differences[-1].cells["overall"]
    each = [(0 + 2 / 4) / 2, (1 / 6 + 1 / 4) / 2, (0 + 2 / 4) / 2]
    expected = over_trainings(each, (-1, 1))
    assert (cell.seeds.value, cell.seeds.low, cell.seeds.high) == pytest.approx(
        (np.mean(each), expected.low, expected.high)
    )
    frames = [
        view.predictions.assign(method=method, seed=seed, subset="", vision_need="", version="")
        for method, own in (("grpo", views[1:4]), ("papo_g", views[4:]))
        for seed, view in enumerate(own)
    ]
    items = collect_items(pd.concat(frames))
    assert cell.problems == items.difference("grpo", "papo_g", list(COLUMNS))  # as Table 1 has it
    assert found.differences[-1].cells["perception errors, % of the wrong"].problems is None
    again = items.over_trainings("grpo", "papo_g", list(COLUMNS))
    assert again is not None and cell.seeds.text("+") == again.text("+")
    assert found.left_out == []


def test_the_table_sets_means_in_bold_and_intervals_below(found: OverSeeds) -> None:
    table = seeds_table(found)
    names = [row[0] for row in table.rows]
    assert names[:5] == ["base, 1 run", "base: problems", "grpo, 3 seeds", "grpo: seeds", "grpo: problems"]
    assert [names[row] for row in table.emphasis] == [
        "base, 1 run",
        "grpo, 3 seeds",
        "papo_g, 3 seeds",
        "grpo − base, 3 pairs",
        "papo_g − base, 3 pairs",
        "papo_g − grpo, 3 pairs",
    ]
    assert all(len(row) == len(table.header) for row in table.rows)
    assert table.rows[2][1:3] == ["41.7", "35.6"] and table.rows[3][4] == "—"
    assert "A run that is no seed" in table.caption
    assert table.rows[-3][1] == "+23.6" and table.rows[-3][3].startswith("+0.3")


def difference(value: float, half: float, seeds: int = 1) -> Estimate:
    return Estimate(value=value, low=value - half, high=value + half, n=40, clusters=40, seeds=seeds)


def test_a_method_is_better_only_where_both_intervals_say_so() -> None:
    above, around, below = difference(0.2, 0.1), difference(0.0, 0.1), difference(-0.2, 0.1)
    above_3, around_3, below_3 = (replace(one, seeds=3) for one in (above, around, below))
    assert difference_sentence("b", "a", above, above_3) == (
        "b is better than a: +20.0 points [+10.0, +30.0] over problems, [+10.0, +30.0] over 3 trainings."
    )
    assert difference_sentence("b", "a", below, below_3).startswith("b is worse than a: -20.0 points")
    for items, trainings in ((above, around_3), (around, above_3), (above, below_3)):
        said = difference_sentence("b", "a", items, trainings)
        assert said.startswith("b and a cannot be told apart: ")
        assert said.endswith("over 3 trainings; less than 10.0 points could not be seen.")


def test_one_training_says_that_its_interval_covers_problems_only() -> None:
    above, equal = difference(0.2, 0.1), over_trainings([0.2, 0.2], (-1, 1))
    assert "over problems (one training each: the interval does not cover another)" in difference_sentence(
        "b", "a", above
    )
    assert "over problems (the 2 trainings agree exactly" in difference_sentence("b", "a", above, equal)


def test_the_summary_begins_with_methods_and_leaves_seeds_of_one_to_the_tables(views: list[OpenedRun]) -> None:
    own = views[1:]
    made = bare_numbers(own, same_seed_baselines(methods_of(own)))
    over = over_seeds(own, made, {})
    assert over is not None
    said = summary_of(made, "", {}, "v", over)
    assert said[:3] == sentences(over)
    assert "+23.6 points" in said[0] and "[+17.6, +29.6] over 3 trainings, mean over 3 pairs of runs" in said[0]
    assert said[1].startswith("papo_g minus grpo, share of perception errors among the wrong: ")
    assert "grpo (seeds 0, 1, 2), papo_g (seeds 0, 1, 2)" in said[2]
    paired = [sentence.split(" cannot")[0] for sentence in said if "on the same items, paired" in sentence]
    assert paired == [f"papo_g/seed{seed} and grpo/seed{seed}" for seed in range(3)]
    one_method = bare_numbers(views[1:4])
    over = over_seeds(views[1:4], one_method, {})
    assert sum("on the same items, paired" in one for one in summary_of(one_method, "", {}, "v", over)) == 2


def test_one_seed_per_method_has_no_such_table(views: list[OpenedRun]) -> None:
    own = [views[0], views[1], views[4]]
    assert over_seeds(own, bare_numbers(own), {}) is None


def test_seeds_without_a_partner_and_unlike_seeds_are_told(tmp_path: Path) -> None:
    views = views_of(tmp_path)[1:]
    for view, rate in zip(views, (1, 2, 2, 1, 1, 1), strict=True):
        view.folder.mkdir(parents=True)
        seed = view.folder.name[-1]
        text = f"seed: {seed}\nrun: {view.folder}\noptimiser: {{learning_rate: {rate}, betas: [0, 1]}}\n"
        (view.folder / "config.yaml").write_text(text)
    own = views[:3] + views[4:]
    over = over_seeds(own, bare_numbers(own), {})
    assert over is not None and over.differences[0].counted == "2 pairs"
    assert over.left_out == [
        "grpo/seed0: no run of the same seed, so not in papo_g minus grpo.",
        "The seeds of grpo were trained with different settings (optimiser.learning_rate), so a mean over them is not "
        "of one method.",
    ]
    assert [unlike_settings(one) for one in methods_of(own)] == [["optimiser.learning_rate"], []]
    apart = views[:2] + views[5:]
    found = over_seeds(apart, bare_numbers(apart), {})
    assert found is not None and found.differences == []
    assert found.left_out[0] == "grpo and papo_g have no seed in common, so their difference is not paired."
    assert "papo_g minus" not in " ".join(sentences(found))


def test_a_measure_that_a_run_lacks_is_a_dash(views: list[OpenedRun]) -> None:
    own = views[1:]
    costs = {view.name: pd.Series({"mean": 0.1}) for view in own[:3]}
    over = over_seeds(own, bare_numbers(own), costs)
    assert over is not None
    rows = {row[0]: row for row in seeds_table(over).rows}
    assert (
        rows["grpo, 3 seeds"][3] == "0.100" and rows["papo_g, 3 seeds"][3] == rows["papo_g − grpo, 3 pairs"][3] == "—"
    )
