"""The process that hosts vLLM: what vLLM must be told before it is imported, and what must be undone after it ran."""

import gc
import logging
import os
import random
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
import torch
from torch import distributed

from common import UserError

ENVIRONMENT = {
    "VLLM_ENABLE_V1_MULTIPROCESSING": "0",  # the engine must live in this process to take weights from its memory
    "VLLM_USE_V2_MODEL_RUNNER": "0",  # the other runner has another interface for the draw of tokens
    # FlashInfer's sampler is compiled at the start, which needs nvcc and minutes; our draw never calls it.
    "VLLM_USE_FLASHINFER_SAMPLER": "0",
    "VLLM_NO_USAGE_STATS": "1",
    "VLLM_DO_NOT_TRACK": "1",
}
# Warnings of a start on a CPU (no tcmalloc, no compilation) are about choices made here.
QUIET = {"VLLM_LOGGING_LEVEL": "ERROR"}


@contextmanager
def undisturbed() -> Iterator[None]:
    """Afterwards the process is as before: environment, threads, random state, torch's switches, signal handlers."""
    environment = dict(os.environ)
    threads, set_threads = torch.get_num_threads(), torch.set_num_threads
    states = random.getstate(), np.random.get_state(), torch.get_rng_state()
    cuda_states = torch.cuda.get_rng_state_all() if torch.cuda.is_available() else []
    dtype, precision = torch.get_default_dtype(), torch.get_float32_matmul_precision()
    strict = torch.are_deterministic_algorithms_enabled(), torch.is_deterministic_algorithms_warn_only_enabled()
    cudnn = torch.backends.cudnn.deterministic, torch.backends.cudnn.benchmark
    handlers = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield
    finally:
        # vLLM reads its own variables later; the others (LD_PRELOAD, LOCAL_WORLD_SIZE) would reach child processes.
        for name in {name for name in os.environ.keys() | environment if not name.startswith("VLLM_")}:
            if name not in environment:
                del os.environ[name]
            elif os.environ.get(name) != environment[name]:
                os.environ[name] = environment[name]
        torch.set_num_threads = set_threads  # on CPUs vLLM puts a function there that only warns
        torch.set_num_threads(threads)
        random.setstate(states[0])
        np.random.set_state(states[1])
        torch.set_rng_state(states[2])
        if cuda_states:
            torch.cuda.set_rng_state_all(cuda_states)
        torch.set_default_dtype(dtype)
        torch.set_float32_matmul_precision(precision)
        torch.use_deterministic_algorithms(strict[0], warn_only=strict[1])
        torch.backends.cudnn.deterministic, torch.backends.cudnn.benchmark = cudnn
        gc.unfreeze()  # vLLM takes all that exists at its start out of garbage collection
        for number, handler in handlers.items():
            if signal.getsignal(number) is not handler:
                signal.signal(number, handler)


def import_vllm() -> Any:
    """vLLM with its variables set, or a sentence that says how to get it."""
    os.environ.update(ENVIRONMENT)
    for name, value in QUIET.items():
        os.environ.setdefault(name, value)
    # vLLM says a few things before it has read its level.
    logging.getLogger("vllm").setLevel(os.environ["VLLM_LOGGING_LEVEL"])
    try:
        import vllm
    except ImportError as error:
        raise UserError(
            f"engine.kind=vllm needs vLLM, which cannot be imported ({error}); it is part of the extras 'gpu' and "
            "'cpu': run make install, or set engine.kind=hf"
        ) from error
    return vllm


def leave_group() -> None:
    if distributed.is_initialized():
        distributed.destroy_process_group()
