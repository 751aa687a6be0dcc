"""TRL's GRPO update against ours, on the same model and batch: `make bench-peers`; writes bench/peers.json.

Runs in an environment of its own that sees this project's packages and TRL (.venv-peers). One process, in turns: the
loss of one mini-batch and its gradients. Old and reference log-probs are given to both, so only the policy is run.
Before anything is timed, both gradients are compared.
"""

import argparse
import json
import sys
import tempfile
from dataclasses import replace
from importlib.metadata import version
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
sys.path.insert(0, str(Path(__file__).resolve().parent))

import torch
from datasets import Dataset
from step import experience_of, medians, settings_of
from transformers import AutoModelForImageTextToText, AutoProcessor
from trl import GRPOConfig, GRPOTrainer

from configs import Run
from models.loader import VisionLanguageModel, load
from train.backends import TorchBackend
from train.distributed import Ranks
from train.experience import Experience
from train.losses.averages import spread, token_shares
from train.needs import needs_of
from train.objective import token_losses, total_loss
from train.prompts import Prompts
from train.scoring.step import Step
from train.scoring.weighing import step_advantages, weighed
from train.table.columns import CLEAN, POLICY
from train.update import Updater

OUT = Path(__file__).with_suffix(".json")


def trainer_of(path: str, group: int, rows: int, beta: float, folder: str) -> GRPOTrainer:
    """Return token mean over the mini-batch, clipped, k3 to the reference, no gradient checkpointing: what we do."""
    arguments = GRPOConfig(
        output_dir=folder,
        use_cpu=True,
        bf16=False,
        report_to="none",
        gradient_checkpointing=False,
        beta=beta,
        loss_type="bnpo",
        use_bias_correction_kl=False,
        epsilon=0.2,
        epsilon_high=0.3,
        num_generations=group,
        per_device_train_batch_size=rows,
    )
    model = AutoModelForImageTextToText.from_pretrained(path, dtype=torch.float32)
    processor = AutoProcessor.from_pretrained(path, padding_side="left")
    data = Dataset.from_list([{"prompt": [{"role": "user", "content": "?"}]}])
    trainer = GRPOTrainer(
        model,
        reward_funcs=lambda completions, **_: [0.0] * len(completions),
        args=arguments,
        train_dataset=data,
        processing_class=processor,
    )
    trainer.current_gradient_accumulation_steps = 1
    trainer.model.train()
    return trainer


def inputs_of(
    experience: Experience,
    model: VisionLanguageModel,
    groups: range,
    advantages: list[torch.Tensor],
    reference: dict[int, torch.Tensor],
) -> dict[str, Any]:
    """Return the batch as TRL's own rollouts leave it: prompts padded on the left, pictures repeated for every
    answer.
    """
    blocks = [experience.blocks[g] for g in groups]
    rows = [row for block in blocks for row in block.rows]
    prompts = [experience.encoded[block.sample.id] for block in blocks for _ in block.rows]
    longest = max(len(prompt.ids) for prompt in prompts)

    def left(values: list[torch.Tensor], fill: int) -> torch.Tensor:
        return torch.stack([torch.nn.functional.pad(v, (longest - len(v), 0), value=fill) for v in values])

    answers = torch.tensor([experience.responses[row].token_ids for row in rows])
    kinds = left([prompt.token_kinds for prompt in prompts], 0)
    return {
        "prompt_ids": left([prompt.ids for prompt in prompts], model.pad_id),
        "prompt_mask": left([torch.ones_like(prompt.ids) for prompt in prompts], 0),
        "completion_ids": answers,
        "completion_mask": torch.ones_like(answers),
        "advantages": torch.stack([advantages[row][0] for row in rows]),
        "ref_per_token_logps": torch.stack([reference[row] for row in rows]),
        "num_items_in_batch": torch.tensor(answers.numel()),
        "num_images": [1] * len(rows),
        "pixel_values": torch.cat([prompt.vision["pixel_values"] for prompt in prompts]),
        "image_grid_thw": torch.cat([prompt.vision["image_grid_thw"] for prompt in prompts]),
        "mm_token_type_ids": torch.cat([kinds, torch.zeros_like(answers)], dim=1),
    }


def gradient_gap(first: torch.nn.Module, second: torch.nn.Module) -> float:
    """Relative, over all weights together."""
    pairs = zip(first.parameters(), second.parameters(), strict=True)
    ours, theirs = zip(*((a.grad.flatten(), b.grad.flatten()) for a, b in pairs if a.grad is not None), strict=True)
    return ((torch.cat(ours) - torch.cat(theirs)).norm() / torch.cat(theirs).norm()).item()


def compare(group: int, response: int) -> dict[str, Any]:
    """Return both ways for one shape of batch."""
    settings = settings_of("grpo", group)
    size = settings.optimiser.minibatch_prompts
    with tempfile.TemporaryDirectory() as folder:
        assert settings.losses.reference_kl
        trainer = trainer_of(settings.model.path, group, size * group, settings.losses.reference_kl.coef, folder)
    models = {way: load(replace(settings.model, scoring=way)) for way in ("shared", "plain")}
    experience, ranks = experience_of(models["shared"], group, response), Ranks()
    advantages = step_advantages(settings, experience, {})[0]
    rows = [row for block in experience.blocks[:size] for row in block.rows]
    torch.manual_seed(0)
    with torch.no_grad():
        plain = Prompts(models["plain"], experience, {}, 0)
        near = models["plain"].score([own[0] for own in plain.groups([(CLEAN, b) for b in range(size)])]).logprobs_NT
    reference = dict(zip(rows, near + 0.1 * torch.randn(near.shape), strict=True))
    inputs = inputs_of(experience, models["shared"], range(size), advantages, reference)

    def peer() -> None:
        trainer.model.zero_grad()
        trainer.compute_loss(trainer.model, inputs).backward()

    needs = needs_of(settings)
    fixed = {"logp": {}, "reference.logp": reference}
    table = weighed(experience, fixed, needs, settings, ranks, progress=0.0, seed=0)

    def step_of(model: VisionLanguageModel) -> Step:
        prompts = {POLICY: Prompts(model, experience, {}, 0)}
        return Step(number=1, experience=experience, prompts=prompts, fixed=fixed, weighed=table, needs=needs)

    def ours(way: str) -> None:
        model = models[way]
        model.module.zero_grad()
        updater = Updater(model, TorchBackend(model, settings), settings, ranks)
        step, blocks = step_of(model), list(range(size))
        batch = updater.batch(step, blocks, updater.sides(step, blocks), settings.losses, {})
        shares = token_shares([response] * len(rows), settings.losses.average, response)
        terms, _ = token_losses(settings.losses, batch)
        total_loss(terms, spread(shares, batch.mask_NT)).backward()

    work = {"trl": peer, "ours, plain": lambda: ours("plain"), "ours": lambda: ours("shared")}
    for one in work.values():
        one()
    gaps = {way: gradient_gap(model.module, trainer.model) for way, model in models.items()}
    seconds = medians(work)
    row = {
        "group": group,
        "response": response,
        "seconds": {name: round(value, 4) for name, value in seconds.items()},
        "trl_over_ours": round(seconds["trl"] / seconds["ours"], 2),
        "gradient_gap_to_trl": gaps,
    }
    print(json.dumps(row), flush=True)
    return row


def main() -> None:
    argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter).parse_args()
    record = Run.collect(settings_of("grpo", 8), into=OUT)
    rows = [compare(group, response) for group, response in ((8, 32), (16, 32), (8, 128))]
    result = {"trl": version("trl"), "rows": rows, "provenance": record.provenance()}
    OUT.write_text(json.dumps(result, indent=2) + "\n")


if __name__ == "__main__":
    main()
