"""Drives the plans of many problems in step: one engine call per stage, until no plan asks more.

Every rank drives its share of the problems without waiting for others. Prompts are encoded where they are asked;
pictures do not travel.
"""

import random
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field, replace

from common import UserError
from data import Sample
from models.encode import Encoded
from models.engine import Engine, Wanted
from models.loader import VisionLanguageModel
from models.response import Response
from train.asks.ask import Ask, Row, asked_sample, sampler_id
from train.asks.tools import Tools
from train.plans.piece import Asking
from train.settings import TrainSettings
from train.table.columns import CLEAN
from verify.samples import grade_sample


@dataclass
class Conversation:
    """One problem while it is asked about."""

    prompt: int  # number of the problem within the round
    sample: Sample
    asking: Asking
    rows: list[Row] = field(default_factory=list)
    waiting: list[Ask] = field(default_factory=list)  # the asks of the stage under way
    asked: Counter[str] = field(default_factory=Counter)  # responses so far by sampler id
    names: dict[tuple, str] = field(default_factory=dict)  # block ids by what is asked
    tokens: dict[str, int] = field(default_factory=dict)  # of prompts, by block id
    why: str = ""  # reason to discard the problem
    note: str = ""  # sentence about pictures that could not be used

    def listen(self, rows: list[Row] | None = None) -> None:
        """Send graded rows to the plan and take down what it asks next; `rows` None begins."""
        try:
            self.waiting = next(self.asking) if rows is None else self.asking.send(rows)
        except StopIteration as done:
            self.waiting, self.why = [], self.why or done.value or ""

    def give_up(self, why: str, note: str = "") -> None:
        """Ask no more; the problem is discarded."""
        self.asking.close()
        self.waiting, self.why, self.note = [], why, note

    def asked_sample(self, ask: Ask) -> Sample:
        """Return the sample as asked; other questions and pictures under one sampler id get ids of their own."""
        found = asked_sample(self.sample, ask)
        content = (found.id, found.question, ask.pictures)
        taken = sum(name == found.id or name.startswith(f"{found.id}+") for name in self.names.values())
        name = self.names.setdefault(content, f"{found.id}+{taken}" if taken else found.id)
        return replace(found, id=name)


@dataclass(frozen=True, kw_only=True)
class Asker:
    """What every stage uses."""

    engine: Engine
    model: VisionLanguageModel
    settings: TrainSettings
    tools: Tools
    view_seed: int  # the step's: views are drawn for the sampler as they are for scoring
    seed: int  # the round's: a problem drawn twice in a step is answered anew
    progress: float
    encoded: dict[str, Encoded] = field(default_factory=dict)  # clean prompts by block id, filled on the way

    def begin(self, numbered: Sequence[tuple[int, Sample]]) -> list[Conversation]:
        """Return problems, given with their numbers within the round, with their first prompts encoded.

        It asks nobody yet, so that it may be done before the sampler is ready.
        """
        plan, group = self.settings.rollouts.plan, self.settings.rollouts.group
        found = []
        for number, sample in numbered:
            chance = random.Random(f"{self.seed}/{sample.id}")
            asking = plan.asks(sample, group, self.progress, chance)
            found.append(Conversation(prompt=number, sample=sample, asking=asking))
            found[-1].listen()
        self.encode(found)
        return found

    def drive(self, conversations: Sequence[Conversation]) -> None:
        """Ask about problems until no plan asks more."""
        while open_ones := [one for one in conversations if one.waiting]:
            self.stage(open_ones)

    def stage(self, conversations: Sequence[Conversation]) -> None:
        """Have one stage's asks answered, hand the rows back, and encode what is asked next."""
        answers = self.sampled(conversations) | self.read(conversations)
        for one in conversations:
            rows: list[Row] = []
            for number, ask in enumerate(one.waiting):
                responses = answers[one.prompt, number]
                if responses is None:
                    one.give_up("unjudged")
                    break
                sample = one.asked_sample(ask)
                for response in responses:
                    verdict = grade_sample(sample, response.text, self.settings.grader)
                    place = len(one.rows) + len(rows)
                    rows.append(
                        Row(
                            sample=sample,
                            ask=ask,
                            response=response,
                            verdict=verdict,
                            prompt=one.prompt,
                            place=place,
                        )
                    )
            else:
                one.rows += rows
                one.listen(rows)
        self.encode(conversations)

    def encode(self, conversations: Sequence[Conversation]) -> None:
        """Encode the prompts of a stage that the policy answers or learns from; give up what does not fit."""
        new: dict[str, Sample] = {}
        for one in conversations:
            try:
                new |= {sample.id: sample for sample in self.wanted(one) if sample.id not in self.encoded}
            except UserError as error:  # a column without the pictures that a plan shows
                one.give_up("unusable", str(error))
        made = dict(zip(new, self.model.encoder.prepare_all(list(new.values())), strict=True))
        # A picture that cannot be opened: counted, and too many stop the run.
        broken = {name: str(error) for name, error in made.items() if isinstance(error, UserError)}
        ready = {name: unmade for name, unmade in made.items() if not isinstance(unmade, UserError)}
        self.encoded.update(zip(ready, self.model.encoder.make(list(ready.values())), strict=True))
        for one in conversations:
            names = [sample.id for sample in self.wanted(one)]
            if why := next((broken[name] for name in names if name in broken), ""):
                one.give_up("unusable", why)
                continue
            prompts = {name: self.encoded[name] for name in names}
            if all(map(self.model.encoder.fits, prompts.values())):
                one.tokens |= {name: len(prompt.ids) for name, prompt in prompts.items()}
            else:
                one.give_up("too_long")

    def wanted(self, one: Conversation) -> list[Sample]:
        """Return the samples of a problem's stage that need an encoded prompt."""
        return [one.asked_sample(ask) for ask in one.waiting if ask.by == "policy" or ask.trained]

    def sampled(self, going: Sequence[Conversation]) -> dict[tuple[int, int], list[Response] | None]:
        """Return the policy's responses by (problem, number of the ask)."""
        asks: dict[str, list[tuple[Conversation, int, Ask, range]]] = {}  # by view
        for one in going:
            for number, ask in enumerate(one.waiting):
                if ask.by == "policy":
                    name = sampler_id(one.sample, ask)
                    numbers = range(one.asked[name], one.asked[name] + ask.count)  # they go on over all asks
                    asks.setdefault(ask.view, []).append((one, number, ask, numbers))
                    one.asked[name] += ask.count
        places: list[tuple[int, int]] = []
        wanted: list[Wanted] = []
        for view, own in asks.items():
            prompts = self.prompts(view, [(one, ask) for one, _, ask, _ in own])
            places += [(one.prompt, number) for one, number, _, _ in own]
            wanted += [
                Wanted(prompt, own_numbers, view) for prompt, (*_, own_numbers) in zip(prompts, own, strict=True)
            ]
        answers = self.engine.sample_each(wanted, self.settings.rollouts.sampling, self.seed) if wanted else []
        return dict(zip(places, answers, strict=True))

    def prompts(self, view: str, asks: Sequence[tuple[Conversation, Ask]]) -> list[Encoded]:
        """Return prompts as the sampler sees them, with the ids that its random numbers hang on."""
        samples = [one.asked_sample(ask) for one, ask in asks]
        prompts = [self.encoded[sample.id] for sample in samples]
        if view != CLEAN:
            seen = [(sample, prompt, 0) for sample, prompt in zip(samples, prompts, strict=True)]
            chosen = self.settings.views[view]
            prompts = self.model.encoder.see_all(seen, chosen, self.view_seed, progress=self.progress)
        names = [sampler_id(one.sample, ask) for one, ask in asks]
        pairs = zip(prompts, names, strict=True)
        return [prompt if prompt.sample_id == name else replace(prompt, sample_id=name) for prompt, name in pairs]

    def read(self, going: Sequence[Conversation]) -> dict[tuple[int, int], list[Response] | None]:
        """Return the frozen reader's responses by (problem, number of the ask); None where it failed."""
        asks = [(one, number, ask) for one in going for number, ask in enumerate(one.waiting) if ask.by == "reader"]
        if not asks:
            return {}
        assert self.tools.reader is not None, "a plan that asks the reader says so in `reads`"
        texts = self.tools.reader.read([one.asked_sample(ask) for one, _, ask in asks])
        found: dict[tuple[int, int], list[Response] | None] = {}
        for (one, number, ask), text in zip(asks, texts, strict=True):
            name = sampler_id(one.sample, ask)
            found[one.prompt, number] = None if text is None else [Response(name, 0, ask.view, text)]
        return found
