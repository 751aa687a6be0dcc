"""The encoded prompts of one step, clean and corrupted: made once, on the rank that needs them."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import TypeVar

from common.parallel import one_ahead
from data.views import Blind, View
from models.encode import Encoded
from models.loader import VisionLanguageModel
from models.parts import Group
from train.experience import Block, Experience
from train.marks import marked
from train.table.columns import CLEAN

Part = TypeVar("Part")
Made = TypeVar("Made")


class Prompts:
    """Return the groups to score of one experience, behind any view."""

    def __init__(
        self,
        model: VisionLanguageModel,
        experience: Experience,
        views: Mapping[str, View],
        seed: int,
        progress: float = 0.0,
    ) -> None:
        self.model, self.experience, self.views = model, experience, views
        self.seed, self.progress = seed, progress
        self.encoded: dict[str, Encoded] = dict(experience.encoded)

    def clean(self, block: Block) -> Encoded:
        """Return a block's prompt with its pictures as they are."""
        if block.sample.id not in self.encoded:
            self.encoded[block.sample.id] = self.model.encoder.encode(block.sample)
        return self.encoded[block.sample.id]

    def groups(self, wanted: Sequence[tuple[str, int]]) -> list[list[Group]]:
        """Return, for each (view, number of a block), the block's responses behind that view.

        Pictures of one view are made together, as a call of the image processor costs more than a small picture. A
        view that draws per response gives one group per response. `clean` is the block's own trained view.
        """
        blocks = self.experience.blocks
        actual = [(blocks[b].view if view == CLEAN else view, b) for view, b in wanted]
        found: dict[tuple[str, int], list[Group]] = {}
        for name in dict.fromkeys(name for name, _ in actual if name != CLEAN):
            found |= self.corrupted(name, [b for view, b in actual if view == name])
        return [
            [Group(self.clean(blocks[b]), blocks[b].token_ids)] if name == CLEAN else found[name, b]
            for name, b in actual
        ]

    def sides(self, views: Iterable[str], numbers: Sequence[int]) -> dict[str, list[Group]]:
        """Return the groups of blocks behind each view, one after the other."""
        return {view: [group for own in self.groups([(view, b) for b in numbers]) for group in own] for view in views}

    def ahead(self, make: Callable[[Part], Made], parts: Iterable[Part]) -> Iterator[tuple[Part, Made]]:
        """Yield micro-batches with what `make` has ready of each: a thread makes the next one's pictures meanwhile.

        Where a view asks the model, which works on the micro-batch before, all are made when they are wanted.
        """
        if any(isinstance(view, Blind) or view.reads_salience for view in self.views.values()):
            return ((part, make(part)) for part in parts)
        return one_ahead(make, parts)

    def left_out(self, name: str, number: int) -> list[list[bool]]:
        """Return, for every response of a block, which of its tokens a view leaves out."""
        found = []
        for ids in self.experience.blocks[number].token_ids:
            texts = self.model.token_texts(ids)
            found.append([mark > 0 for mark in marked(texts, self.views[name].left_out("".join(texts)))])
        return found

    def shortened(self, name: str, number: int) -> list[Group]:
        """Return a block's responses without what a view leaves out, behind the clean prompt."""
        block = self.experience.blocks[number]
        pairs = zip(block.token_ids, self.left_out(name, number), strict=True)
        kept = [[token for token, out in zip(ids, outs, strict=True) if not out] for ids, outs in pairs]
        return [Group(self.clean(block), kept)]

    def corrupted(self, name: str, numbers: Sequence[int]) -> dict[tuple[str, int], list[Group]]:
        """Return the responses of blocks behind corrupted pictures: one draw per prompt or per response."""
        view, blocks, drawn = self.views[name], self.experience.blocks, {}
        if view.leaves_out:
            return {(name, b): self.shortened(name, b) for b in numbers}
        for b in numbers:
            answers = blocks[b].token_ids
            drawn[b] = [(0, answers)] if view.draw == "per_prompt" else [(k, [ids]) for k, ids in enumerate(answers)]
        asked = [(blocks[b].sample, self.clean(blocks[b]), draw) for b in numbers for draw, _ in drawn[b]]
        alone = view.draw == "per_response"
        responses = [blocks[b].responses[draw].text if alone else None for b in numbers for draw, _ in drawn[b]]
        encoder = self.model.encoder
        prompts = iter(encoder.see_all(asked, view, self.seed, responses=responses, progress=self.progress))
        return {(name, b): [Group(next(prompts), answers) for _, answers in drawn[b]] for b in numbers}
