"""The error classes: one definition for all who use them."""

import pytest

from analysis import errors
from analysis.taxonomy import (
    BY_NAME,
    CLASSES,
    CONSTRUCTED,
    FORMAT,
    GRADER,
    PRIMACY,
    TAXONOMY,
    comes_before,
    main,
    markdown_page,
)
from configs.run import REPOSITORY
from data.mini.diagnosis import diagnose
from tests.analysis.test_errors import AREA, COUNT

PAGE = REPOSITORY / "docs" / "error_classes.md"


def test_the_page_in_docs_is_current() -> None:
    command = "python -m analysis.taxonomy out=docs/error_classes.md"
    assert PAGE.read_text() == markdown_page(), f"run {command}"
    assert f"`{command}`" in markdown_page()


def test_the_command_writes_the_page(tmp_path, capsys) -> None:
    assert main([f"out={tmp_path / 'page.md'}"]) == 0
    assert (tmp_path / "page.md").read_text() == markdown_page()
    assert main([]) == 0
    assert capsys.readouterr().out.endswith(markdown_page())


def test_the_classifier_by_construction_uses_these_classes_in_its_old_order() -> None:
    """Results on disk have these names."""
    assert errors.CLASSES == ("perception", "reasoning", "calculation", "inconsistency", "format", "grader")
    assert set(CLASSES) - set(CONSTRUCTED) == {"knowledge"}


def test_primacy_orders_all_classes_and_the_grader_stands_alone() -> None:
    assert sorted(PRIMACY) == sorted(CLASSES) and PRIMACY[0] == FORMAT.name and PRIMACY[-1] == GRADER.name
    assert comes_before("reasoning") == ("calculation", "inconsistency")
    assert comes_before("inconsistency") == comes_before(GRADER.name) == ()


@pytest.mark.parametrize(
    ("sample", "text"),
    [
        (AREA, "<think> look : width = 5 , height = 4 . 5 + 4 = 8 </think> \\boxed{7}"),
        (AREA, "<think> look : width = 5 , height = 3 . 5 + 3 = 9 </think> \\boxed{7}"),
        (AREA, "<think> look : width = 5 , height = 3 . 5 * 3 = 16 </think> \\boxed{7}"),
        (COUNT, "<think> look : red = 4 </think> \\boxed{5}"),
        (COUNT, "look : red = 4 , so 5"),
    ],
)
def test_construction_follows_the_order_of_primacy(sample, text: str) -> None:
    found = diagnose(sample, text, correct=False)
    order = [found.primary, *found.also]
    assert order == sorted(order, key=PRIMACY.index)
    assert len(order) > 1 or order == [FORMAT.name]


def test_every_class_says_what_it_is_and_what_it_is_not() -> None:
    for one in TAXONOMY:
        others = [other for other in CLASSES if other != one.name]
        words = " ".join([one.rule, *(f"{e.decided} {e.because}" for e in one.examples)])
        assert any(other in words for other in others), f"{one.name} is not told from any neighbour"
        assert len(one.examples) >= 3 and any(example.decided == one.name for example in one.examples)
        assert all(example.decided in BY_NAME for example in one.examples)
