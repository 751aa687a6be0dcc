"""Make the tiny base model: supervised lessons on the mini world.

Three things make a 2 M parameter model see within an hour: pictures that start with one object and grow fuller, many
short questions per picture, and a last phase of imperfect demonstrations that leaves reinforcement learning something
to choose. The prompt's picture passes the model once for all its questions (models/packing.py).
"""

import json
import math
import random
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor
from torch.nn.functional import cross_entropy

from common import atomic_path, sha256_of
from common.progress import progress
from configs import Run
from data.mini.demonstrations import CLEAN
from data.mini.lessons import Lesson, lesson
from data.mini.world import MAX_OBJECTS, WORLD_VERSION
from models.attention import NO_MASK, install
from models.packing import PackedGroup, pack
from models.tiny.build import build_config, build_model, build_processor, build_tokenizer
from models.tiny.settings import BaseSettings

USER, ASSISTANT, END = "<|im_start|>user\n", "<|im_end|>\n<|im_start|>assistant\n", "<|im_end|>"


@dataclass(frozen=True)
class Course:
    """A stretch of teaching with an optimiser of its own."""

    steps: int
    learning_rate: float  # after the warm-up; a cosine takes it down to a tenth
    steps_per_object: int  # the curriculum: one more object every so many steps; 0 = full pictures
    noisy_share: float  # the last part of the steps, with imperfect demonstrations
    probes: int  # questions per picture about single cells
    often: tuple[str, ...] = ()  # columns that come up more often


# The first course teaches single cells on pictures that grow fuller; after it digits are read, counts and rows badly.
# The second asks more about those, and ends with imperfect demonstrations.
OFTEN = ("geometry", "versions", "logic", "counting", "chart", "word", "relay")
COURSES = (Course(1500, 1e-3, 110, 0.0, 5), Course(1500, 8e-4, 0, 0.3, 3, OFTEN))


class Teacher:
    """The model in the making and everything that turns lessons into batches."""

    def __init__(self, settings: BaseSettings):
        self.settings = settings
        self.tokenizer = build_tokenizer()
        self.processor = build_processor(self.tokenizer)
        self.model = build_model(build_config(self.tokenizer), settings.seed)
        install(self.model)
        self.begin(0)

    def begin(self, course: int) -> None:
        """Start a course: weights stay, the optimiser is new."""
        self.course = course
        self.optimizer = torch.optim.AdamW(self.model.parameters(), weight_decay=0.01)

    def steps(self) -> int:
        return max(1, round(COURSES[self.course].steps * self.settings.share))

    def encode(self, text: str) -> list[int]:
        return self.tokenizer(text, add_special_tokens=False)["input_ids"]

    def packed_group(self, one: Lesson, image_tokens: int) -> PackedGroup:
        picture = "<|vision_start|>" + "<|image_pad|>" * image_tokens + "<|vision_end|>"
        prefix = self.encode(USER + (picture if one.scene else ""))
        asked = [self.encode(question + ASSISTANT) for question, _ in one.pairs]
        answered = [self.encode(answer + END) for _, answer in one.pairs]
        both = [q + a for q, a in zip(asked, answered, strict=True)]
        return PackedGroup(prefix, both, [len(q) for q in asked])

    def loss(self, lessons: list[Lesson]) -> tuple[Tensor, float]:
        """Mean cross-entropy of the answer tokens, and how many of them the model would have said itself."""
        pictures = [one.scene.open() for one in lessons if one.scene]
        vision = self.processor.image_processor(images=pictures, return_tensors="pt")
        tokens = int(vision["image_grid_thw"][0].prod()) // 4
        rows = [self.packed_group(one, tokens) for one in lessons]
        grid_13 = vision["image_grid_thw"][:1]
        batch = pack(rows, [self.positions(row.prefix, grid_13) for row in rows])
        hidden_1LD = self.model.model(
            input_ids=batch.ids_1L,
            attention_mask=NO_MASK,
            position_ids=batch.positions_31L,
            layout=batch.layout,
            pixel_values=vision["pixel_values"],
            image_grid_thw=vision["image_grid_thw"],
            use_cache=False,
        ).last_hidden_state
        logits_TV = self.model.lm_head(hidden_1LD[0].index_select(0, batch.source_K))
        targets_T = batch.target_K
        accuracy = (logits_TV.detach().argmax(-1) == targets_T).float().mean().item()
        return cross_entropy(logits_TV, targets_T), accuracy

    def positions(self, prefix: Sequence[int], grid_13: Tensor) -> Tensor:
        """Return the positions [3, P] of a prefix with one picture or none; all pictures have one size."""
        ids_1P = torch.tensor([list(prefix)])
        kinds_1P = (ids_1P == self.model.config.image_token_id).int()
        grids = grid_13 if kinds_1P.any() else None
        return self.model.model.get_rope_index(ids_1P, kinds_1P, grids)[0][:, 0]

    def lessons_of(self, step: int) -> list[Lesson]:
        """Return the lessons of a step, which depend on course and step alone, so that a run resumes exactly."""
        settings, course = self.settings, COURSES[self.course]
        rng = random.Random(f"{settings.seed}/{self.course}/{step}")
        size = min(MAX_OBJECTS, 1 + step // course.steps_per_object) if course.steps_per_object else MAX_OBJECTS
        noise = settings.noise if step >= self.steps() * (1 - course.noisy_share) else CLEAN
        return [lesson(rng, size, noise, course.probes, course.often) for _ in range(settings.pictures_per_step)]

    def rate(self, step: int) -> float:
        """Warm-up, then a cosine down to a tenth."""
        course, warmup = COURSES[self.course], self.settings.warmup_steps
        highest, length = course.learning_rate, self.steps()
        if step < warmup:
            return highest * (step + 1) / warmup
        done = (step - warmup) / max(1, length - warmup)
        return highest * (0.1 + 0.45 * (1 + math.cos(math.pi * done)))

    def step(self, number: int) -> tuple[float, float]:
        for group in self.optimizer.param_groups:
            group["lr"] = self.rate(number)
        loss, accuracy = self.loss(self.lessons_of(number))
        self.optimizer.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(self.model.parameters(), 1.0)
        self.optimizer.step()
        return loss.item(), accuracy

    def save(self, folder: Path) -> None:
        """Write the base as ordinary transformers files, with the record of how it was made."""
        # Before anything is written: the shipped folder is tracked, and its own change is none of the code.
        record = Run.collect(self.settings, revisions={"mini world": str(WORLD_VERSION)})
        self.model.save_pretrained(folder)
        self.processor.save_pretrained(folder)
        record.revisions["model"] = f"sha256:{sha256_of(folder / 'model.safetensors')}"
        record.save(folder / "made_by.json")


def keep_state(path: Path, teacher: Teacher, step: int) -> None:
    """Write the checkpoint from which the same command goes on."""
    state = {
        "model": teacher.model.state_dict(),
        "optimizer": teacher.optimizer.state_dict(),
        "step": step,
        "course": teacher.course,
    }
    with atomic_path(path) as unfinished:
        torch.save(state, unfinished)


def restore(path: Path, teacher: Teacher) -> int:
    """Return the step of the restored course to go on from; 0 where there is no checkpoint."""
    if not path.exists():
        return 0
    state = torch.load(path, weights_only=True)
    teacher.begin(state["course"])
    teacher.model.load_state_dict(state["model"])
    teacher.optimizer.load_state_dict(state["optimizer"])
    return state["step"]


def teach_course(teacher: Teacher, start: int, work: Path) -> None:
    """Run the steps of one course, with a checkpoint every 200."""
    began, steps = time.monotonic(), teacher.steps()
    title = f"course {teacher.course + 1} of {len(COURSES)}"
    with progress(title, steps, start) as advance, open(work / "metrics.jsonl", "a") as file:
        for number in range(start, steps):
            loss, accuracy = teacher.step(number)
            advance(number + 1, f"loss {loss:.3f}")
            if number % 20 == 0:
                row = {
                    "course": teacher.course,
                    "step": number,
                    "loss": loss,
                    "token_accuracy": accuracy,
                    "seconds": time.monotonic() - began,
                }
                file.write(json.dumps(row) + "\n")
                file.flush()
            if (number + 1) % 200 == 0 or number + 1 == steps:
                keep_state(work / "state.pt", teacher, number + 1)


def make_base(settings: BaseSettings) -> None:
    """Teach from the first or the last kept step to the end."""
    work = Path(settings.work)
    work.mkdir(parents=True, exist_ok=True)
    teacher = Teacher(settings)
    start = restore(work / "state.pt", teacher)
    for course in range(teacher.course, len(COURSES)):
        if course != teacher.course:
            teacher.begin(course)
        teach_course(teacher, start, work)
        start = 0
    teacher.save(Path(settings.out))
