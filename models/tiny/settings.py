"""What the making of the tiny base can be told."""

from dataclasses import dataclass

from configs import setting
from data.mini.demonstrations import Noise


@dataclass(frozen=True)
class BaseSettings:
    """How the shipped base is made; the courses themselves stand in models/tiny/teacher.py."""

    share: float = setting(1.0, "share of every course's steps; below 1 only to try things out", bounds="(0, 1]")
    pictures_per_step: int = setting(24, "pictures in a step, each with five to seven questions", bounds="[1, inf)")
    warmup_steps: int = setting(50, "linear warm-up of every course", bounds="[0, inf)")
    noise: Noise = setting(factory=Noise, help="how the imperfect demonstrations err")
    seed: int = setting(0, "seed of the weights and of the lessons", bounds="[0, inf)")
    work: str = setting("runs/base", "folder of the checkpoint and the metrics")
    out: str = setting("models/tiny/base", "folder of the finished model")
