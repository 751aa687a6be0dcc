"""What `python -m bench.gpu_check` can be told."""

from dataclasses import dataclass

from configs import setting

BLOCKS = ("kernels", "zero", "resume", "adapters", "vllm", "evaluation")


@dataclass(frozen=True)
class GpuCheckSettings:
    """A check of this machine's GPUs in blocks."""

    blocks: list[str] = setting(factory=lambda: list(BLOCKS), help=f"which, in order: {', '.join(BLOCKS)}")
    shape: str = setting("qwen2_5_vl_3b", "file of configs/models/shapes; the weights are random", group=False)
    gpus: int = setting(0, "processes of training and evaluation; 0 = as many as there are GPUs", bounds="[0, inf)")
    minutes: float = setting(10.0, "limit of each block", bounds="(0, inf)")
    cpu: bool = setting(False, "walk through it without a GPU: the tiny model, speeds without expectation")
    out: str = setting("runs/gpu_check", "folder of report.md, report.json, the random weights and the runs")
