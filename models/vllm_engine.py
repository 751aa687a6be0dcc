"""vLLM in the trainer's process, one engine per process: its own processor sees our pictures, its weights follow ours.

`models.vllm_host` undoes what vLLM does to the process that hosts it, `models.vllm_draw` is how tokens are picked.
"""

import atexit
import os
import warnings
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from itertools import islice
from typing import Any

import torch
from torch import distributed

from common import UserError
from models.encode import Encoded, check_sampled
from models.engine import Asked, Engine, EnginePrompt, Weights
from models.loader import VisionLanguageModel
from models.processing import options
from models.response import Response
from models.sampling import finished_response
from models.settings import EngineSettings, ModelSettings, SamplingSettings
from models.vllm_host import import_vllm, leave_group, undisturbed

CPU_CACHE_BYTES = 1 << 30  # keys and values; given outright, vLLM skips a warm-up of half a minute
CPU_BLOCK = 32  # tokens per cache block: a group shares the whole blocks of its prompt, and short prompts have few


def processor_options(model: VisionLanguageModel) -> dict[str, Any]:
    """Return options that stop vLLM's processor from scaling: pictures are within limits, and it profiles with the
    largest one.
    """
    image_processor = model.processor.image_processor
    if not hasattr(image_processor, "merge_size"):  # not a processor that reads `size` as an area, as in encode.py
        return {}
    # Sides are rounded to whole merged patches, which may lift the area above the limit; by less than one patch along
    # each side, and no processor of this kind accepts a picture more than 200 times as long as high.
    side = image_processor.patch_size * image_processor.merge_size
    most = model.settings.max_pixels
    return {"size": {"shortest_edge": 1, "longest_edge": int(most + side * (200**0.5 + 1) * most**0.5 + side**2)}}


def room(model: VisionLanguageModel, sampling: SamplingSettings) -> int:
    """Return tokens of prompt and response together; refused where the model has fewer positions."""
    wanted = model.settings.max_prompt_tokens + sampling.max_new_tokens
    most = getattr(model.module.config.get_text_config(), "max_position_embeddings", wanted)
    if wanted > most:
        raise UserError(
            f"model {model.settings.name} has {most} positions, but model.max_prompt_tokens and "
            f"sampling.max_new_tokens add up to {wanted}; lower one of them"
        )
    return wanted


def uses_gpu(model: VisionLanguageModel) -> bool:
    """Return where the policy is; where there is only its front, as for evaluation, a GPU if there is one."""
    device = model.module.device.type
    return device == "cuda" or (device == "meta" and torch.cuda.is_available())


def engine_options(model: VisionLanguageModel, settings: EngineSettings, sampling: SamplingSettings) -> dict[str, Any]:
    """Return everything vLLM is told; nothing is left to a model's own defaults."""
    source: ModelSettings = model.settings
    on_gpu = uses_gpu(model)
    several = distributed.is_initialized() and distributed.get_world_size() > 1
    options: dict[str, Any] = {
        "model": source.path,
        "revision": source.revision,
        "tokenizer_revision": source.revision,
        "trust_remote_code": source.trust_remote_code,
        "dtype": source.dtype,
        "load_format": "safetensors",
        "use_tqdm_on_load": False,
        "max_model_len": room(model, sampling),
        "max_num_seqs": sampling.batch,
        "seed": 0,
        "generation_config": "vllm",
        "enable_prefix_caching": True,
        "logprobs_mode": "raw_logprobs",
        # A picture has at least one token, so no prompt within the limit holds more.
        "limit_mm_per_prompt": {"image": source.max_prompt_tokens, "video": 0},
        "mm_processor_kwargs": processor_options(model),
        "mm_processor_cache_gb": 0,  # each prompt is processed once anyway
        "mm_device_do_normalize": False,  # the trainer's pixels come from the processor, not from the vision tower
        # The draw must know how many tokens a request has.
        "async_scheduling": False,
    }
    if several:  # each process has an engine of its own beside the trainer's process group, without traffic
        options["distributed_executor_backend"] = "external_launcher"
    if on_gpu:
        return options | {"gpu_memory_utilization": settings.memory_share, "enable_sleep_mode": True}
    return options | {"enforce_eager": True, "kv_cache_memory_bytes": CPU_CACHE_BYTES, "block_size": CPU_BLOCK}


class VllmEngine(Engine):
    """Samples with vLLM; drawn tokens and log-probs are those of `models.sampling` on vLLM's logits."""

    streams = True

    def __init__(self, model: VisionLanguageModel, settings: EngineSettings, sampling: SamplingSettings):
        several = int(os.environ.get("WORLD_SIZE", "1")) > 1
        assert distributed.is_initialized() or not several, "start torch.distributed first, or vLLM takes its place"
        self.model = model
        self.limit = sampling
        self.on_gpu = uses_gpu(model)
        self.death = ""
        self.asleep = False
        options = engine_options(model, settings, sampling)
        joined = distributed.is_initialized()
        with undisturbed(), warnings.catch_warnings():
            warnings.simplefilter("ignore", FutureWarning)
            self.vllm = import_vllm()
            from models.vllm_draw import SamplingPlan, processor_for

            self.sheet = SamplingPlan()
            try:
                self.llm = self.vllm.LLM(**options, logits_processors=[processor_for(self)])
            except (RuntimeError, ValueError, AssertionError) as error:
                raise UserError(
                    f"vLLM cannot load {model.settings.path}: {first_line(error)}; lower engine.memory_share or "
                    "max_new_tokens if memory is short, or set engine.kind=hf"
                ) from error
        # An engine that goes would take the process group along, which is the trainer's or has become it.
        self.llm.llm_engine.engine_core._finalizer.detach()
        if not joined:
            atexit.register(leave_group)

    def answer(self, asked: Asked) -> list[Response]:
        from models.vllm_draw import SamplingPlan

        settings = asked.settings
        if settings.max_new_tokens > self.limit.max_new_tokens:
            raise UserError(
                f"sampling.max_new_tokens is {settings.max_new_tokens}, but the engine was started for "
                f"{self.limit.max_new_tokens}; start it with the larger number"
            )
        self.sheet = SamplingPlan(settings, asked.seed, self.model.forbidden_ids)
        found: dict[int, Response] = {}
        with undisturbed(), self.alive():
            for row, tokens in self.run(asked.prompts, settings):
                logprobs = self.sheet.take(row)
                found[row] = finished_response(
                    self.model, tokens, [logprobs[t] for t in range(len(tokens))], *self.sheet.names[row], asked.view
                )
                asked.finished(found[row])
                asked.progress(len(found), "")
        return [found[row] for row in range(len(found))]

    def rendered(self, prompt: Encoded) -> dict[str, Any]:
        """Return the prompt as vLLM's own processor makes it: expanded token ids, pixels, where the pictures lie."""
        ids = self.model.tokenizer(prompt.text, **self.tokenizer_options(prompt.text))["input_ids"]
        request: dict[str, Any] = {"prompt_token_ids": ids}
        if prompt.images:
            request["multi_modal_data"] = {"image": list(prompt.images)}
        return self.llm.renderer.render_cmpl([request])[0]

    def tokenizer_options(self, text: str) -> dict[str, Any]:
        """As the encoder's processor treats the text."""
        return options(self.model.processor, text, []).get("text_kwargs", {})

    def seen(self, prompt: Encoded) -> EnginePrompt:
        """Return tokens, pixels and positions from vLLM's own processor and model."""
        with undisturbed(), self.alive():
            inputs = self.rendered(prompt)
            ids = inputs["prompt_token_ids"]
            engine = self.llm.llm_engine
            request = engine.input_processor.process_inputs(
                "parity", inputs, self.parameters(0, self.limit), supported_tasks=engine.get_supported_tasks()
            )
            positions = None
            if self.llm.model_config.uses_mrope:
                features = request.mm_features or []
                positions = self.llm.apply_model(lambda net: net.get_mrope_input_positions(ids, features)[0])[0]
        items = inputs["mm_kwargs"]["image"] if prompt.images else []
        flat = {name: torch.cat([item[name].data.flatten() for item in items]) for name in items[0]} if items else {}
        # vLLM keeps pictures apart, the trainer joins them along axis 0, or 1 behind an axis of 1.
        vision = {
            name: flat[name].reshape(ours.shape) if flat[name].numel() == ours.numel() else flat[name]
            for name, ours in prompt.vision.items()
            if name in flat
        }
        return EnginePrompt(ids, vision, positions)

    def run(
        self, prompts: Iterable[tuple[Encoded, list[int]]], settings: SamplingSettings
    ) -> Iterator[tuple[int, list[int]]]:
        """Yield rows and their token ids as they end; new prompts are taken while others are answered.

        A batch's worth waits inside vLLM, so that no place of its batch stays empty.
        """
        engine, requests = self.llm.llm_engine, self.requests(prompts)
        while True:
            room = 2 * self.limit.batch - engine.get_num_unfinished_requests()
            for row, inputs in islice(requests, max(0, room)):
                engine.add_request(str(row), inputs, self.parameters(row, settings))
            if not engine.has_unfinished_requests():
                return
            for output in engine.step():
                if output.finished:
                    yield int(output.request_id), list(output.outputs[0].token_ids)

    def requests(self, prompts: Iterable[tuple[Encoded, list[int]]]) -> Iterator[tuple[int, dict[str, Any]]]:
        """Yield each response that is asked for, with vLLM's form of its prompt, and write its name on the sheet."""
        for prompt, numbers in prompts:
            check_sampled([prompt], pixels=False)
            inputs = self.rendered(prompt)
            for k in numbers:
                self.sheet.names.append((prompt.sample_id, k))
                yield len(self.sheet.names) - 1, dict(inputs)

    def parameters(self, row: int, settings: SamplingSettings) -> Any:
        """Greedy, as the draw leaves one token; all that could change the logits is written out as nothing."""
        from models.vllm_draw import KEY

        return self.vllm.SamplingParams(
            n=1,
            temperature=0.0,
            top_p=1.0,
            top_k=0,
            min_p=0.0,
            repetition_penalty=1.0,
            presence_penalty=0.0,
            frequency_penalty=0.0,
            min_tokens=0,
            max_tokens=settings.max_new_tokens,
            logprobs=None,
            stop=None,
            stop_token_ids=self.model.eos_ids,
            ignore_eos=False,
            bad_words=None,
            logit_bias=None,
            detokenize=False,
            output_kind=self.vllm.sampling_params.RequestOutputKind.FINAL_ONLY,
            extra_args={KEY: row},
        )

    def sync(self, weights: Weights) -> None:
        """Copy weights from memory to memory and drop what was computed with the old ones."""
        with undisturbed(), self.alive():
            self.llm.collective_rpc("reload_weights", kwargs={"weights_iterator": iter(weights)})
            if self.on_gpu and self.asleep:
                self.llm.wake_up(tags=["kv_cache"])
                self.asleep = False
            if not self.on_gpu:
                self.llm.apply_model(pack_heads)
            self.llm.reset_prefix_cache()
            self.llm.reset_mm_cache()
            self.llm.llm_engine.reset_encoder_cache()

    def sleep(self) -> None:
        """Drop weights and cache: new weights come at the next sync, and copies of the old ones would be for nothing.

        On CPUs nothing is gained by it.
        """
        if self.on_gpu:
            with undisturbed(), self.alive():
                self.llm.sleep(level=2)
                self.asleep = True

    def wake(self) -> None:
        """Make room for weights; the cache follows once `sync` has brought them."""
        if self.on_gpu and self.asleep:
            with undisturbed(), self.alive():
                self.llm.wake_up(tags=["weights"])

    @contextmanager
    def alive(self) -> Iterator[None]:
        """Yield an engine that broke is not used again, and the user hears why."""
        if self.death:
            raise UserError(f"vLLM stopped earlier: {self.death}; start the command again, it resumes")
        try:
            yield
        except (RuntimeError, ValueError, self.vllm.v1.engine.exceptions.EngineDeadError) as error:
            self.death = first_line(error)
            raise UserError(
                f"vLLM stopped: {self.death}; lower engine.memory_share if memory ran out, or set engine.kind=hf, and "
                "start the same command again: it resumes"
            ) from error


def pack_heads(net: torch.nn.Module) -> None:
    """vLLM packs weights for CPUs as it loads them; a head that shares the embedding is not loaded, and stays old."""
    from vllm.model_executor.layers.vocab_parallel_embedding import ParallelLMHead

    for layer in net.modules():
        if isinstance(layer, ParallelLMHead):
            layer.quant_method.process_weights_after_loading(layer)


def first_line(error: BaseException) -> str:
    return next(iter(str(error).splitlines()), "") or type(error).__name__
