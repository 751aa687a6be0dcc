"""Make the tiny base model: supervised lessons on the mini world (`make base`).

Three things make a 2 M parameter model see within an hour on two cores: pictures that start with one object and grow
fuller, many short questions per picture, and a last phase of imperfect demonstrations that leaves reinforcement
learning something to choose. The prompt's picture passes the model once for all its questions (models/packing.py).
"""

import json
import math
import random
import sys
import time
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor
from torch.nn.functional import cross_entropy

from configs import Run, atomic_path, command, setting, sha256_of
from configs.progress import progress
from data.mini.demonstrations import CLEAN, Noise
from data.mini.lessons import Lesson, lesson
from data.mini.world import WORLD_VERSION
from models.packing import PackedRow, pack
from models.tiny.build import build_config, build_model, build_processor, build_tokenizer

USER, ASSISTANT, END = "<|im_start|>user\n<|vision_start|>", "<|im_end|>\n<|im_start|>assistant\n", "<|im_end|>"


@dataclass
class BaseSettings:
    """The recipe of the shipped base."""

    steps: int = setting(3000, "optimiser steps")
    pictures_per_step: int = setting(24, "pictures in a step, each with about seven questions")
    learning_rate: float = setting(1e-3, "AdamW's, after the warm-up; a cosine takes it down to a tenth")
    warmup_steps: int = setting(50, "linear warm-up")
    steps_per_object: int = setting(150, "the curriculum: one more object every so many steps")
    noisy_share: float = setting(0.25, "the last part of the steps, with imperfect demonstrations")
    noise: Noise = setting(factory=Noise, help="how the imperfect demonstrations err")
    compile: bool = setting(True, "compile the decoder layers: 1.5 times faster a step on two cores, 45 s to start")
    seed: int = setting(0, "seed of the weights and of the lessons")
    work: str = setting("runs/base", "folder of the checkpoint and the metrics")
    out: str = setting("models/tiny/base", "folder of the finished model")
    dry_run: bool = setting(False, "print the settings and stop")


class Teacher:
    """The model in the making and everything that turns lessons into batches."""

    def __init__(self, settings: BaseSettings):
        self.settings = settings
        self.tokenizer = build_tokenizer()
        self.processor = build_processor(self.tokenizer)
        self.model = build_model(build_config(self.tokenizer), settings.seed)
        if settings.compile:
            for layer in self.model.model.language_model.layers:
                layer.compile(dynamic=True)
        self.optimizer = torch.optim.AdamW(self.model.parameters(), lr=settings.learning_rate, weight_decay=0.01)

    def encode(self, text: str) -> list[int]:
        return self.tokenizer(text, add_special_tokens=False)["input_ids"]

    def packed_row(self, one: Lesson, image_tokens: int) -> PackedRow:
        prefix = self.encode(USER + "<|image_pad|>" * image_tokens + "<|vision_end|>")
        asked = [self.encode(question + ASSISTANT) for question, _ in one.pairs]
        answered = [self.encode(answer + END) for _, answer in one.pairs]
        both = [q + a for q, a in zip(asked, answered, strict=True)]
        return PackedRow(prefix, both, [len(q) for q in asked])

    def loss(self, lessons: list[Lesson]) -> tuple[Tensor, float]:
        """Mean cross-entropy of the answer tokens, and how many of them the model would have said itself."""
        vision = self.processor.image_processor(images=[one.scene.open() for one in lessons], return_tensors="pt")
        tokens = int(vision["image_grid_thw"][0].prod()) // 4
        rows = [self.packed_row(one, tokens) for one in lessons]
        prefix_ids = torch.tensor([rows[0].prefix])
        kinds = (prefix_ids == self.model.config.image_token_id).int()
        positions_31P, _ = self.model.model.get_rope_index(prefix_ids, kinds, vision["image_grid_thw"][:1])
        batch = pack(rows, [positions_31P[:, 0]] * len(rows), self.tokenizer.pad_token_id)
        hidden_BLD = self.model.model(
            input_ids=batch.ids_BL, attention_mask=batch.visible_B1LL, position_ids=batch.positions_3BL,
            pixel_values=vision["pixel_values"], image_grid_thw=vision["image_grid_thw"], use_cache=False,
        ).last_hidden_state  # fmt: skip
        logits_TV = self.model.lm_head(hidden_BLD[batch.query_BL])
        targets_T = batch.target_BL[batch.query_BL]
        accuracy = (logits_TV.detach().argmax(-1) == targets_T).float().mean().item()
        return cross_entropy(logits_TV, targets_T), accuracy

    def lessons_of(self, step: int) -> list[Lesson]:
        """The lessons of a step depend on the step alone, so an interrupted run goes on exactly."""
        settings = self.settings
        rng = random.Random(f"{settings.seed}/{step}")
        size = min(8, 1 + step // settings.steps_per_object)
        noise = settings.noise if step >= settings.steps * (1 - settings.noisy_share) else CLEAN
        return [lesson(rng, size, noise) for _ in range(settings.pictures_per_step)]

    def rate(self, step: int) -> float:
        """Warm-up, then a cosine down to a tenth."""
        settings = self.settings
        if step < settings.warmup_steps:
            return settings.learning_rate * (step + 1) / settings.warmup_steps
        done = (step - settings.warmup_steps) / max(1, settings.steps - settings.warmup_steps)
        return settings.learning_rate * (0.1 + 0.45 * (1 + math.cos(math.pi * done)))

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
        """The base as ordinary transformers files, with the record of how it was made."""
        self.model.save_pretrained(folder)
        self.processor.save_pretrained(folder)
        revisions = {"mini world": str(WORLD_VERSION), "model": f"sha256:{sha256_of(folder / 'model.safetensors')}"}
        Run.collect(self.settings, revisions=revisions).save(folder / "made_by.json")


def keep_state(path: Path, teacher: Teacher, step: int) -> None:
    """The checkpoint from which the same command goes on."""
    state = {"model": teacher.model.state_dict(), "optimizer": teacher.optimizer.state_dict(), "step": step}
    with atomic_path(path) as unfinished:
        torch.save(state, unfinished)


def restore(path: Path, teacher: Teacher) -> int:
    """The step to go on from; 0 where there is no checkpoint."""
    if not path.exists():
        return 0
    state = torch.load(path, weights_only=True)
    teacher.model.load_state_dict(state["model"])
    teacher.optimizer.load_state_dict(state["optimizer"])
    return state["step"]


def make_base(settings: BaseSettings) -> None:
    """Teach from the first or the last kept step to the end."""
    work = Path(settings.work)
    work.mkdir(parents=True, exist_ok=True)
    teacher = Teacher(settings)
    start = restore(work / "state.pt", teacher)
    began = time.monotonic()
    with progress("teach the tiny base", settings.steps, start) as advance, open(work / "metrics.jsonl", "a") as file:
        for number in range(start, settings.steps):
            loss, accuracy = teacher.step(number)
            advance(number + 1, f"loss {loss:.3f}")
            if number % 20 == 0:
                row = {"step": number, "loss": loss, "token_accuracy": accuracy, "seconds": time.monotonic() - began}
                file.write(json.dumps(row) + "\n")
                file.flush()
            if (number + 1) % 200 == 0:
                keep_state(work / "state.pt", teacher, number + 1)
    teacher.save(Path(settings.out))


if __name__ == "__main__":
    sys.exit(command(BaseSettings, make_base, sys.argv[1:], prog="python -m train.base", summary=str(__doc__)))
