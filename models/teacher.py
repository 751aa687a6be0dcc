"""A second model whose next-token distributions the first is compared with: distillation along its own responses."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from common import UserError
from models.divergence import Divergence
from models.parts import Group, ModelParts


@dataclass(frozen=True)
class TeacherPass:
    """The teacher, the same responses in the same order behind its own prompts, by view, and what is measured."""

    model: ModelParts
    groups: Mapping[str, Sequence[Group]]
    divergences: Mapping[str, Divergence]


def check_same_vocabulary(model: ModelParts, teacher: ModelParts) -> None:
    """Refuse a teacher to which the same token ids mean other text; output layers may be padded differently."""
    own, other = model.tokenizer.get_vocab(), teacher.tokenizer.get_vocab()
    different = [token for token in sorted(own.keys() | other.keys()) if own.get(token) != other.get(token)]
    if different:
        raise UserError(
            f"the teacher {teacher.settings.name} has another tokenizer than {model.settings.name} ({len(different)} "
            f"tokens differ, {different[0]!r} among them); choose a teacher of the same family"
        )
