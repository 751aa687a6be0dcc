"""Rows of the package easy-vqa for training and for its benchmark, from a package of the same form."""

import json

import pytest
from PIL import Image

from common import UserError, read_jsonl
from data.easy_vqa import EasyVqaCommand, in_tiny_words, run
from data.sources import DataSettings, Samples
from eval.benchmarks import BENCHMARKS
from eval.loading import load


def test_rows_of_the_package_train_and_are_a_benchmark(tmp_path):
    package, out = tmp_path / "package", tmp_path / "out"
    for split, gold in (("train", "red"), ("test", "no")):
        (package / "data" / split / "images").mkdir(parents=True)
        Image.new("RGB", (64, 64), "red").save(package / "data" / split / "images" / "0.png")
        (package / "data" / split / "questions.json").write_text(json.dumps([["what colour?", gold, 0]] * 2))
    run(EasyVqaCommand(package=str(package), out=str(out)))
    assert len(read_jsonl(out / "easy_vqa" / "train.jsonl")) == 2
    (sample,) = Samples(DataSettings(source=str(out / "easy_vqa" / "train.jsonl")), seed=0).take(0, 1)
    assert (sample.answer, sample.images[0].open().size) == ("red", (64, 64))
    found = load(BENCHMARKS["easy_vqa"], out)
    assert [(one.id, one.answer, one.tags["kind"]) for one in found.samples] == [
        ("easy_vqa/0/0", "no", "yes or no"),
        ("easy_vqa/0/1", "no", "yes or no"),
    ]


def test_without_the_package_one_sentence_says_how_to_get_it(tmp_path):
    with pytest.raises(UserError, match="pip install easy-vqa"):
        run(EasyVqaCommand(package=str(tmp_path), out=str(tmp_path)))


@pytest.mark.parametrize(
    ("asked", "said"),
    [
        ("is there a red shape?", "Is it true that the picture shows a red shape ?"),
        ("does the image not contain a circle?", "Is it true that the picture shows no circle ?"),
        ("is there not a teal shape in the picture?", "Is it true that the picture shows no teal shape ?"),
    ],
)
def test_a_question_is_asked_in_the_tiny_models_words(asked, said):
    assert in_tiny_words(asked) == said


def test_a_question_about_no_single_thing_has_no_such_words():
    with pytest.raises(UserError, match="names no single thing; give wording=package"):
        in_tiny_words("is the circle a rectangle?")
