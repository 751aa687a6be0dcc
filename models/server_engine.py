"""Sampling for evaluation from a running vLLM server, as `python -m models.serve` starts one: nothing is loaded here.

Each response is a request of its own with a seed from (seed, sample id, k), so neither the order of requests nor a
restart changes which responses are asked for. What a seed draws is the server's affair: other engines draw otherwise.
"""

import base64
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import count
from typing import Any, Protocol

import numpy as np
from PIL import Image
from transformers import AutoProcessor, GenerationConfig

from common import UserError
from common.endpoint import SERVER_KEY, Chat, Endpoint, Patience, RequestFailed, key_from
from common.parallel import as_finished
from data.images import png_bytes
from models.encode import Encoded, Encoder, check_sampled, check_template, view_seed
from models.engine import Asked, Engine
from models.loader import VisionLanguageModel, refuse_impossible, without_weights
from models.response import Response
from models.server_settings import ServerSettings
from models.settings import ModelSettings, SamplingSettings

FORBIDDEN = -100.0  # the strongest bias that the protocol has


class ModelFrontend(Protocol):
    """What this side must know of the model: a whole one has it, `load_front` gives it without weights."""

    processor: Any
    tokenizer: Any
    encoder: Encoder
    eos_ids: list[int]
    forbidden_ids: list[int]


def load_front(settings: ModelSettings) -> VisionLanguageModel:
    """Return a model that encodes and knows its special tokens, but has shapes in place of weights."""
    refuse_impossible(settings)
    options = {"revision": settings.revision, "trust_remote_code": settings.trust_remote_code}
    processor = AutoProcessor.from_pretrained(settings.path, **options)
    module = without_weights(settings)
    try:
        module.generation_config = GenerationConfig.from_pretrained(settings.path, revision=settings.revision)
    except OSError:  # a model without the file: its end tokens are the tokenizer's
        module.generation_config = GenerationConfig()
    model = VisionLanguageModel(module, processor, settings)
    check_template(model.encoder)
    return model


class Template:
    """Takes the text that a chat template made apart again, as the server applies the template itself."""

    def __init__(self, processor: Any) -> None:
        self.processor = processor
        first, last = "percept-before-the-picture", "percept-behind-the-picture"
        probe = self.text([{"type": "text", "text": first}, {"type": "image"}, {"type": "text", "text": last}])
        self.head, _, rest = probe.partition(first)
        self.picture, _, self.tail = rest.partition(last)

    def text(self, content: list[dict[str, Any]]) -> str:
        messages = [{"role": "user", "content": content}]
        made: str = self.processor.apply_chat_template(messages, add_generation_prompt=True, tokenize=False)
        return made

    def content(self, prompt: Encoded) -> list[dict[str, Any]]:
        """Return the parts of the user's turn, proven by putting them through the template."""
        turn = prompt.text.removeprefix(self.head).removesuffix(self.tail)
        content: list[dict[str, Any]] = []
        for number, piece in enumerate(turn.split(self.picture) if self.picture else [turn]):
            content += [{"type": "image"}] if number else []
            content += [{"type": "text", "text": piece}] if piece else []
        pictures = sum(part["type"] == "image" for part in content)
        if pictures != len(prompt.images) or self.text(content) != prompt.text:
            raise UserError(
                f"the chat template's text of sample {prompt.sample_id} cannot be taken apart into a question and "
                f"{len(prompt.images)} picture(s), so a server cannot be asked it; sample with engine.kind=vllm"
            )
        return content


@dataclass(frozen=True)
class Job:
    """One response to be sampled; `row` is its place among all that are asked for."""

    row: int
    prompt: Encoded
    content: list[dict[str, Any]]
    k: int


class ServerEngine(Engine):
    """`sample` as all engines have it; the weights are the server's, so nothing is synchronised."""

    streams = True

    def __init__(self, front: ModelFrontend, settings: ServerSettings, **clock: Any) -> None:
        if settings.workers < 1 or settings.timeout_s <= 0 or settings.total_s <= 0:
            raise UserError("the server engine needs workers, timeout_s and total_s above 0")
        self.front = front
        self.settings = settings
        self.endpoint = Endpoint(
            settings.base_url,
            key_from(SERVER_KEY),
            Patience(timeout_s=settings.timeout_s, total_s=settings.total_s),
            help="start it with `python -m models.serve model=<name>`, or sample with engine.kind=hf",
            key_help=f"put the key it was started with into the environment variable {SERVER_KEY}",
            **clock,
        )
        self.name = settings.model or self.endpoint.only_model()
        self.template = Template(front.processor)

    def answer(self, asked: Asked) -> list[Response]:
        """Return the responses, prompt by prompt; `finished` hears of each in this thread.

        A request that comes to nothing ends the call, once the others under way are handed over.
        """
        self.endpoint.start()
        workers = min(self.settings.workers, asked.settings.batch)
        found: dict[int, Response] = {}
        for job, response in as_finished(partial(self.respond, asked), self.jobs(asked), workers, self.endpoint.stop):
            found[job.row] = response
            asked.finished(response)
            asked.progress(len(found), "")
        return [found[row] for row in range(len(found))]

    def jobs(self, asked: Asked) -> Iterator[Job]:
        """Yield requests as workers become free, so that the pictures of few prompts are held as text."""
        row = count()
        for prompt, numbers in asked.prompts:
            check_sampled([prompt], pixels=False)
            content = with_pictures(self.template.content(prompt), prompt.images)
            yield from (Job(next(row), prompt, content, k) for k in numbers)

    def body(self, job: Job, settings: SamplingSettings, seed: int) -> dict[str, Any]:
        """Return a request that writes out all that could change the draw; nothing is left to a server's defaults."""
        return {
            "model": self.name,
            "messages": [{"role": "user", "content": job.content}],
            "n": 1,
            "temperature": settings.temperature,
            "top_p": settings.top_p,
            "top_k": settings.top_k,
            "min_p": 0.0,
            "presence_penalty": 0.0,
            "frequency_penalty": 0.0,
            "repetition_penalty": 1.0,
            "max_tokens": settings.max_new_tokens,
            "min_tokens": 0,
            "stop": [],
            "ignore_eos": False,
            "stop_token_ids": self.front.eos_ids,
            "seed": request_seed(seed, job.prompt.sample_id, job.k),
            "logit_bias": {str(token): FORBIDDEN for token in self.front.forbidden_ids},
            "logprobs": True,
            "top_logprobs": 0,
            "return_token_ids": True,
        }

    def respond(self, asked: Asked, job: Job) -> Response:
        """Make one request, in a thread of its own."""
        name = job.prompt.sample_id
        try:
            chat = self.endpoint.chat(self.body(job, asked.settings, asked.seed))
        except RequestFailed as failure:
            advice = (
                "see that prompt and sampling.max_new_tokens fit the server's length"
                if failure.reason == "refused"
                else "see to the server and start the same command again"
            )
            raise UserError(f"no response {job.k} to sample {name}: {failure}; {advice}") from None
        if chat.finish_reason not in ("stop", "length"):
            raise UserError(
                f"the server ended response {job.k} to sample {name} with '{chat.finish_reason}' instead of stop or "
                "length; start the same command again"
            )
        self.check_prompt(job.prompt, chat)
        ids = whole_numbers(chat.choice.get("token_ids"))
        if not ids and any(chat.choice["message"].get(part) for part in ("reasoning", "reasoning_content")):
            raise UserError(f"{self.endpoint.base_url} takes thoughts out of responses; start it without that parser")
        # Half a surrogate pair is legal JSON, but no file holds it.
        plain = chat.text.encode(errors="replace").decode()
        text = self.front.tokenizer.decode(ids, skip_special_tokens=True) if ids else plain
        # The server's log-probs are those of its logits, ours those at the temperature.
        logprobs = chosen_logprobs(chat.choice) if asked.settings.temperature in (0, 1) else []
        if len(logprobs) != len(ids):
            logprobs = []
        return Response(name, job.k, asked.view, text, ids, logprobs, chat.finish_reason)

    def check_prompt(self, prompt: Encoded, chat: Chat) -> None:
        """Refuse a server whose token ids, or at least their number, differ from the other engines'."""
        ours, theirs = prompt.ids.tolist(), whole_numbers(chat.body.get("prompt_token_ids"))
        if (theirs and theirs != ours) or chat.prompt_tokens not in (None, len(ours)):
            raise UserError(
                f"the server reads the prompt of sample {prompt.sample_id} otherwise than this side does "
                f"({chat.prompt_tokens} tokens, here {len(ours)}); start it with the same model and limits of pixels"
            )


def request_seed(seed: int, sample_id: str, k: int) -> int:
    """Return the seed of one response, as far from all others as a hash can make it."""
    state = np.random.SeedSequence([*view_seed(seed, sample_id), k]).generate_state(1, np.uint64)
    return int(state[0] >> np.uint64(1))


def with_pictures(content: list[dict[str, Any]], images: Sequence[Image.Image]) -> list[dict[str, Any]]:
    """Return the parts as the protocol has them; PNG, so that the pixels stay as they are."""
    pictures = iter(images)
    return [
        {"type": "image_url", "image_url": {"url": data_url(next(pictures))}} if part["type"] == "image" else part
        for part in content
    ]


def data_url(image: Image.Image) -> str:
    """Return a picture as text."""
    return "data:image/png;base64," + base64.b64encode(png_bytes(image)).decode()


def whole_numbers(value: Any) -> list[int]:
    """Return a list of token ids, or nothing where the server sends none."""
    return list(value) if isinstance(value, list) and all(type(one) is int for one in value) else []


def chosen_logprobs(choice: Mapping[str, Any]) -> list[float]:
    """Return the log-prob of every sampled token, or nothing where the server sends none."""
    listed = (choice.get("logprobs") or {}).get("content") or []
    return [float(one["logprob"]) for one in listed]
