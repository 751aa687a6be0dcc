"""The recipe of the base, for two steps: it learns, resumes and leaves a model that the loader reads."""

import torch

from configs import compose
from data.mini.demonstrations import CLEAN
from data.mini.lessons import lesson
from models.loader import load
from models.packing import PackedRow, pack
from tests.conftest import tiny_settings
from train.base import COURSES, BaseSettings, make_base


def test_a_few_steps_of_every_course_leave_a_loadable_model(tmp_path):
    options = ["share=0.001", "pictures_per_step=2", "compile=false", f"work={tmp_path}/work", f"out={tmp_path}/out"]
    make_base(compose(BaseSettings, options))
    rows = (tmp_path / "work" / "metrics.jsonl").read_text().splitlines()
    assert len(rows) == len(COURSES)
    assert load(tiny_settings(tmp_path / "out")).family == "qwen3_vl"
    assert (tmp_path / "out" / "made_by.json").exists()


def test_a_lesson_asks_several_things_about_one_picture():
    import random

    one = lesson(random.Random(3), 4, CLEAN)
    assert len(one.pairs) >= 5 and all(question and answer for question, answer in one.pairs)


def test_packed_rows_hide_continuations_from_each_other():
    row = PackedRow([1, 2], [[3, 4], [5, 6]], [1, 1])
    batch = pack([row], [torch.arange(2).expand(3, 2)], pad_id=0)
    visible = (batch.visible_B1LL[0, 0] == 0).int().tolist()
    assert visible == [
        [1, 0, 0, 0, 0, 0], [1, 1, 0, 0, 0, 0], [1, 1, 1, 0, 0, 0], [1, 1, 1, 1, 0, 0], [1, 1, 0, 0, 1, 0],
        [1, 1, 0, 0, 1, 1],
    ]  # fmt: skip
    assert batch.positions_3BL[0, 0].tolist() == [0, 1, 2, 3, 2, 3]
    assert batch.query_BL[0].tolist() == [False, False, True, False, True, False]
    assert batch.target_BL[0].tolist() == [0, 0, 4, 0, 6, 0]
