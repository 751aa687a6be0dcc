"""The page of all benchmarks, the guide to adding one, and what every benchmark has to stand."""

import json
import re
import subprocess
import sys
from dataclasses import replace
from functools import cache
from pathlib import Path

import pytest

from data.images import NoiseImage
from eval.benchmarks import BENCHMARKS
from eval.catalogue import COMMAND, HEADER, HUB, JUDGE_QUESTIONS, PAGE, catalogue_text, main
from eval.loading import Loaded, cluster_of, load
from eval.rows import verdict_table
from eval.suites import AVERAGES, SUITES
from tests.eval.make_fixtures import FOLDER, SIZE
from tests.hostile import EMPTY, SHORT
from verify import limits
from verify.judge_prompts import TEMPLATES
from verify.official import verdict

ROOT = Path(__file__).resolve().parents[2]
GUIDE = ROOT / "docs" / "add_a_benchmark.md"


@cache
def loaded(name: str) -> Loaded:
    return load(BENCHMARKS[name], FOLDER)


@cache
def page() -> str:
    return catalogue_text()


def section(name: str) -> str:
    return page().partition(f"\n### {name}\n")[2].partition("\n#")[0]


def test_the_page_is_current() -> None:
    message = f"{PAGE} is not what the benchmarks are now; write it again with {COMMAND}"
    assert (ROOT / PAGE).read_text() == page(), message


@pytest.mark.parametrize("name", BENCHMARKS)
def test_every_benchmark_is_on_the_page_with_its_origin(name: str) -> None:
    benchmark, text = BENCHMARKS[name], section(name)
    assert benchmark.version.startswith(f"{name}/")
    for fact in (benchmark.title, benchmark.version, benchmark.licence, benchmark.source):
        assert fact.strip()
        assert fact in text
    assert HUB + benchmark.hub in text if benchmark.hub else "local copies only" in text or benchmark.generate
    assert f"| [{name}](#{name}) | {benchmark.title} |" in page()
    assert all(f"`{tag}`" in text for tag in benchmark.breakdowns)


def test_the_page_says_how_each_benchmark_differs() -> None:
    assert "- Judge: `grade`" in section("mmvet")
    assert "- Judge" not in section("pope")
    assert "- Own metrics: yes" in section("pope")
    assert "- Own metrics" not in section("ai2d")
    assert "items of one `problem`" in section("mathverse")
    assert "30 parts, `Accounting-validation`" in section("mmmu")
    assert "- Filter: Vision Intensive" in section("mathverse_vision")
    assert "- Known by construction: `sample`, `diagnose`, `cells`" in section("mini")
    assert "- Known by construction" not in section("pope") and "Rows: generated" in section("mini")


def test_the_table_has_a_line_for_each_benchmark_and_no_broken_cell() -> None:
    lines = [line for line in page().splitlines() if line.startswith("| [")]
    assert len(lines) == len(BENCHMARKS)
    assert {len(re.split(r"(?<!\\)\|", line)) for line in lines} == {len(HEADER) + 2}


def test_suites_and_their_averages_are_on_the_page() -> None:
    text = page().partition("\n## Suites\n")[2]
    assert all(f"- `{suite}`, " in text for suite in SUITES)
    assert all(f"average `{average}`" in text for averages in AVERAGES.values() for average in averages)


def test_every_link_of_the_page_leads_somewhere() -> None:
    headings = {line.removeprefix("### ") for line in page().splitlines() if line.startswith("### ")}
    for target in re.findall(r"\]\(([^)]+)\)", page()):
        if target.startswith("#"):
            assert target[1:] in headings
        elif not target.startswith("https://"):
            assert (ROOT / "docs" / target).exists(), target


def test_every_question_to_the_judge_is_explained() -> None:
    assert JUDGE_QUESTIONS.keys() == TEMPLATES.keys()
    assert {benchmark.judged for benchmark in BENCHMARKS.values()} <= {"", *TEMPLATES}


def test_the_command_prints_or_writes(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([]) == 0
    assert capsys.readouterr().out == page()
    target = tmp_path / "new" / "page.md"
    assert main([f"out={target}"]) == 0
    assert target.read_text() == page()
    assert capsys.readouterr().out == f"{target}: written\n"


@pytest.mark.slow
def test_help_loads_no_benchmark() -> None:
    check = (
        "import sys; from eval.catalogue import main; main(['--help']); assert 'eval.benchmarks' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", check], cwd=ROOT, check=True, capture_output=True)


def blocks(language: str) -> list[str]:
    return re.findall(rf"```{language}\n(.*?)```", GUIDE.read_text(), flags=re.DOTALL)


def test_the_guide_quotes_the_code_and_fixture_that_exist() -> None:
    code, rows = blocks("python"), blocks("json")
    assert len(code) == 3
    assert all(block in (ROOT / "eval" / "benchmarks" / "ai2d.py").read_text() for block in code)
    assert len(rows) == 1
    assert rows[0] in (FOLDER / "ai2d" / "default-test.jsonl").read_text()
    json.loads(rows[0])


def test_the_guide_names_files_that_exist() -> None:
    names = re.findall(r"`((?:eval|tests|docs|verify|data)/[\w/.]+\.(?:py|md))`", GUIDE.read_text())
    assert names
    assert [name for name in names if not (ROOT / name).is_file()] == []


def check_count(table: Loaded) -> None:
    """A benchmark may be as small as its fixture, and its authors may not say how large it is."""
    published = table.benchmark.rows
    said = "" if published in (None, table.kept) else f"{table.kept} of {published} items that its authors publish"
    assert table.deviation.removeprefix(f"{table.benchmark.name}: ") == said
    assert table.rows == len(table.samples) + table.left_out.total()


def test_a_benchmark_may_be_as_small_as_its_fixture() -> None:
    table = loaded("ai2d")
    assert table.deviation
    for published in (table.kept, None):
        check_count(load(replace(BENCHMARKS["ai2d"], rows=published), FOLDER))


@pytest.mark.parametrize("name", SUITES["all"])
def test_its_fixture_becomes_samples(name: str) -> None:
    assert (FOLDER / name).is_dir(), f"{name} has no fixture; put a few rows into tests/eval/fixtures/{name}"
    benchmark, table = BENCHMARKS[name], loaded(name)
    check_count(table)
    assert benchmark.parts and (benchmark.hub or "local" in section(name))
    for sample in table.samples:
        assert sample.question.strip()
        assert sample.question.count("<image>") == len(sample.images) <= benchmark.max_images
        # MATH-V's prompts keep the authors' own tags, `<image1>`.
        assert "<image" not in sample.question.replace("<image>", "") or name.startswith("mathvision")
        drawn = [image for image in sample.images if not isinstance(image, NoiseImage)]
        assert all(image.open().size == (SIZE, SIZE) for image in drawn)
        assert sample.answer.strip()
        assert sample.source == name
        assert sample.id.startswith(f"{name}/")
        assert {*benchmark.breakdowns, *filter(None, [benchmark.cluster])} <= sample.tags.keys()
        assert all(isinstance(value, str) for value in sample.tags.values())
        assert cluster_of(benchmark, sample)


def test_every_rule_reads_any_text(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing crashes, and what the rule leaves open has a judge; odd texts go to one item of every kind."""
    monkeypatch.setattr(limits, "LIMIT_S", 0.1)
    for name in SUITES["all"]:
        benchmark, kinds = BENCHMARKS[name], set()
        for sample in loaded(name).samples:
            kind = (sample.answer_type, bool(sample.choices))
            for text in EMPTY if kind in kinds else (*EMPTY, *SHORT.values()):
                found = benchmark.official(sample, text, 0)
                assert found is not None or benchmark.judged, (name, text[:50])
                assert found is None or (found.grader and found.reason), (name, text[:50])
            kinds.add(kind)


def test_saying_nothing_is_not_always_right() -> None:
    """Not for every item, guesses aside: POPE's rule, for one, takes silence for a yes."""
    for name in SUITES["all"]:
        for text in EMPTY:
            found = [BENCHMARKS[name].official(sample, text, 0) for sample in loaded(name).samples]
            right = [one is not None and one.correct and one.reason != "guessed" for one in found]
            assert not all(right), (name, text)


@pytest.mark.parametrize("name", [name for name, benchmark in BENCHMARKS.items() if benchmark.metrics])
def test_its_metrics_stand_two_rounds_right_and_wrong(name: str) -> None:
    samples = loaded(name).samples
    for correct in (True, False):
        table = verdict_table(
            (sample, k, verdict(name, sample.answer if correct else None, correct, "", ""))
            for sample in samples
            for k in range(2)
        )
        metrics = BENCHMARKS[name].summary(table)
        assert metrics
        assert all(isinstance(value, float) for value in metrics.values())
