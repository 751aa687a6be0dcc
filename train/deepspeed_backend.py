"""DeepSpeed behind the same four calls: ZeRO 0 to 3, bfloat16 with float32 master weights, offload to host memory."""

import logging
import os
import shutil
import sys
from functools import cache
from typing import Any

import torch
from torch import Tensor

from common import UserError
from common.parallel import own_cores
from models.loader import VisionLanguageModel, log_once
from models.scoring import Scorer
from train.backend import adamw, load_optimizer_state, optimizer_state, set_rate
from train.compiling import compile_once
from train.distributed import Ranks
from train.settings import TrainSettings
from train.shards import Piece, flat_pieces, split_pieces, whole_pieces

NEVER = 1 << 62
KEPT_WHOLE = 100_000  # DeepSpeed's default: at stage 3 parameters of up to so many numbers stay on every rank
SMALL_MODEL = 1_000 * KEPT_WHOLE


def deepspeed_config(settings: TrainSettings) -> dict[str, Any]:
    """Return everything that DeepSpeed is told; the batch sizes are formal, since we count tokens ourselves."""
    stage, offload = settings.parallel.zero_stage, settings.parallel.offload
    zero: dict[str, Any] = {"stage": stage, "overlap_comm": torch.cuda.is_available() and stage >= 2}
    if offload != "none":
        zero["offload_optimizer"] = {"device": "cpu", "pin_memory": torch.cuda.is_available()}
    if offload == "all":
        zero["offload_param"] = {"device": "cpu", "pin_memory": torch.cuda.is_available()}
    half = settings.model.dtype == "bfloat16"
    return {
        "train_micro_batch_size_per_gpu": 1,
        "gradient_accumulation_steps": 1,
        "gradient_clipping": settings.optimiser.gradient_clip,
        "steps_per_print": NEVER,
        "zero_optimization": zero,
        "zero_allow_untested_optimizer": True,
        "zero_force_ds_cpu_optimizer": False,
        "bf16": {"enabled": half},
        "communication_data_type": "fp32",
        **({"data_types": {"grad_accum_dtype": "fp32"}} if half and stage > 1 else {}),
    }


def sharded_config(settings: TrainSettings, model: VisionLanguageModel) -> dict[str, Any]:
    """Return the options, with a small model sharded as a large one is: nearly all of it is below the default."""
    config = deepspeed_config(settings)
    small = sum(parameter.numel() for parameter in model.module.parameters()) < SMALL_MODEL
    config["zero_optimization"]["stage3_param_persistence_threshold"] = 0 if small else KEPT_WHOLE
    return config


def refuse_impossible(settings: TrainSettings) -> None:
    """Combinations that DeepSpeed has not got, said before anything is loaded."""
    stage, offload = settings.parallel.zero_stage, settings.parallel.offload
    if offload == "all" and stage != 3:
        raise UserError("parallel.offload=all keeps weights in host memory, which needs parallel.zero_stage=3")
    if offload == "optimizer" and stage == 0:
        raise UserError("parallel.offload=optimizer needs parallel.zero_stage 1, 2 or 3")
    if stage == 0 and settings.model.dtype == "bfloat16":
        raise UserError("bfloat16 needs float32 master weights, which DeepSpeed keeps from zero_stage 1 on; set it")


@cache
def import_deepspeed() -> Any:
    """DeepSpeed, quiet; its start-up messages say nothing that a run needs."""
    os.environ.setdefault("DS_ACCELERATOR", "cuda" if torch.cuda.is_available() else "cpu")
    # On CPUs it compiles a helper with a ninja that lies beside this interpreter.
    os.environ["PATH"] = os.pathsep.join([f"{sys.prefix}/bin", os.environ.get("PATH", "")])
    if not torch.cuda.is_available() and not shutil.which(os.environ.get("CXX", "c++")):
        raise UserError(
            "DeepSpeed compiles a small helper on CPUs and finds no C++ compiler; install one (g++), or set "
            "parallel.backend=torch"
        )
    import deepspeed
    from deepspeed.accelerator import get_accelerator

    logging.getLogger("DeepSpeed").setLevel(logging.ERROR)
    if not torch.cuda.is_available() and (builder := get_accelerator().create_op_builder("ShareMemCommBuilder")):
        compile_once(builder)
    return deepspeed


def make_optimizer(parameters: list[Tensor], settings: TrainSettings) -> torch.optim.Optimizer:
    """Return AdamW; DeepSpeed's own where its state lies in the host memory of a GPU machine, with all cores at work.

    torchrun gives each process one thread, with which torch's AdamW takes minutes over a few billion numbers.
    """
    if settings.parallel.offload == "none" or not torch.cuda.is_available():
        return adamw(parameters, settings)
    torch.set_num_threads(max(torch.get_num_threads(), own_cores()))
    from deepspeed.ops.adam import DeepSpeedCPUAdam
    from deepspeed.ops.op_builder import CPUAdamBuilder

    if not CPUAdamBuilder().is_compatible():
        log_once("parallel.offload: DeepSpeed cannot compile its CPU Adam here (see ds_report); torch's steps, slower")
        return adamw(parameters, settings)
    compile_once(CPUAdamBuilder())
    rate, decay = settings.optimiser.learning_rate, settings.optimiser.weight_decay
    optimizer: torch.optim.Optimizer = DeepSpeedCPUAdam(parameters, lr=rate, weight_decay=decay, adamw_mode=True)
    return optimizer


class DeepSpeedBackend:
    """The policy's scoring call wrapped in a DeepSpeed engine."""

    def __init__(self, model: VisionLanguageModel, settings: TrainSettings, ranks: Ranks):
        refuse_impossible(settings)
        deepspeed = import_deepspeed()
        self.stage, self.ranks = settings.parallel.zero_stage, ranks
        trained = {name: p for name, p in model.module.named_parameters() if p.requires_grad}
        self.parameters, self.names = list(trained.values()), {id(p): name for name, p in trained.items()}
        self.sizes = {name: p.numel() for name, p in trained.items()}  # ZeRO 3 empties the parameters
        self.engine, *_ = deepspeed.initialize(
            model=Scorer(model),
            optimizer=make_optimizer(self.parameters, settings),
            config=sharded_config(settings, model),
            dist_init_required=False,
        )
        model.scorer = self.engine
        self.gather = deepspeed.zero.GatheredParameters if self.stage == 3 else None

    @property
    def optimizer(self) -> torch.optim.Optimizer:
        """Return the AdamW that steps: over flat shards from stage 1 on."""
        return self.engine.optimizer.optimizer if self.stage else self.engine.optimizer

    def backward(self, loss: Tensor, last: bool) -> None:
        self.engine.set_gradient_accumulation_boundary(last)
        # DeepSpeed averages over processes, we need the sum.
        self.engine.backward(loss * self.ranks.size)

    def step(self, rate: float) -> float:
        set_rate(self.optimizer, rate)
        norm = self.local_norm() if self.stage == 0 else None
        self.engine.step()
        return norm if norm is not None else float(self.engine.get_global_grad_norm())

    def local_norm(self) -> float:
        """At stage 0 every process holds the whole summed gradient, and DeepSpeed does not tell its norm."""
        return torch.nn.utils.get_total_norm([p.grad for p in self.parameters if p.grad is not None]).item()

    def masters(self) -> list[Tensor]:
        """Return what AdamW steps on: the parameters, or this process's flat float32 shards of them."""
        if self.stage == 3:  # between steps stage 3 leaves the optimiser's own list empty
            return list(self.engine.optimizer.fp32_partitioned_groups_flat)
        return [weight for group in self.optimizer.param_groups for weight in group["params"]]

    def state(self) -> dict[str, Tensor]:
        return optimizer_state(self.masters(), self.optimizer)

    def pieces(self) -> list[Piece]:
        if self.stage == 0:
            return whole_pieces(self.sizes)
        zero, rank = self.engine.optimizer, self.ranks.rank
        found: list[Piece] = []
        groups = zero.fp16_groups if self.stage == 3 else zero.round_robin_bit16_groups
        for master, group in enumerate(groups):
            sizes = {self.names[id(p)]: self.sizes[self.names[id(p)]] for p in group}
            if self.stage == 3:
                found += split_pieces(sizes, [p.partition_numel() for p in group], rank, master)
            else:
                offsets, part = zero.round_robin_bit16_offsets[master], zero.partition_size[master]
                found += flat_pieces(sizes, offsets, part, rank, master)
        return found

    def load_state(self, state: dict[str, Tensor]) -> None:
        load_optimizer_state(self.masters(), self.optimizer, state)
        if self.stage in (1, 2):
            self.engine.optimizer.update_lp_params()
        elif self.stage == 3:
            zero = self.engine.optimizer
            for index, master in enumerate(zero.fp32_partitioned_groups_flat):
                zero.fp16_partitioned_groups_flat[index].data.copy_(master.data)
                zero._unflatten_partitioned_parameters(index)


def shard_reference(reference: VisionLanguageModel, settings: TrainSettings) -> None:
    """At stage 3 the frozen reference is cut over the processes as well."""
    config = sharded_config(settings, reference)
    config["zero_optimization"].pop("offload_optimizer", None)
    reference.scorer, *_ = import_deepspeed().initialize(
        model=Scorer(reference), config=config, dist_init_required=False
    )
