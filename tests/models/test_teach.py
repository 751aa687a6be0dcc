"""The recipe of the base, for two steps: it learns, resumes and leaves a model that the loader reads."""

import pytest

from configs import compose
from data.mini.demonstrations import CLEAN
from data.mini.lessons import lesson
from models.loader import load
from models.tiny.settings import BaseSettings
from models.tiny.teacher import COURSES, make_base
from tests.conftest import tiny_settings


@pytest.mark.slow
def test_a_few_steps_of_every_course_leave_a_loadable_model(tmp_path):
    options = ["share=0.001", "pictures_per_step=2", f"work={tmp_path}/work", f"out={tmp_path}/out"]
    make_base(compose(BaseSettings, options))
    rows = (tmp_path / "work" / "metrics.jsonl").read_text().splitlines()
    assert len(rows) == len(COURSES)
    assert load(tiny_settings(tmp_path / "out")).family == "qwen3_vl"
    assert (tmp_path / "out" / "made_by.json").exists()


def test_a_lesson_asks_several_things_about_one_picture():
    import random

    one = lesson(random.Random(3), 4, CLEAN)
    assert len(one.pairs) >= 5 and all(question and answer for question, answer in one.pairs)
