"""Every result that the README states lies in a committed record and is what the record says."""

import csv
import json
import re
from pathlib import Path
from typing import Any

import pandas as pd

ROOT = Path(__file__).resolve().parents[1]
README = (ROOT / "README.md").read_text()


def record(name: str) -> Any:
    return json.loads((ROOT / name).read_text())


def cells(first: str) -> list[str]:
    """The cells of the README's table row that begins with a text."""
    row = next(line for line in README.splitlines() if line.startswith(f"| {first}"))
    return [cell.strip() for cell in row.strip("|").split("|")][1:]


def test_table_1_is_the_committed_one():
    with (ROOT / "results/table1_mini/table.csv").open() as file:
        rows = {(row["method"], row["heading"]): row for row in csv.DictReader(file)}
    named = {"five general columns": "general", "four vision columns": "vision", "all nine": "overall"}
    for first, heading in named.items():
        found = [rows[method, heading] for method in ("base", "grpo", "papo_g", "dapo", "papo_d")]
        wanted = [f"{float(r['value']):.1f} [{float(r['low']):.1f}, {float(r['high']):.1f}]" for r in found]
        # Half a tenth may be printed either way.
        shown = [list(map(float, re.findall(r"[\d.]+", cell))) for cell in cells(first)]
        for one, other in zip(shown, wanted, strict=True):
            numbers = map(float, re.findall(r"[\d.]+", other))
            assert all(abs(a - b) < 0.11 for a, b in zip(one, numbers, strict=True)), first
    assert {row["seeds"] for (method, _), row in rows.items() if method != "base"} == {"5"} and "5 seeds" in README


def test_error_shares_and_differences_are_the_committed_ones():
    with (ROOT / "results/table1_mini/errors.csv").open() as file:
        rows = {row[""]: {n: float(v) for n, v in row.items() if n} for row in csv.DictReader(file)}
    classes = ("perception", "reasoning", "calculation", "inconsistency", "format", "grader")
    shares = [100 * row["perception"] / sum(row[name] for name in classes) for row in rows.values()]
    assert cells("wrong answers that are perception errors") == [f"{share:.0f} %" for share in shares]
    table = (ROOT / "results/table1_mini/table.md").read_text()
    first = "-0.1 points [-0.7, +0.4] over problems, [-1.0, +0.7] over"
    for text in (first, "-0.1 [-2.1, +2.0]", "+2.7 [+0.6, +4.8]"):
        assert text in table and text in README
    assert "+0.6 points [+0.0, +1.3] over problems, [-0.4, +1.7] over" in table and "+0.6 [-0.4, +1.7]" in README


def test_what_suggestions_do_is_in_the_committed_table():
    lines = (ROOT / "results/table1_mini/table.md").read_text().splitlines()
    start = lines.index("| row | suggestion is wrong, % | suggestion is right, % |")
    rows = [[cell.strip() for cell in line.strip("|").split("|")] for line in lines[start + 2 : start + 7]]
    assert cells("suggestion of the question is right") == [row[2] for row in rows]
    assert cells("suggestion is wrong") == [row[1] for row in rows]


def test_the_studies_are_the_committed_ones():
    tau, dose, oracles = ((ROOT / f"results/{name}_mini/table.md").read_text() for name in ("tau", "dose", "oracles"))
    studies = " ".join((ROOT / "docs/studies.md").read_text().split()).replace(" points [", " [")
    shown = " ".join(README.split())
    by_tau = {
        "0.8": "+0.9 [-5.8, +7.6]",
        "0.2": "-0.1 [-2.4, +2.2]",
        "0.5": "+0.6 [-1.8, +3.1]",
        "0.95": "+1.7 [-2.3, +5.8]",
    }
    assert "(5 seeds)" in tau and "+0.9 points [-5.8, +7.6] over five" in shown
    assert "by -0.1, +0.6, +0.9 and +1.7 points" in shown
    for value, gap in by_tau.items():
        assert f"| PAPO_G, tau {value} - GRPO, tau {value} | {gap} |" in tau and gap in studies
    for value, right in {"0.2": "55.2", "0.5": "51.4", "0.8": "45.5", "0.95": "40.1"}.items():
        assert f"| GRPO, tau {value} | {right} [" in tau and right in shown
    for row, text in (
        ("true facts in the reward", "-0.1 [-0.8, +0.7]"),
        ("mask on the evidence", "-0.8 [-2.4, +0.8]"),
    ):
        assert f"{row} - GRPO | {text} |" in oracles and f"{text} (" in shown and text in studies
    onsets = {"0.2": "none, none, 32", "0.5": "46, none, 24", "1": "41, 33, 16", "2": "24, 29, 21"}
    lines = [line for line in dose.splitlines() if line.startswith("| gamma") and line.count("|") == 10]
    for gamma, steps in onsets.items():
        assert any(line.startswith(f"| gamma {gamma} |") and line.endswith(f"| {steps} |") for line in lines), gamma
        assert all(step in studies for step in steps.replace("none, ", "").split(", "))
    for text in ("-1.0 [-4.6, +2.6]", "-2.0 [-13.3, +9.4]", "-1.9 [-17.3, +13.5]", "0.145", "0.120", "45.1", "44.7"):
        assert text in dose and text in studies


def test_tables_3_to_5_and_10_and_the_corruptions_are_the_committed_ones():
    gaps = []
    for number in (3, 4, 5):
        lines = (ROOT / f"results/table{number}_mini/table.md").read_text().splitlines()
        gaps += [float(line.split("|")[3].split()[0]) for line in lines if " - GRPO | overall |" in line]
    assert len(gaps) == 5 + 4 + 3 and max(map(abs, gaps)) == 0.6 and "by more than 0.6 points" in README
    entropy = (ROOT / "results/table10_mini/table.md").read_text()
    for row, gap in (("DAPO + entropy - DAPO", "+3.2 [+1.7, +4.7]"), ("PAPO_D - DAPO + entropy", "-0.5 [-3.2, +2.1]")):
        assert f"| {row} | {gap} |" in entropy and gap in README
    in_grpo = (ROOT / "results/entropy_mini/table.md").read_text()
    assert "| GRPO + entropy - GRPO | -0.2 [-2.0, +1.5] |" in in_grpo and "-0.2 [-2.0, +1.5]" in README
    assert "| +7.26 (7B) |" in entropy and "| +0.89 (7B) |" in entropy and "has +7.3 and +0.9" in README
    corruptions = (ROOT / "results/corruptions_mini/table.md").read_text()
    studies = " ".join((ROOT / "docs/studies.md").read_text().split()).replace(" points [", " [")
    for row, gap in (("PAPO_G - GRPO", "-0.4 [-2.0, +1.2]"), ("GRPO + NoisyRollout - GRPO", "-0.1 [-1.4, +1.1]")):
        assert f"| {row} | {gap} |" in corruptions and gap in README and gap in studies


def test_the_filter_and_the_gain_that_did_not_come_back_are_the_committed_ones():
    parts = pd.read_csv(ROOT / "results/entropy_parts_mini/table.csv")
    right = parts[parts.heading == "overall"].set_index("method").value.round(1)
    found = f"has {right.grpo_filter} % on all nine columns, DAPO {right.dapo}, GRPO {right.grpo}, without its KL"
    assert f"{found} {right.grpo_no_kl} (" in README
    first, again = ((ROOT / f"results/{name}_mini_hard/table.csv") for name in ("room", "room_again"))
    frames = [pd.read_csv(one) for one in (first, again)]
    assert [set(one[one.method != "base"].seeds) for one in frames] == [{3}, {8}]
    tables = [one.with_suffix(".md").read_text() for one in (first, again)]
    for table, gap in zip(tables, ("+3.3 [+1.9, +4.6]", "+1.3 [-1.9, +4.5]"), strict=True):
        assert re.search(rf"PAPO_G, gamma 0.1 - GRPO \| overall .*\| {re.escape(gap)} \|", table) and gap in README
    facts = [re.search(r"GRPO, facts rewarded - GRPO \| overall .*\| (\S+) \[", one) for one in tables]
    assert "An oracle's {} became {}:".format(*(one and one[1] for one in facts)) in README
    assert "+0.2 points [-5.5, +5.8] (+1.8" in (ROOT / "docs/studies.md").read_text() and "+0.2 [-5.5, +5.8]" in README


def gaps_of(table: str) -> dict[str, list[str]]:
    """Return, of every comparison over all columns, the gap over problems and that over trainings, as printed."""
    lines = (ROOT / f"results/{table}/table.md").read_text().splitlines()
    cells_of = [line.split("|") for line in lines if " - " in line and "| overall |" in line]
    return {cells[1].split(" - ")[0].strip(): [cells[3].strip(), cells[4].strip()] for cells in cells_of}


RECIPES = {"GRPO", "DAPO", "GRPO, no reference KL", "blind training"}


def test_the_family_is_the_committed_one():
    found = {name: texts[0] for name, texts in gaps_of("family_mini").items() if name not in RECIPES}
    gaps = {name: float(text.split()[0]) for name, text in found.items()}
    studies = " ".join((ROOT / "docs/studies.md").read_text().split())
    best = max(gaps, key=gaps.__getitem__)
    assert len(gaps) == 30 and gaps[best] < 2 and f"{best}'s, {found[best]}" in studies
    again = (ROOT / "results/pepo_mini/table.md").read_text()
    for gap in ("+0.3 [-3.7, +4.2]", "+2.8 [-5.6, +11.3]"):
        assert f"| {gap} |" in again and gap in studies
    lost = sorted(name for name, gap in gaps.items() if gap <= -2)
    assert len(lost) == 4 and all(f"{name} {found[name]}" in studies for name in lost)


def test_the_family_of_three_seeds_is_the_committed_one():
    found = {name: texts[1] for name, texts in gaps_of("family_again_mini").items() if name not in RECIPES}
    ends = {name: [float(end) for end in re.findall(r"[-+][0-9.]+", text)] for name, text in found.items()}
    assert len(ends) == 26 and "[none of 26](results/family_again_mini/table.md)" in README
    assert not any(low > 0 for _, low, _ in ends.values())
    assert sorted(name for name, (gap, *_) in ends.items() if gap >= 0.5) == ["PAPO_D", "Perception-R1"]
    studies = " ".join((ROOT / "docs/studies.md").read_text().split())
    below = {name for name, (_, _, high) in ends.items() if high < 0}
    assert below == {"PGPO", "PEARL", "SRPO", "VEPO", "RACRO", "Vision-OPD"}
    assert all(f"{name} {found[name]}" in studies for name in below)


def test_the_tokens_that_vppo_drops_halve_the_dependency():
    found = json.loads((ROOT / "bench/engages/vppo.json").read_text())
    without = sum(seed["without"] for seed in found["seeds"]) / len(found["seeds"])
    assert 0.45 < -found["turned"]["value"] / without < 0.55 and found["turned"]["right_way"] == 4
    assert abs(found["with"]["value"]) < 0.05 * without and "[halves the dependency on the picture]" in README


def test_blind_training_is_the_committed_one():
    gaps = {name: float(texts[0].split()[0]) for name, texts in gaps_of("blind_dose_mini").items()}
    names = ("GRPO, whole pictures", "a quarter black", "half black", "all black", "all white")
    whole, quarter, half, black, white = (f"{gaps[name]:.1f}" for name in names)
    said = f"of its gain of {whole} points {quarter} are left with a quarter of the picture black, {half} with half"
    assert f"{said}, {black} with all, {white} with all white" in README


def test_costs_of_methods_are_the_measured_ones():
    costs = json.loads((ROOT / "bench/cost.json").read_text())["methods"]
    above = {name for name, one in costs.items() if one["ratio"] > one["counted"] + 0.05}
    text = " ".join((ROOT / "docs/methods.md").read_text().split())
    assert f"Of {len(costs)} methods {len(costs) - len(above)} cost at most that and 5 %" in text
    close = {name for name in above if costs[name]["ratio"] <= costs[name]["counted"] + 0.065}
    assert close == {"vepo", "srpo", "cfpo_g"} and above - close == {"pearl", "noisyrollout", "fine_r1"}


def test_what_lost_again_and_what_students_keep_is_in_the_committed_tables():
    losers, teachers = (pd.read_csv(ROOT / f"results/{name}_mini/table.csv") for name in ("losers", "teachers"))
    right = losers[losers.heading == "overall"].set_index("method").value
    over = {"noisyrollout": "grpo_no_kl", "vcsd": "grpo", "racro": "grpo", "vision_opd_empty": "grpo"}
    assert sum(right[row] - right[base] <= -2 for row, base in over.items()) == 3
    right = teachers[teachers.heading == "overall"].set_index("method").value
    kept = (right - right.base) / (right.grpo - right.base)
    shares = [round(100 * kept[row]) for row in ("opd", "va_opd", "vgs")]
    assert shares == [96, 95, 95] and "keep [95 % of its gain]" in README
    assert "so 96, 95 and 95 % of" in (ROOT / "docs/studies.md").read_text()


def test_the_ledger_is_the_committed_one():
    counts = {"supported": 12, "contradicted": 3, "inconclusive": 41, "not testable": 4}
    ledger = (ROOT / "results/claims/claims.md").read_text()
    for verdict, count in counts.items():
        assert f"{count} {verdict}" in ledger and re.search(rf"{count}\s+{verdict}", README)
    arithmetic = (ROOT / "results/arithmetic/arithmetic.md").read_text()
    rows = [line.split("|")[4:6] for line in arithmetic.splitlines() if "| relative gain |" in line]
    assert (
        sum(int(cell) for row in rows for cell in row if cell.strip().isdigit()) == 9
        and "Nine printed gains" in README
    )


def test_aucs_of_token_scores_are_the_committed_ones():
    with (ROOT / "results/score_bench_mini/scores.csv").open() as file:
        rows = {row["score"]: row for row in csv.DictReader(file) if (row["run"], row["column"]) == ("base", "all")}
    names = {"k3": "k3 patch_black 0.6", "entropy": "entropy", "attention mass": "attention mass"}
    for said, name in (names | {"prior": "prior", "focus": "focus"}).items():
        assert f"{said} {float(rows[name]['auc']):.2f}" in " ".join(README.split()), name


def test_the_protocols_numbers_are_the_committed_ones():
    found = record("results/protocol_mini/protocol.json")
    repaired, beyond, back = (
        found["followed"][0]["repaired"],
        found["forward"][0]["difference"],
        found["backward"][0]["difference"],
    )
    line = next(one for one in found["lines"] if "perception" in one.values())
    wanted = [
        f"{100 * repaired['value']:.1f} % [{100 * repaired['low']:.1f}, {100 * repaired['high']:.1f}]",
        f"{100 * beyond['value']:.1f} points [{100 * beyond['low']:.1f}, {100 * beyond['high']:.1f}]",
        f"{100 * back['value']:.1f}",
        f"from {100 * line['first']:.1f} to {100 * line['second']:.1f} %",
    ]
    assert [text for text in wanted if text not in " ".join(README.split())] == []


def test_speeds_are_the_committed_ones():
    rows = {
        row["method"]: row for row in record("bench/step.json")["table"] if (row["group"], row["response"]) == (8, 32)
    }
    names = {
        "one row per response": "plain",
        "each distinct picture through the tower once": "vision once",
        "and the prompt once for its group": "shared",
    }
    for first, variant in names.items():
        for cell, method in zip(cells(first), ("grpo", "papo_g"), strict=True):
            seconds = float(cell.split()[0])
            assert abs(seconds - rows[method]["seconds"][variant]) < 0.0051, (first, method)
    measures = pd.read_csv(ROOT / "results/table14_mini/measures.csv")
    cpu = measures[measures.measure == "cpu"].groupby("row").value.mean()
    assert f"PAPO_G takes {cpu.papo_g / cpu.grpo:.2f} times GRPO's CPU time" in " ".join(README.split())
    batch = record("bench/sampling.json")["batches"][0]
    assert (batch["prompts"], batch["group"]) == (24, 8) and f"{batch['plain_over_shared']:.1f} times" in README
    ratios = [row["trl_over_ours"] for row in record("bench/peers.json")["rows"]]
    assert f"{min(ratios):.1f} to {max(ratios):.1f} times" in " ".join(README.split())


def test_real_rows_are_the_committed_ones():
    found = record("results/benchmarks/real_rows.json").values()
    verdicts = [one["verdicts"] for one in found if one.get("verdicts")]
    rows, opened = sum(one["rows"] for one in found), sum(one["pictures"]["opened"] for one in found)
    compared, agree, guessed, left = (
        sum(one[n] for one in verdicts) for n in ("compared", "agree", "guessed", "left_open")
    )
    text = " ".join(README.split())
    assert f"{rows:,} real rows of {len(found)} benchmark readings" in text and f"{opened} real pictures" in text
    assert f"On {compared:,} recorded" in text and f"verdicts in {agree:,}" in text
    assert f"{guessed} more roll dice" in text and f"{left} of BLINK" in text


def test_what_the_base_answers_is_in_the_committed_item_scores():
    frame = pd.read_parquet(ROOT / "results/table1_mini/items.parquet")
    page = (ROOT / "docs/mini_world.md").read_text()
    for column in frame.column.unique():
        found = []
        for state in ("aligned", "broken", ""):
            part = frame[(frame.column == column) & (frame.hint == state)]
            found.append(f"{100 * part['base/seed0'].mean():.0f} %" if len(part) else "")
        assert f"| {column} | {' | '.join(found)} |" in page, column
