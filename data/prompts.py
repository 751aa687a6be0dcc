"""Prompt templates: what stands around a question."""

from common import UserError
from data.sample import IMAGE_PLACEHOLDER, Sample

# PAPO's training and evaluation instruction (arXiv 2507.06448; same intent, our wording where the paper gives none).
THINK_AND_BOX = (
    "You first think through the reasoning process as an internal monologue, enclosed within <think> </think> tags. "
    "Then, provide your final answer enclosed within \\boxed{}."
)
SEE_THEN_REASON = (
    "Think inside <think> </think> tags: first write, inside <perception> </perception> tags, what the picture shows "
    "that the question needs, then reason inside <reasoning> </reasoning> tags. After the thoughts, give your final "
    "answer enclosed within \\boxed{}."
)
TEMPLATES = {
    "papo": "{question}\n\n" + THINK_AND_BOX,
    "roles": "{question}\n\n" + SEE_THEN_REASON,  # our wording
    "question_only": "{question}",  # the tiny base has learned the form of an answer and needs no instruction
}


def user_text(sample: Sample, template: str) -> str:
    """Return the user's turn, image placeholders still in it."""
    if template not in TEMPLATES:
        raise UserError(f"no prompt template '{template}'; use one of {', '.join(TEMPLATES)}")
    if sample.bare:
        return sample.question
    # Not str.format: the instruction holds the braces of \boxed{}.
    return TEMPLATES[template].replace("{question}", sample.question)


def chat_messages(sample: Sample, template: str) -> list[dict]:
    """Return the user's turn in the form chat templates read: text and image parts in their order."""
    pieces = user_text(sample, template).split(IMAGE_PLACEHOLDER)
    if len(pieces) - 1 != len(sample.images):
        raise UserError(
            f"sample {sample.id} has {len(sample.images)} image(s) but {len(pieces) - 1} {IMAGE_PLACEHOLDER} "
            "placeholder(s) in its question; make the two equal"
        )
    content: list[dict] = []
    for number, piece in enumerate(pieces):
        if number:
            content.append({"type": "image"})
        if piece:
            content.append({"type": "text", "text": piece})
    return [{"role": "user", "content": content}]
