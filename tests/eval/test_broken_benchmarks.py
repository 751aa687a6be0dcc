"""Files of eval/benchmarks that cannot be used: one sentence each, and the other benchmarks as ever."""

import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from common import UserError
from eval import benchmarks, check
from eval.__main__ import main
from eval.benchmarks import BENCHMARKS, BROKEN, Benchmark, benchmark_of, discover
from eval.catalogue import catalogue_text
from eval.tasks import names_of

AI2D = Path(benchmarks.__file__).with_name("ai2d.py").read_text()
Found = Callable[[str], tuple[dict[str, Benchmark], dict[str, str]]]


@pytest.fixture
def found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Found:
    """Return what is found with one more file, mine.py, of a given text."""

    def with_file(text: str) -> tuple[dict[str, Benchmark], dict[str, str]]:
        (tmp_path / "mine.py").write_text(text)
        monkeypatch.setattr(benchmarks, "__path__", [*benchmarks.__path__, str(tmp_path)])
        try:
            return discover()
        finally:
            sys.modules.pop("eval.benchmarks.mine", None)

    return with_file


def test_no_file_of_ours_is_broken() -> None:
    assert BROKEN == {}
    assert discover() == (BENCHMARKS, {})


@pytest.mark.parametrize(
    ("before", "after", "sentence"),
    [
        ("    official=official,\n", "", "declares a benchmark without 'official'; add it (docs/add_a_benchmark.md)"),
        ("name=", "nmae=", 'cannot be imported: TypeError("Benchmark.__init__() got an unexpected keyword argument'),
        ("read=read", "read=raed", "cannot be imported: NameError(\"name 'raed' is not defined"),
        (
            "BENCHMARK = ",
            "BENCH = ",
            "declares no benchmark; add BENCHMARK = Benchmark(...) (docs/add_a_benchmark.md)",
        ),
        ("def read(", "def read((", "is no Python: "),
    ],
)
def test_a_broken_file_is_one_sentence_and_spoils_no_other(
    found: Found, before: str, after: str, sentence: str
) -> None:
    assert before in AI2D
    usable, broken = found(AI2D.replace('name="ai2d"', 'name="mine"').replace(before, after))
    assert usable == BENCHMARKS
    assert broken["mine"].startswith(f"eval/benchmarks/mine.py {sentence}") and "\n" not in broken["mine"]


def test_a_whole_file_is_found_by_being_there(found: Found) -> None:
    usable, broken = found(AI2D.replace('name="ai2d"', 'name="mine"'))
    assert broken == {} and usable.keys() == BENCHMARKS.keys() | {"mine"}


def test_a_copy_does_not_answer_for_its_original(found: Found) -> None:
    usable, broken = found(AI2D)
    assert usable.keys() == BENCHMARKS.keys() - {"ai2d"}
    said = "eval/benchmarks/ai2d.py and eval/benchmarks/mine.py declare a benchmark called ai2d; give one of them"
    assert broken["ai2d"] == broken["mine"] == f"{said} another name"


def test_what_asks_for_it_or_for_all_is_refused_with_the_sentence(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    sentence = "eval/benchmarks/mine.py declares a benchmark without 'official'; add it"
    monkeypatch.setitem(BROKEN, "mine", sentence)
    assert names_of("pope,mini") == ["pope", "mini"]
    assert benchmark_of("pope/1") is BENCHMARKS["pope"] and benchmark_of("other/1") is None
    assert main(["bench=mine", "model=tiny", f"out={tmp_path}"]) == 2
    assert capsys.readouterr().err.startswith(f"error: no benchmark 'mine'; {sentence}; did you mean")
    asks = [lambda: names_of("pope,all"), catalogue_text, lambda: check.check_all(tmp_path)]
    for ask in (*asks, lambda: benchmark_of("mine/1")):
        with pytest.raises(UserError, match="without 'official'; add it"):
            ask()
