"""Whole weights under the names that a checkpoint on disk has: for saving, and for engines that follow the policy."""

import json
from collections.abc import Callable, Iterable, Iterator
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import Any
from weakref import WeakKeyDictionary

import torch
from safetensors.torch import save_file
from torch import Tensor
from transformers.core_model_loading import revert_weight_conversion
from transformers.utils.hub import cached_file, extract_commit_hash

from common import UserError, sha256_of
from models.adapters import ADAPTER, adapted_layers, is_adapter
from models.settings import ModelSettings

Gather = Callable[[list[Tensor]], AbstractContextManager]
SHARD_BYTES = 5_000_000_000
OLD_NAMES: WeakKeyDictionary[Any, dict[str, str]] = WeakKeyDictionary()


def all_here(parameters: list[Tensor]) -> AbstractContextManager:
    """For parameters that no one has cut into pieces."""
    return nullcontext()


@torch.no_grad()
def named_weights(module: Any, gather: Gather | None = None) -> Iterator[tuple[str, Tensor]]:
    """Yield every weight once, adapters merged in, one at a time; the module itself does not change.

    `gather` makes sharded parameters whole for a moment (DeepSpeed's GatheredParameters); then every process must run
    through the whole iterator. A tensor may share memory with the model: copy what you keep.
    """
    gather = gather or all_here
    adapted = adapted_layers(module)
    for name, tensor in module_state(module).items():
        path, _, leaf = name.rpartition(".")
        layer = adapted.get(path.removesuffix(".base_layer")) if leaf == "weight" else None
        extra = [layer.lora_A[ADAPTER].weight, layer.lora_B[ADAPTER].weight] if layer is not None else []
        with gather([tensor, *extra]):
            whole = tensor.detach()
            if layer is not None:
                whole = whole + layer.get_delta_weight(ADAPTER).to(whole.dtype)
            yield from under_old_names(module, name.replace(".base_layer.", "."), whole)


def under_old_names(module: Any, name: str, whole: Tensor) -> Iterator[tuple[str, Tensor]]:
    """transformers 5 renames what it loads (Qwen2-VL: visual -> model.visual); files keep the old names.

    A name that is only another one is looked up once per module: finding it takes a millisecond, at every sync.
    """
    known = OLD_NAMES.setdefault(module, {})
    if name in known:
        yield known[name], whole
        return
    found = revert_weight_conversion(module, {name: whole})
    if [id(value) for value in found.values()] == [id(whole)]:
        known[name] = next(iter(found))
    yield from found.items()


def module_state(module: Any) -> dict[str, Tensor]:
    """Parameters and kept buffers by their path; tied ones once, adapters left out."""
    state = module.state_dict(keep_vars=True)
    tied = {name for name, source in module.all_tied_weights_keys.items() if state[name] is state[source]}
    return {name: tensor for name, tensor in state.items() if name not in tied and not is_adapter(name)}


def adapter_weights(module: Any, gather: Gather | None = None) -> dict[str, Tensor]:
    """Copies of the adapters' weights by their names in the module."""
    found = {}
    for name, parameter in module.named_parameters():
        if is_adapter(name):
            with (gather or all_here)([parameter]):
                found[name] = parameter.detach().to("cpu", copy=True)
    return found


def write_weights(weights: Iterable[tuple[str, Tensor]], folder: Path, shard_bytes: int = SHARD_BYTES) -> None:
    """Safetensors that transformers loads, in shards of bounded size, so that never more than one is held."""
    for old in folder.glob("model*.safetensors*"):
        old.unlink()
    shards: list[dict[str, int]] = []
    waiting: dict[str, Tensor] = {}

    def flush() -> None:
        save_file(waiting, folder / f"model-{len(shards) + 1:05d}.safetensors", metadata={"format": "pt"})
        shards.append({name: size_of(tensor) for name, tensor in waiting.items()})
        waiting.clear()

    for name, tensor in weights:
        if waiting and sum(map(size_of, waiting.values())) + size_of(tensor) > shard_bytes:
            flush()
        waiting[name] = tensor.to("cpu", copy=True).contiguous()
    flush()
    name_shards(folder, shards)


def weights_digest(folder: Path) -> str:
    """Return one digest over all weight files of a folder, however many shards they are; empty without any."""
    digests = [sha256_of(path) for path in sorted(folder.glob("*.safetensors"))]
    return "+".join(digests)


def weights_revision(settings: ModelSettings) -> str:
    """Return which weights these are: a digest of local files, or the commit that a hub id stands for now."""
    folder = Path(settings.path)
    if folder.is_dir():
        digest = weights_digest(folder)
        if not digest:
            raise UserError(f"the folder {folder} holds no *.safetensors; check model.path")
        return f"sha256:{digest}"
    try:
        config = cached_file(settings.path, "config.json", revision=settings.revision)
    except (OSError, ValueError) as error:  # no such id or revision, or neither connection nor copy
        raise UserError(f"model {settings.path} cannot be found on the hub: {str(error).splitlines()[0]}") from None
    return str(extract_commit_hash(config, None) or settings.revision or "newest")


def size_of(tensor: Tensor) -> int:
    return tensor.numel() * tensor.element_size()


def name_shards(folder: Path, shards: list[dict[str, int]]) -> None:
    """Rename shards so that names say how many there are; an index maps weights to files."""
    if len(shards) == 1:
        (folder / "model-00001.safetensors").rename(folder / "model.safetensors")
        return
    weight_map: dict[str, str] = {}
    for number, content in enumerate(shards, start=1):
        final = f"model-{number:05d}-of-{len(shards):05d}.safetensors"
        (folder / f"model-{number:05d}.safetensors").rename(folder / final)
        weight_map |= dict.fromkeys(content, final)
    total = sum(sum(content.values()) for content in shards)
    index = {"metadata": {"total_size": total}, "weight_map": weight_map}
    (folder / "model.safetensors.index.json").write_text(json.dumps(index, indent=2, sort_keys=True) + "\n")


def write_config(module: Any, folder: Path) -> None:
    """Write what transformers writes beside the weights."""
    module.config.dtype = str(module.dtype).split(".")[1]
    module.config.architectures = [type(module).__name__]
    module.config.save_pretrained(folder)
    module.generation_config.save_pretrained(folder)
