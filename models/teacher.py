"""A second model whose next-token distributions the first is compared with: distillation along its own responses.

`reverse_kl` is KL(student || teacher), what on-policy distillation minimises; `forward_kl` is KL(teacher || student).
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from common import UserError
from models.inputs import Group
from models.parts import ModelParts

Divergence = Literal["reverse_kl", "forward_kl", "js"]
WAYS: dict[Divergence, str] = {"reverse_kl": "kl", "forward_kl": "kl_back", "js": "js"}  # of models/head.py


@dataclass(frozen=True)
class TeacherPass:
    """The teacher, the same responses in the same order behind its own prompts, and what is measured."""

    model: ModelParts
    groups: Sequence[Group]
    divergence: Divergence = "reverse_kl"


def check_same_vocabulary(model: ModelParts, teacher: ModelParts) -> None:
    """Refuse a teacher to which the same token ids mean other text; output layers may be padded differently."""
    own, other = model.tokenizer.get_vocab(), teacher.tokenizer.get_vocab()
    different = [token for token in sorted(own.keys() | other.keys()) if own.get(token) != other.get(token)]
    if different:
        raise UserError(
            f"the teacher {teacher.settings.name} has another tokenizer than {model.settings.name} ({len(different)} "
            f"tokens differ, {different[0]!r} among them); choose a teacher of the same family"
        )
